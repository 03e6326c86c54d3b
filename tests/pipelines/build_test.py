"""The build command as a user runs it, with all its processes."""

import json
import re
import signal

import psutil
import pytest
import tensorflow_datasets as tfds

from tests.pipelines.commands import (
  staged_manifests,
  start,
  wait_until,
  workers,
)

CONFIG = [
  '--source=sample',
  '--seed=5',
  '--num_layers=2',
  '--width=8',
  '--num_features=2',
  '--representation_layer=1',
  '--num_epochs=1',
  '--batch_size=128',
]


def test_build_load_and_build_again(sample_dir, all_cores):
  two = [[core] for core in all_cores[:2]]
  process = start(sample_dir, *CONFIG, f'--direct_num_workers={len(two)}')
  # Each worker has a core of its own.
  wait_until(
    lambda: sorted(p.cpu_affinity() for p in workers(process)) == two, process
  )
  output, errors = process.communicate(timeout=120)
  assert process.returncode == 0, errors
  assert 'images   120 (train 100, test 20)' in output
  assert '120 fitted' in output
  assert re.search(r'shards +5 written \(\d MB\), 0 reused; .* \d+ ms', output)
  assert '120/120' in errors
  # The line of Python that it prints loads the dataset.
  line = output.strip().splitlines()[-1].strip()
  namespace = {'tfds': tfds}
  exec(line, namespace)
  assert len(namespace['ds']) == 100

  # This is what a build leaves that was killed while it linked files.
  (directory,) = sample_dir.glob('cifar10_linac/*/2.*')
  left = directory / 'features.json.tmp0a1b2c3d'
  left.touch()
  again = start(sample_dir, *CONFIG)
  output, errors = again.communicate(timeout=60)
  assert again.returncode == 0, errors
  assert 'nothing was fitted' in output
  assert not left.exists()


# A build that lasts long enough to be interrupted: 120 images of about 0.1 s.
SLOW = ['--source=sample', '--seed=6', '--examples_per_shard=4']


def test_a_killed_worker_ends_the_build_and_loses_nothing(
  sample_dir, all_cores
):
  process = start(sample_dir, *SLOW)
  wait_until(lambda: staged_manifests(sample_dir), process)
  wait_until(lambda: workers(process), process)[0].kill()
  _, errors = process.communicate(timeout=60)
  assert process.returncode == 1
  assert 'A worker process died' in errors
  assert 'memory was short' in errors
  assert 'run the same command again' in errors
  assert staged_manifests(sample_dir)
  assert not list(sample_dir.glob('cifar10_linac/*/[0-9]*'))


@pytest.mark.parametrize(
  ('name', 'value', 'reason'),
  [
    # A worker dies without an exception of Python's.
    ('XLA_FLAGS', '--no_such_flag', 'Unknown flag in XLA_FLAGS: --no_such'),
    # The driver dies: Beam reads a docstring, which Python leaves out.
    ('PYTHONOPTIMIZE', '2', "words: AttributeError: 'NoneType' object has no"),
  ],
)
def test_a_process_that_cannot_start_is_explained(
  sample_dir, name, value, reason
):
  process = start(sample_dir, *CONFIG, **{name: value})
  _, errors = process.communicate(timeout=60)
  assert process.returncode == 1
  assert reason in errors
  assert re.search(r'The log is /.*/build\.log\.', errors)
  assert 'memory' not in errors


def test_a_trial_that_cannot_start_is_explained(sample_dir):
  process = start(sample_dir, *CONFIG, '--plan', XLA_FLAGS='--no_such_flag')
  _, errors = process.communicate(timeout=60)
  assert process.returncode == 1
  reason = 'The first images could not be fitted: Unknown flag in XLA_FLAGS'
  assert errors.startswith(f'error: {reason}')


def test_a_proxy_does_not_come_between_the_processes(sample_dir):
  # Nobody listens at the discard port.
  process = start(
    sample_dir,
    *CONFIG,
    '--max_examples_per_split=2',
    http_proxy='http://127.0.0.1:9',
    no_proxy='.example',
  )
  _, errors = process.communicate(timeout=120)
  assert process.returncode == 0, errors


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_processes(sample_dir, all_cores, number):
  process = start(sample_dir, *SLOW)
  wait_until(lambda: staged_manifests(sample_dir), process)
  family = psutil.Process(process.pid).children(recursive=True)
  process.send_signal(number)
  _, errors = process.communicate(timeout=30)
  assert process.returncode == 128 + number
  saved = sum(
    len(json.loads(path.read_text())['ids'])
    for path in staged_manifests(sample_dir)
  )
  assert f'{saved} of 120 images are saved; the same command' in errors
  _, alive = psutil.wait_procs(family, timeout=20)
  assert not alive


def test_an_interrupt_of_the_imports_is_no_traceback(tmp_path):
  process = start(tmp_path, *SLOW)
  # NumPy is imported early, long before TFDS.
  wait_until(
    lambda: any('numpy' in m.path for m in process_maps(process)), process
  )
  process.send_signal(signal.SIGINT)
  _, errors = process.communicate(timeout=30)
  assert process.returncode == 130
  assert errors.startswith('\nStopped')
  assert 'Traceback' not in errors


