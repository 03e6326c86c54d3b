"""Writes shard files, each of them completely or not at all."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.metadata
import pathlib
from collections.abc import Callable, Iterator

import jax

from linac_tfds import schema
from pipelines.dataset.manifest import BadExample, Manifest, write_manifest
from pipelines.files import storage
from pipelines.files.formats import FILE_FORMATS
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.saved_plan import PLAN_FILE
from pipelines.plan.shards import ShardSpec
from pipelines.worker.serialise import Record, serialise_examples


@dataclasses.dataclass(frozen=True)
class UnfinishedShard:
  """A shard whose file has a temporary name, and may still be written.

  The file is removed if this object is given up without `finish`.

  Attributes:
    plan: The plan of the dataset.
    shard: The shard.
    facts: The facts about its examples.
    part: The path of its file.
    sha256: A function that waits for the file and returns its SHA-256.
    block: The open block of `storage.writing`, whose end names the file.
  """

  plan: DatasetPlan
  shard: ShardSpec
  facts: _Facts
  part: pathlib.Path
  sha256: Callable[[], str]
  block: contextlib.ExitStack

  def finish(self) -> Manifest:
    """Waits until the file is on disk, names it, then writes the manifest.

    Returns:
      The manifest.

    Raises:
      ValueError: if the build was removed in the meantime.
    """
    with self.block:
      manifest = Manifest(
        split=self.shard.split,
        index=self.shard.index,
        start=self.shard.start,
        stop=self.shard.stop,
        fingerprint=self.shard.fingerprint,
        file_name=self.plan.file_name(self.shard),
        sha256=self.sha256(),
        file_bytes=self.part.stat().st_size,
        example_bytes=self.facts.num_bytes,
        ids=self.facts.ids,
        bad_examples=self.facts.bad_examples,
        measures=self.facts.measures,
        representation_sha256=self.facts.representation_sha256,
        device=device_name(),
        versions=library_versions(),
      )
      _check_wanted(self.plan)
    write_manifest(self.plan, self.shard, manifest)
    return manifest


def write_records(
  plan: DatasetPlan, shard: ShardSpec, records: Iterator[Record | BadExample]
) -> UnfinishedShard:
  """Writes the file of a shard, completely or not at all.

  Args:
    plan: The plan of the dataset.
    shard: The shard to write.
    records: The records of the shard and no others. Bad examples are left out
      and listed in the manifest.

  Raises:
    ValueError: if the source ended early, or if the build was removed in the
      meantime.
  """
  facts = _Facts()
  _check_wanted(plan)
  with contextlib.ExitStack() as stack:
    path = plan.staging / plan.file_name(shard)
    part = stack.enter_context(storage.writing(path))
    file_format = FILE_FORMATS[plan.settings.file_format]
    sha256 = file_format.write(part, facts.collect(records))
    count = len(facts.ids) + len(facts.bad_examples)
    if count != shard.size:
      raise ValueError(
        f'{plan.source.directory} ended after {count} of the '
        f'{shard.size} examples from {shard.start} of its split {shard.split}.'
      )
    block = stack.pop_all()
  return UnfinishedShard(plan, shard, facts, part, sha256, block)


def write_shard(
  plan: DatasetPlan, shard: ShardSpec, examples: Iterator[dict | BadExample]
) -> Manifest:
  """Writes one shard, then its manifest.

  Args:
    plan: The plan of the dataset.
    shard: The shard to write.
    examples: The examples of the shard and no others, with all features of the
      dataset.

  Returns:
    The manifest.

  Raises:
    ValueError: see `write_records`.
  """
  records = serialise_examples(plan, examples)
  return write_records(plan, shard, records).finish()


def _check_wanted(plan: DatasetPlan) -> None:
  """Checks that the build still exists.

  Raises:
    ValueError: if its plan was removed, so that nobody would read the shard.
  """
  if not (plan.staging / PLAN_FILE).exists():
    raise ValueError(
      f'{plan.staging} was removed: the dataset has been published, or its '
      'build has been deleted.'
    )


class _Facts:
  """Facts for the manifest, collected from records while they are written.

  Attributes:
    num_bytes: The size of all records, in bytes.
    ids: The id of each record.
    bad_examples: The examples that were left out.
    measures: The values of each measure, such as PSNR, by its name.
    representation_sha256: The hash of each representation.
  """

  def __init__(self):
    self.num_bytes = 0
    self.ids = []
    self.bad_examples = []
    self.measures = {name: [] for name in schema.MEASURES}
    self.representation_sha256 = []

  def collect(self, records: Iterator[Record | BadExample]) -> Iterator[bytes]:
    """Yields the bytes of each record."""
    for record in records:
      if isinstance(record, BadExample):
        self.bad_examples.append(record)
        continue
      self.num_bytes += len(record.data)
      self.ids.append(record.id)
      for name, values in self.measures.items():
        values.append(record.measures[name])
      self.representation_sha256.append(record.representation_sha256)
      yield record.data


def device_name() -> str:
  """The name of this process's device: `'cpu'`, or as in `'gpu:NVIDIA L4'`."""
  device = jax.devices()[0]
  if device.platform == 'cpu':
    return 'cpu'
  return f'{device.platform}:{device.device_kind}'


@functools.cache
def library_versions() -> dict[str, str]:
  """The versions of the libraries that fit, by name."""
  names = ('jax', 'jaxlib', 'numpy', 'scipy', 'flax', 'optax')
  return {name: importlib.metadata.version(name) for name in names}
