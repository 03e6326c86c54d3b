"""`pipelines.status` describes builds: running, dead, failed, finished."""

import contextlib
import os
import re
import shutil

import pytest

from pipelines.dataset.read_published import build_rate, open_published
from pipelines.files import lock
from pipelines.plan.saved_plan import FAILURE_FILE, MANIFESTS, save_plan
from pipelines.plan.settings import Settings
from pipelines.status import main
from pipelines.worker.task import finish_shards

# Two shards of 50 and one of 20.
SETTINGS = Settings(examples_per_shard=50)


@pytest.fixture
def begun(lab):
  """The plan of a build that died after its first shard."""
  plan = lab.plan(SETTINGS)
  save_plan(plan)
  list(finish_shards(plan.shards()[:1]))
  return plan


def facts(output: str) -> dict[str, str]:
  """The lines of a status by their names; the name of its state is `''`."""
  lines = [line.split(maxsplit=1) for line in output.splitlines()[1:]]
  return {'': output.partition(': ')[2].splitlines()[0], **dict(lines)}


@pytest.mark.parametrize('name', ['config', 'version', 'staging'])
def test_a_dead_build(begun, capsys, name):
  folders = {
    'config': begun.directory.parent,
    'version': begun.directory,
    'staging': begun.staging,
  }
  assert main([str(folders[name])]) == 1
  found = facts(capsys.readouterr().out)
  assert found[''] == 'stopped; run the command that began it again to continue'
  assert found['shards'] == '1 of 3'
  assert found['images'] == '50 of 120 (41%)'
  assert found['folder'] == str(begun.staging)


def test_a_folder_that_was_moved_is_named_as_it_was_given(
  begun, tmp_path, capsys
):
  moved = shutil.move(begun.data_dir, tmp_path / 'moved')
  (tmp_path / 'link').symlink_to(moved)
  for folder in (moved, tmp_path / 'link'):
    main([str(folder / begun.staging.relative_to(begun.data_dir))])
    found = facts(capsys.readouterr().out)
    assert found['folder'].startswith(f'{folder}/')
    assert found['shards'] == '1 of 3'


def test_the_speed_is_that_of_the_last_run(begun, capsys):
  plan = begun.staging / 'plan.json'
  (first,) = begun.staging.glob(f'{MANIFESTS}/*')
  # An earlier run has finished this shard.
  os.utime(first, (0, 0))
  list(finish_shards(begun.shards()[2:]))
  (last,) = begun.staging.glob(f'{MANIFESTS}/*test*')
  os.utime(plan, (1000, 1000))
  os.utime(last, (1010, 1010))
  main([str(begun.staging)])
  found = facts(capsys.readouterr().out)
  assert found['images'] == '70 of 120 (58%)'
  assert found['speed'] == '2.0 images/s'  # 20 in 10 s.


def test_a_failed_build_says_why(begun, capsys):
  (begun.staging / FAILURE_FILE).write_text('the disk\nis full')
  assert main([str(begun.staging)]) == 1
  output = capsys.readouterr().out
  assert facts(output)[''].startswith('failed')
  assert output.endswith('  the disk\n  is full\n')


def test_bad_examples_are_counted_and_named(lab, capsys):
  plan = lab.plan(Settings(examples_per_shard=50, min_psnr=300))
  save_plan(plan)
  list(finish_shards(plan.shards()[:1]))
  main([str(plan.staging)])
  output = capsys.readouterr().out
  assert facts(output)['bad'] == '50 examples'
  assert re.search(
    r"'train_00049': its fit has [\d.]+ dB, less than min_psnr=300", output
  )


def test_a_running_build(begun, capsys):
  with lock.only_build_in(begun.directory.parent):
    assert main([str(begun.directory.parent)]) == 0
  found = facts(capsys.readouterr().out)
  assert re.fullmatch(
    rf'running since [-\d]+ [:\d]+, process {os.getpid()} on .*', found['']
  )
  assert re.fullmatch(r'[\d.]+ images/s', found['speed'])
  assert re.fullmatch(r'[\d:]+', found['left'])


def test_only_the_newest_of_two_unfinished_builds_is_running(
  begun, lab, capsys
):
  os.utime(begun.staging / 'plan.json', (1000, 1000))
  save_plan(lab.plan(Settings(max_examples_per_split=5)))
  with lock.only_build_in(begun.directory.parent):
    assert main([str(begun.directory.parent)]) == 1
    assert sorted(re.findall('running|stopped', capsys.readouterr().out)) == [
      'running',
      'stopped',
    ]