def process_maps(process):
  return psutil.Process(process.pid).memory_maps()


def test_a_plan_tells_what_a_build_takes_and_writes_nothing(sample_dir):
  before = sorted(sample_dir.rglob('*'))
  process = start(
    sample_dir, *CONFIG, '--plan', '--examples_per_shard=10', '--min_psnr=99'
  )
  output, errors = process.communicate(timeout=120)
  assert process.returncode == 0, errors
  assert errors == ''
  assert sorted(sample_dir.rglob('*')) == before
  assert re.search(r'shards +12\n', output)
  assert re.search(r'time .* s an image and worker', output)
  planned = int(re.search(r'bytes +([\d,]+) ', output)[1].replace(',', ''))

  process = start(sample_dir, *CONFIG, '--examples_per_shard=10', '--verbose')
  _, errors = process.communicate(timeout=120)
  assert process.returncode == 0, errors
  assert 'INFO absl: ' in errors  # TFDS's logs.
  assert 'pipelines.runners.local.launch: ' in errors  # The driver's.
  files = sample_dir.glob('cifar10_linac/*/2.*/*tfrecord*')
  # The size of a PNG differs from image to image.
  assert sum(p.stat().st_size for p in files) == pytest.approx(planned, rel=0.1)

  process = start(sample_dir, *CONFIG, '--plan', '--examples_per_shard=10')
  output, _ = process.communicate(timeout=60)
  assert process.returncode == 0
  assert 'Nothing is left to build' in output


def test_a_build_needs_nobody_who_reads_what_it_prints(sample_dir):
  process = start(sample_dir, *CONFIG, '--max_examples_per_split=2')
  process.stdout.close()
  process.stderr.close()
  assert process.wait(timeout=120) == 0


def test_a_plan_refuses_what_a_build_would(sample_dir):
  process = start(sample_dir, *CONFIG, '--plan', '--splits=dev')
  output, errors = process.communicate(timeout=60)
  assert (process.returncode, output) == (2, '')
  assert 'it has train, test' in errors


def test_two_builds_of_a_dataset_do_not_meet(sample_dir):
  first = start(sample_dir, *SLOW)
  wait_until(lambda: workers(first), first)
  second = start(sample_dir, *SLOW)
  _, errors = second.communicate(timeout=60)
  assert second.returncode == 1
  assert f'Another build is at work in {sample_dir}' in errors
  assert f'`kill {first.pid}`' in errors
  first.send_signal(signal.SIGINT)
  first.communicate(timeout=30)


def test_workers_do_not_outlive_a_killed_build(sample_dir, all_cores):
  process = start(sample_dir, *SLOW)
  wait_until(lambda: workers(process), process)
  family = psutil.Process(process.pid).children(recursive=True)
  process.kill()
  process.communicate()
  _, alive = psutil.wait_procs(family, timeout=30)
  assert not alive


def test_an_error_in_a_worker_is_told_in_a_line(sample_dir):
  process = start(sample_dir, *CONFIG, '--learning_rate=1e30')
  _, errors = process.communicate(timeout=120)
  assert process.returncode == 1
  assert "'test_00000': its fit diverged" in errors
  assert '120 of 120 examples are bad' in errors
  assert 'nothing is published' in errors
  assert 'Traceback' not in errors


@pytest.mark.parametrize(
  ('arguments', 'status', 'message'),
  [
    (['--sed=1'], 2, 'unknown option --sed. Did you mean --seed?'),
    (['--source=nosuch'], 2, "source='nosuch' is no dataset"),
    (['--worker_ram=8GB'], 2, "worker_ram='8GB' is for workers that"),
    (['--batch_size=48'], 2, 'batch_size=48 does not divide'),
    (['--splits=dev'], 2, 'it has train, test'),
    (['--data_dir=s3://bucket/x'], 2, 'neither a local path nor one of gs://'),
    (['--source_data_dir=/usr'], 2, '/usr does not hold sample prepared'),
  ],
)
def test_errors_before_any_work_are_short(
  sample_dir, arguments, status, message
):
  process = start(sample_dir, '--source=sample', *arguments)
  _, errors = process.communicate(timeout=60)
  assert process.returncode == status
  assert message in errors
  assert len(errors.strip().splitlines()) <= 3


def test_float64_files_do_not_depend_on_the_number_of_workers(
  sample_dir, tmp_path, all_cores
):
  files = []
  for folder, number in ((sample_dir, 1), (tmp_path / 'all', len(all_cores))):
    process = start(
      folder,
      *(*CONFIG, '--precision=float64', '--max_examples_per_split=20'),
      *('--examples_per_shard=5', f'--direct_num_workers={number}'),
    )
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    paths = folder.glob('cifar10_linac/*/[0-9]*/cifar10_linac-*')
    files.append({path.name: path.read_bytes() for path in paths})
  assert len(files[0]) == 8
  assert files[0] == files[1]
