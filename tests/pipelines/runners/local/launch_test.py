"""The driver of a local build, which starts while the build is planned."""

import psutil

from pipelines.runners.local import launch


def test_a_driver_without_a_plan_leaves_no_process():
  with launch.started(1) as unused:
    pass
  assert unused.returncode < 0
  with launch.started(2) as driver:
    process = psutil.Process(driver.pid)
    while len(workers := process.children()) < 2:
      assert driver.poll() is None, driver.stdout.read().decode()
    memory = [w.memory_full_info() for w in workers]
    # Each worker has imported everything, and shares it with its driver.
    assert all(m.uss < m.rss / 2 for m in memory), memory
    driver.stdin.close()  # As if the process that plans were killed.
    assert driver.wait() == 0
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
    assert driver.stdout.read() == b''