@pytest.mark.parametrize('name', ['config', 'version', 'staging'])
def test_a_finished_build(lab, capsys, name):
  plan = lab.plan(SETTINGS)
  lab.run(plan)
  folders = {
    'config': plan.directory.parent,
    'version': plan.directory,
    'staging': plan.staging,
  }
  assert main([str(folders[name])]) == 0
  found = facts(capsys.readouterr().out)
  assert found[''] == 'finished'
  assert found['shards'] == '3 of 3'
  assert found['images'] == '120 of 120 (100%)'
  assert re.fullmatch(r'[\d.]+ images/s', found['speed'])
  assert found['bad'] == '0 examples'
  assert found['folder'] == str(plan.directory)


def test_the_speed_of_a_finished_build(lab, tmp_path):
  plan = lab.plan(SETTINGS)
  lab.run(plan)
  names = [plan.file_name(shard) for shard in plan.shards()]
  for at, name in zip((100, 110, 125), names, strict=True):
    os.utime(plan.directory / name, (at, at))
    os.utime(plan.directory / MANIFESTS / f'{name}.json', (at + 1, at + 1))
  dataset = open_published(plan.directory)
  assert build_rate(dataset) == 70 / 25  # All but the first shard's 50.
  # The times of a copy say nothing about the speed of the build.
  copy = tmp_path / plan.directory.relative_to(lab.data_dir)
  shutil.copytree(plan.directory, copy, copy_function=shutil.copy)
  assert build_rate(open_published(copy)) is None
  # Neither do those of a dataset with a missing shard.
  (plan.directory / names[1]).unlink()
  assert build_rate(dataset) is None


def test_the_folder_of_all_configs_gives_a_line_for_each(lab, begun, capsys):
  plan = lab.plan(Settings(max_examples_per_split=5), seed=4)
  lab.run(plan)
  assert main([str(lab.data_dir / 'cifar10_linac')]) == 1
  assert capsys.readouterr().out.splitlines() == [
    f'{begun.config_name} 2.0.0: stopped, 50 of 120 images',
    f'{plan.config_name} 2.0.0: finished, 10 of 10 images',
  ]


def test_a_build_that_has_no_plan_yet(lab, capsys):
  folder = lab.plan().directory.parent
  with lock.only_build_in(folder):
    assert main([str(folder)]) == 2
  assert f'{folder} is about to begin' in capsys.readouterr().err


@pytest.mark.parametrize('name', ['nowhere', 'sample', 'sample/1.0.0'])
def test_a_folder_without_a_build_is_refused(sample_dir, capsys, name):
  assert main([str(sample_dir / name)]) == 2
  assert 'holds no LINAC dataset' in capsys.readouterr().err


def test_watching_draws_the_bar_until_the_build_ends(
  begun, lab, capsys, monkeypatch
):
  with contextlib.ExitStack() as build:
    build.enter_context(lock.only_build_in(begun.directory.parent))

    def sleep(seconds):
      lab.run(begun)
      build.close()

    monkeypatch.setattr('pipelines.status.time.sleep', sleep)
    assert main([str(begun.staging), '--watch']) == 0
  output, errors = capsys.readouterr()
  assert facts(output)[''] == 'finished'
  first, *_, last = re.findall(r'Fitting: .*?(\d+/\d+)', errors)
  assert (first, last) == ('50/120', '120/120')


def test_one_bar_is_for_all_that_is_running(begun, lab, capsys, monkeypatch):
  other = lab.plan(SETTINGS, seed=4)
  save_plan(other)
  with contextlib.ExitStack() as build:
    for plan in (begun, other):
      build.enter_context(lock.only_build_in(plan.directory.parent))

    def sleep(seconds):
      lab.run(begun, other)
      build.close()

    monkeypatch.setattr('pipelines.status.time.sleep', sleep)
    assert main([str(lab.data_dir / 'cifar10_linac'), '--watch']) == 0
  assert '240/240' in capsys.readouterr().err


def test_watching_can_be_interrupted(begun, capsys, monkeypatch):
  def sleep(seconds):
    raise KeyboardInterrupt

  monkeypatch.setattr('pipelines.status.time.sleep', sleep)
  with lock.only_build_in(begun.directory.parent):
    assert main([str(begun.directory), '--watch']) == 130
  assert 'The build continues' in capsys.readouterr().err


def test_watching_a_dead_build_says_so_at_once(begun, capsys):
  assert main([str(begun.directory), '--watch']) == 1
  assert 'stopped' in capsys.readouterr().out
