"""The Beam pipeline: plan, fit and write shards, finalise datasets.

Nothing larger than a shard's record travels between steps: representations go
from the device to a file within one worker.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import apache_beam as beam

from pipelines.dataset.manifest import read_manifests
from pipelines.dataset.publish import publish
from pipelines.errors import BuildError
from pipelines.files import storage
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.saved_plan import FAILURE_FILE, PLAN_FILE, load_plan
from pipelines.plan.shards import ShardSpec
from transforms.memory import MOST_IMAGES

if TYPE_CHECKING:
  from pipelines.worker.task import ShardRecord

Task = tuple[ShardSpec, ...]

# Printed of many.
_MAX_REASONS = 10


@dataclasses.dataclass(frozen=True)
class Workers:
  """The workers that fit.

  Attributes:
    accelerated: whether accelerators fit, and not CPU cores.
    accelerator: that the runner is to find for them, or None.
    ram: that it is to find for them, or None.
    compilation_cache: as `device.set_up` takes it.
  """

  accelerated: bool = False
  accelerator: str | None = None
  ram: str | None = None
  compilation_cache: str | None = None

  def fit(self) -> beam.ParDo:
    """The step that fits; it alone asks for what these workers have."""
    step = beam.ParDo(FitTask(self.accelerated, self.compilation_cache))
    hints = {'accelerator': self.accelerator, 'min_ram': self.ram}
    return step.with_resource_hints(**{k: v for k, v in hints.items() if v})


CPUS = Workers()


def build_datasets(
  root: beam.Pipeline, stagings: list[str], workers: Workers = CPUS
) -> None:
  """Builds every dataset whose plan is saved in one of the staging folders."""
  tasks = (
    root
    | 'Datasets' >> beam.Create(stagings)
    | 'PlanTasks' >> beam.FlatMap(plan_tasks, workers.accelerated)
    # Also keeps the fit from being fused with steps that need no accelerator.
    | 'Redistribute' >> beam.Reshuffle()
  )
  finish_datasets(tasks, workers)


def finish_datasets(
  tasks: beam.PCollection[Task], workers: Workers = CPUS
) -> None:
  """Fits and writes all tasks of some datasets, and publishes these."""
  _ = (
    tasks
    | 'FitAndWrite' >> workers.fit()
    | 'GroupByDataset' >> beam.GroupByKey()
    | 'Finalise' >> beam.MapTuple(finalise)
  )


def plan_tasks(staging: str, accelerated: bool = False) -> Iterator[Task]:
  """Cuts a dataset into tasks, those with work to do first."""
  try:
    plan = load_plan(staging)
  except BuildError as error:
    _fail(staging, [str(error)])
    return
  # The device's own number is known on its worker only.
  images = plan.settings.images_per_batch or (MOST_IMAGES if accelerated else 1)
  pending, done = [], []
  for shard, manifest in read_manifests(plan).items():
    (done if manifest else pending).append(shard)
  yield from _runs(pending, images)
  yield from _runs(done, images)


def _runs(shards: list[ShardSpec], images_per_batch: int) -> Iterator[Task]:
  """Runs of consecutive shards, as long as a device keeps busy with.

  A CPU core, which fits single images, gets single shards; a device that fits
  hundreds at once gets shards for several batches.
  """
  # Consecutive shards share the difference between index and position.
  for _, run in itertools.groupby(
    enumerate(shards), lambda item: (item[1].split, item[1].index - item[0])
  ):
    run = [shard for _, shard in run]
    size = max(1, 4 * images_per_batch // run[0].size)
    for i in range(0, len(run), size):
      yield tuple(run[i : i + size])


class FitTask(beam.DoFn):
  """Finishes the shards of a task; yields their records by dataset.

  Workers alone import JAX, which takes a second.
  """

  def __init__(self, accelerated: bool, compilation_cache: str | None):
    self._accelerated = accelerated
    self._compilation_cache = compilation_cache

  def setup(self):
    """Readies the worker process."""
    from pipelines.worker import device

    device.set_up(self._accelerated, self._compilation_cache)

  def process(self, task: Task) -> Iterator[tuple[str, ShardRecord]]:
    """Fits and writes."""
    from pipelines.worker.task import finish_shards

    for record in finish_shards(task):
      yield record.shard.dataset, record


def finalise(staging: str, records: Iterable[ShardRecord]) -> None:
  """Publishes a dataset, or says why not in its `FAILURE_FILE`.

  A failure is no exception: it would hold up the pipeline's other datasets.
  """
  if not (storage.path(staging) / PLAN_FILE).exists():
    return  # Published by an earlier attempt at this step.
  records = sorted(records, key=lambda r: (r.shard.split, r.shard.index))
  try:
    if reasons := _why_not(load_plan(staging), records):
      _fail(staging, reasons)
    else:
      publish(staging, {r.shard: r.sha256 for r in records})
  except (BuildError, *storage.errors()) as error:
    _fail(staging, [f'{error}', 'What is finished is kept.'])


def _fail(staging: str, reasons: list[str]) -> None:
  folder = storage.path(staging)
  if (folder / PLAN_FILE).exists():  # Else another attempt has published it.
    storage.write_text(folder / FAILURE_FILE, '\n'.join(reasons))


def _why_not(plan: DatasetPlan, records: list[ShardRecord]) -> list[str]:
  """Why a dataset cannot be published, the summary last."""
  errors = [record.error for record in records if record.error]
  if errors:
    return [
      *list(dict.fromkeys(errors))[:_MAX_REASONS],
      f'{len(errors)} of {len(records)} shards could not be made; nothing is '
      f'published. The others are kept in {plan.staging}.',
    ]
  bad = [example for record in records for example in record.bad_examples]
  if bad and plan.settings.on_bad_example == 'stop':
    return [
      *(f'{example.id!r}: {example.reason}' for example in bad[:_MAX_REASONS]),
      f'{len(bad)} of {plan.num_examples} examples are bad; nothing is '
      f'published. The others are kept in {plan.staging}: run the same command '
      'with --on_bad_example=skip to publish them alone.',
    ]
  makers = sorted({record.made_by for record in records})
  if plan.strict_devices and len(makers) > 1:
    return [
      f'strict_devices is set, but the shards in {plan.staging} come from '
      f'{", ".join(makers)}; nothing is published. Delete those of all but '
      'one, or leave out --strict_devices.'
    ]
  good = {split: 0 for split, _ in plan.splits}
  for record in records:
    good[record.shard.split] += record.shard.size - len(record.bad_examples)
  return [
    f'The split {split} has no good example; nothing is published.'
    for split, count in good.items()
    if not count
  ]
