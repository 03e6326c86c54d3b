"""The Beam pipeline: plan tasks, fit and write shards, publish datasets.

Only small records travel between steps. Representations go from the device to
a file within one worker.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import apache_beam as beam

from pipelines.dataset.manifest import read_manifests
from pipelines.dataset.publish import publish
from pipelines.errors import BuildError, printable
from pipelines.files import storage
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.saved_plan import FAILURE_FILE, PLAN_FILE, load_plan
from pipelines.plan.shards import ShardSpec
from transforms.memory import MOST_IMAGES

if TYPE_CHECKING:
  from pipelines.worker.task import ShardRecord

# Shards in order, with gaps, which one worker fits and writes.
Task = tuple[ShardSpec, ...]

# The batches that a device fits in one task, if the number of workers is not
# known. They take some seconds, and the pause after them is about one.
_BATCHES_PER_TASK = 16
# The most reasons of a failure that are printed.
_MAX_REASONS = 10


@dataclasses.dataclass(frozen=True)
class Workers:
  """The workers that fit, and what the runner has to give them.

  Attributes:
    accelerated: Whether they fit on accelerators and not on CPU cores.
    number: The number of workers, or None if the runner chooses it.
    accelerator: The accelerator that the runner gives to each worker, as a
      resource hint of Beam's, or None.
    ram: The least memory that the runner gives to each worker, such as
      `'16GB'`, or None.
    compilation_cache: The folder where workers share compiled programs, or
      None, as `device.set_up` takes it.
  """

  accelerated: bool = False
  number: int | None = None
  accelerator: str | None = None
  ram: str | None = None
  compilation_cache: str | None = None

  def fit(self) -> beam.ParDo:
    """Makes the step that fits, the only one that needs these workers."""
    step = beam.ParDo(FitTask(self.accelerated, self.compilation_cache))
    hints = {'accelerator': self.accelerator, 'min_ram': self.ram}
    return step.with_resource_hints(**{k: v for k, v in hints.items() if v})


CPUS = Workers()


def build_datasets(
  root: beam.Pipeline, stagings: list[str], workers: Workers = CPUS
) -> None:
  """Adds the steps that build datasets to a pipeline.

  Args:
    root: The pipeline.
    stagings: The staging folders of the datasets, which hold their plans.
    workers: The workers that fit.
  """
  tasks = (
    root
    | 'Datasets' >> beam.Create(stagings)
    | 'PlanTasks' >> beam.FlatMap(plan_tasks, workers)
    # This spreads the tasks over all workers. It also keeps the runner from
    # fusing the fit with steps that need no accelerator.
    | 'Redistribute' >> beam.Reshuffle()
  )
  finish_datasets(tasks, workers)


def finish_datasets(
  tasks: beam.PCollection[Task], workers: Workers = CPUS
) -> None:
  """Adds the steps that fit and write tasks and publish their datasets.

  Args:
    tasks: All tasks of the datasets, as `plan_tasks` yields them.
    workers: The workers that fit.
  """
  _ = (
    tasks
    | 'FitAndWrite' >> workers.fit()
    | 'GroupByDataset' >> beam.GroupByKey()
    | 'Finalise' >> beam.MapTuple(finalise)
  )


def plan_tasks(staging: str, workers: Workers = CPUS) -> Iterator[Task]:
  """Cuts a dataset into tasks.

  If its plan is damaged, it has no tasks, and `FAILURE_FILE` says why.

  Args:
    staging: The staging folder of the dataset, which holds its plan.
    workers: The workers that fit.

  Yields:
    The tasks. Those with shards to fit come before those whose shards only
    have to be checked.
  """
  try:
    plan = load_plan(staging)
  except BuildError as error:
    _fail(staging, [str(error)])
    return
  pending, done = [], []
  for shard, manifest in read_manifests(plan).items():
    (done if manifest else pending).append(shard)
  # Only the worker knows how many images its device holds.
  default = MOST_IMAGES if workers.accelerated else 1
  images = plan.settings.images_per_batch or default
  if images == 1:
    yield from ((shard,) for shard in pending)
  else:
    size = sum(shard.size for shard in pending)
    number = workers.number or -(-size // (_BATCHES_PER_TASK * images))
    yield from _shares(pending, number)
  yield from ((shard,) for shard in done)


def _shares(shards: list[ShardSpec], number: int) -> Iterator[Task]:
  """Cuts shards into tasks of about as many images each.

  A device that fits hundreds of images at once has nothing to do between two
  tasks, while the last images of the one are written and the first ones of the
  other are read. So each worker gets a single task. A core fits one image at a
  time, and so does not notice.

  Args:
    shards: The shards, in order.
    number: The number of tasks; there are fewer if there are fewer shards.
  """
  size = sum(shard.size for shard in shards)
  # An image is in the task of the first image of its shard.
  firsts = itertools.accumulate((shard.size for shard in shards), initial=0)
  for _, share in itertools.groupby(
    zip(shards, firsts, strict=False), lambda item: item[1] * number // size
  ):
    yield tuple(shard for shard, _ in share)


class FitTask(beam.DoFn):
  """The step that fits and writes the shards of a task.

  It imports JAX, which takes a second, only on workers.
  """

  def __init__(self, accelerated: bool, compilation_cache: str | None):
    self._accelerated = accelerated
    self._compilation_cache = compilation_cache

  def setup(self):
    """Prepares the worker process for its first fit."""
    from pipelines.worker import device

    device.set_up(self._accelerated, self._compilation_cache)

  def process(self, task: Task) -> Iterator[tuple[str, ShardRecord]]:
    """Yields the staging folder of the dataset and the record of each shard."""
    from pipelines.worker.task import finish_shards

    for record in finish_shards(task):
      yield record.shard.dataset, record


def finalise(staging: str, records: Iterable[ShardRecord]) -> None:
  """Publishes a dataset, or writes into its `FAILURE_FILE` why it does not.

  A failure raises no exception, which would stop the pipeline's other datasets.

  Args:
    staging: The staging folder of the dataset.
    records: The records of all its shards, in any order.
  """
  if not (storage.path(staging) / PLAN_FILE).exists():
    return  # An earlier attempt at this step has published the dataset.
  records = sorted(records, key=lambda r: (r.shard.split, r.shard.index))
  try:
    if reasons := _reasons_against(load_plan(staging), records):
      _fail(staging, reasons)
    else:
      publish(staging, {r.shard: r.sha256 for r in records})
  except (BuildError, *storage.errors()) as error:
    _fail(staging, [f'{error}', 'Finished shards are kept.'])


def _fail(staging: str, reasons: list[str]) -> None:
  """Writes the reasons of a failure into the `FAILURE_FILE` of a dataset."""
  folder = storage.path(staging)
  # Without a plan, another attempt has published the dataset and removed this
  # folder, which must not appear again.
  if (folder / PLAN_FILE).exists():
    storage.write_text(folder / FAILURE_FILE, printable('\n'.join(reasons)))


def _reasons_against(
  plan: DatasetPlan, records: list[ShardRecord]
) -> list[str]:
  """Lists why a dataset cannot be published, with a summary at the end.

  Args:
    plan: The plan of the dataset.
    records: The records of all its shards, in order.

  Returns:
    Lines of text; empty if the dataset can be published.
  """
  errors = [record.error for record in records if record.error]
  if errors:
    return [
      *list(dict.fromkeys(errors))[:_MAX_REASONS],
      f'{len(errors)} of {len(records)} shards could not be made; nothing is '
      f'published. The other shards are kept in {plan.staging}.',
    ]
  bad = [example for record in records for example in record.bad_examples]
  good = {split: 0 for split, _ in plan.splits}
  for record in records:
    good[record.shard.split] += record.shard.size - len(record.bad_examples)
  without = [split for split, count in good.items() if not count]
  reasons = [f'{e.id!r}: {e.reason}' for e in bad[:_MAX_REASONS]]
  summary = (
    f'{len(bad)} of {plan.num_examples} examples are bad; nothing is published.'
  )
  if without:  # To leave the bad ones out would leave nothing.
    return [
      *reasons,
      f'{summary} No example is good of {", ".join(without)}. Correct the '
      'source or the setting that the reasons name, or choose other --splits.',
    ]
  if bad and plan.settings.on_bad_example == 'stop':
    return [
      *reasons,
      f'{summary} The others are kept in {plan.staging}: run the same command '
      'with --on_bad_example=skip to publish them without the bad ones.',
    ]
  return []
