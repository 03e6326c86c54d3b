import itertools

import apache_beam as beam
import tensorflow_datasets as tfds
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.plan.saved_plan import FAILURE_FILE, PLAN_FILE, save_plan
from pipelines.plan.settings import Settings
from pipelines.runners.pipeline import Workers, build_datasets, plan_tasks
from pipelines.worker.task import finish_shards
from tests.pipelines.conftest import with_settings


def test_a_core_gets_single_shards(lab):
  plan = lab.plan(Settings(examples_per_shard=10))
  save_plan(plan)
  tasks = list(plan_tasks(str(plan.staging)))
  assert tasks == [(shard,) for shard in plan.shards()]


def test_each_worker_gets_an_equal_share_of_the_images(lab):
  """A task may have shards of two splits, and a share is even to a shard."""
  plan = lab.plan(Settings(examples_per_shard=10, images_per_batch=10))
  save_plan(plan)
  for number, sizes in [(1, [12]), (5, [3, 2, 3, 2, 2]), (20, [1] * 12)]:
    tasks = list(plan_tasks(str(plan.staging), Workers(number=number)))
    assert [len(task) for task in tasks] == sizes
    assert list(itertools.chain(*tasks)) == plan.shards()


def test_a_task_is_of_16_batches_if_the_number_of_workers_is_unknown(lab):
  plan = lab.plan(Settings(examples_per_shard=2, images_per_batch=2))
  save_plan(plan)
  tasks = list(plan_tasks(str(plan.staging)))
  assert [len(task) for task in tasks] == [15, 15, 15, 15]


def test_an_accelerator_gets_long_tasks_before_its_memory_is_known(lab):
  plan = lab.plan(Settings(examples_per_shard=10))
  save_plan(plan)
  (task,) = plan_tasks(str(plan.staging), Workers(accelerated=True))
  assert list(task) == plan.shards()


def test_a_damaged_plan_does_not_hold_up_another_dataset(lab):
  good, bad = lab.plan(seed=1), lab.plan(seed=2)
  save_plan(bad)
  (bad.staging / PLAN_FILE).write_text('{')
  save_plan(good)
  with beam.Pipeline(runner=FnApiRunner()) as root:
    build_datasets(root, [str(bad.staging), str(good.staging)])
  assert good.directory.exists()
  assert 'no valid plan' in (bad.staging / FAILURE_FILE).read_text()


def test_a_dataset_that_is_in_the_way_does_not_hold_up_another(lab):
  good, bad = lab.plan(seed=1), lab.plan(seed=2)
  bad.directory.mkdir(parents=True)
  (bad.directory / 'thesis.txt').write_text('mine')
  lab.run(bad, good)
  assert good.directory.exists()
  assert 'thesis.txt' in (bad.staging / FAILURE_FILE).read_text()


def test_finished_shards_come_last(lab):
  plan = lab.plan(Settings(examples_per_shard=20, images_per_batch=100))
  save_plan(plan)
  shards = plan.shards()
  list(finish_shards((shards[2],)))
  tasks = list(plan_tasks(str(plan.staging)))
  assert tasks == [(*shards[:2], *shards[3:]), (shards[2],)]


def test_two_datasets_in_one_pipeline(lab):
  plans = [lab.plan(seed=1), lab.plan(seed=2)]
  lab.run(*plans)
  first, second = (
    tfds.builder_from_directory(plan.directory).info.metadata for plan in plans
  )
  assert (first['config']['seed'], second['config']['seed']) == (1, 2)
  assert first['fingerprint'] != second['fingerprint']


def test_a_dataset_that_fails_does_not_hold_up_another(lab):
  good, bad = lab.plan(seed=1), lab.plan(learning_rate=1e300)
  lab.run(bad, good)
  assert tfds.builder_from_directory(good.directory).info.splits['train']
  assert not bad.directory.exists()
  assert 'diverged' in (bad.staging / FAILURE_FILE).read_text()


def test_the_flow_is_a_line():
  """Checks for branches and tagged outputs, which DaskRunner silently skips."""
  root = beam.Pipeline(runner=FnApiRunner())
  build_datasets(root, ['staging'])
  steps = root.transforms_stack[0].parts
  assert not steps[0].inputs[0].producer
  for before, step in itertools.pairwise(steps):
    assert list(before.outputs.values()) == list(step.inputs)


def test_an_interrupted_build_goes_on(lab):
  plan = lab.plan(Settings(examples_per_shard=10))
  save_plan(plan)
  list(finish_shards(tuple(plan.shards()[:3])))
  staged = plan.staging / plan.shards()[0].file_name('tfrecord')
  inode = staged.stat().st_ino
  lab.run(plan)
  published = plan.directory / staged.name
  assert published.stat().st_ino == inode
  assert not plan.staging.exists()
  builder = tfds.builder_from_directory(plan.directory)
  assert builder.info.splits['train'].num_examples == 100


def test_the_files_are_the_same_after_an_interruption(lab):
  settings = Settings(max_examples_per_split=20, examples_per_shard=5)
  plan = lab.plan(settings)
  lab.run(plan)
  undisturbed = {p.name: p.read_bytes() for p in plan.directory.glob('c*')}
  plan = with_settings(plan, overwrite=True)
  save_plan(plan)
  list(finish_shards(tuple(plan.shards()[1:3])))
  lab.run(plan)
  assert {p.name: p.read_bytes() for p in plan.directory.glob('c*')} == (
    undisturbed
  )
