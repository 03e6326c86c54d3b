"""Manifests: the small JSON files that describe finished shards, one each.

A shard is finished when its manifest is there and agrees with its file.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import pathlib

import numpy as np

from linac_config.errors import is_about_contents
from linac_tfds.schema import MEASURES
from pipelines.files import storage, strict_json
from pipelines.plan import version_1_0
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.fingerprint import SCHEMA
from pipelines.plan.saved_plan import MANIFESTS
from pipelines.plan.shards import ShardSpec

# The size in bytes that no record reaches: protocol buffers are smaller.
_MAX_RECORD = 2**31


@dataclasses.dataclass(frozen=True)
class BadExample:
  """An example that cannot be fitted, and so is left out of its shard.

  Attributes:
    index: The number of the example in its split of the source.
    id: The id of the example.
    reason: The reason why it is bad.
  """

  index: int
  id: str
  reason: str


@dataclasses.dataclass(frozen=True)
class Manifest:
  """The facts about a shard: its contents, and the device that fitted it.

  Attributes:
    split: The split of the dataset.
    index: The number of the shard in its split.
    start: The index of the shard's first example in the split of the source.
    stop: The index after its last example.
    fingerprint: The dataset's fingerprint.
    file_name: The name of the shard's file.
    file_bytes: The size of the file, in bytes.
    example_bytes: The size of all examples without what the file format adds,
      in bytes.
    sha256: The SHA-256 of the file, in hexadecimal.
    ids: The ids of the examples, in order.
    bad_examples: The examples of the source that are left out.
    measures: The values of each of `MEASURES`, one per example, in order.
    representation_sha256: The first 16 hexadecimal digits of the SHA-256 of
      each stored representation.
    device: The device that fitted the examples, such as `'cpu'`.
    versions: The versions of the libraries that fitted them, by name.
    checksum: The SHA-256 of all fields above, or '' before `signed` adds it.
  """

  split: str
  index: int
  start: int
  stop: int
  fingerprint: str
  file_name: str
  file_bytes: int
  example_bytes: int
  sha256: str
  ids: list[str]
  bad_examples: list[BadExample]
  measures: dict[str, list[float]]
  representation_sha256: list[str]
  device: str
  versions: dict[str, str]
  checksum: str = ''

  def signed(self) -> Manifest:
    """A copy of this manifest with its checksum."""
    fields = dataclasses.asdict(self) | {'checksum': ''}
    digest = hashlib.sha256(
      json.dumps(fields, allow_nan=False).encode()
    ).hexdigest()
    return dataclasses.replace(self, checksum=digest)

  @property
  def num_examples(self) -> int:
    """The number of examples in the file."""
    return self.stop - self.start - len(self.bad_examples)

  def example(self, row: int) -> dict:
    """The recorded facts of one example; see `recorded_facts`.

    Args:
      row: The position of the example in the shard's file, from 0.
    """
    return {
      'id': self.ids[row],
      **{name: values[row] for name, values in self.measures.items()},
      'representation_sha256': self.representation_sha256[row],
    }


def recorded_facts(example: dict) -> dict:
  """The facts that a manifest records about a stored example.

  Args:
    example: The example, as `read_examples` gives it.
  """
  return {
    'id': example['id'],
    **{name: float(example[name]) for name in MEASURES},
    'representation_sha256': array_sha256(example['representation']),
  }


def array_sha256(array: np.ndarray) -> str:
  """The first 16 hexadecimal digits of the SHA-256 of an array's bytes."""
  return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()[:16]


def manifest_path(
  plan: DatasetPlan, shard: ShardSpec, folder: pathlib.Path | None = None
) -> pathlib.Path:
  """The path of a shard's manifest.

  Args:
    plan: The plan of the dataset.
    shard: The shard.
    folder: The folder of the shards; by default the staging folder.
  """
  name = plan.file_name(shard)
  return (folder or plan.staging) / MANIFESTS / f'{name}.json'


def write_manifest(
  plan: DatasetPlan, shard: ShardSpec, manifest: Manifest
) -> None:
  """Writes a manifest into the staging folder, which finishes its shard.

  Raises:
    ValueError: if the manifest is larger than `read_manifest` accepts, or holds
      a number that is not finite.
  """
  value = {'schema': SCHEMA, **dataclasses.asdict(manifest.signed())}
  text = json.dumps(value, allow_nan=False)
  if len(text) > strict_json.MAX_BYTES:
    raise ValueError(
      f'The manifest of {manifest.file_name} has {len(text):,} bytes; at most '
      f'{strict_json.MAX_BYTES:,} are read. Pass a smaller '
      '--examples_per_shard.'
    )
  storage.write_text(manifest_path(plan, shard), text)


def parse_manifest(path: pathlib.Path) -> Manifest:
  """Reads a manifest of any version so far.

  It does not check that the manifest is that of a certain shard.

  Raises:
    OSError: if the file cannot be read.
    ValueError: if the file holds no manifest; the message names it.
  """
  value = strict_json.read(path, dict)
  try:
    new = strict_json.upgraded(value, SCHEMA, version_1_0.upgraded_manifest)
    manifest = strict_json.convert(new, Manifest)
  except ValueError as error:
    raise ValueError(f'{path} is not valid: {error}') from error
  return manifest if 'schema' in value else manifest.signed()


def read_manifest(
  plan: DatasetPlan, shard: ShardSpec, folder: pathlib.Path | None = None
) -> Manifest | None:
  """The manifest of a shard, or None if there is no valid one.

  Args:
    plan: The plan of the dataset.
    shard: The shard.
    folder: The folder of the shards; by default the staging folder.
  """
  try:
    manifest = parse_manifest(manifest_path(plan, shard, folder))
  except (OSError, ValueError) as error:
    if not is_about_contents(error):
      raise
    return None
  return manifest if describes(manifest, plan, shard) else None


def read_manifests(
  plan: DatasetPlan, folder: pathlib.Path | None = None
) -> dict[ShardSpec, Manifest | None]:
  """The manifests of all shards, in order; None for those without a valid one.

  Args:
    plan: The plan of the dataset.
    folder: The folder of the shards; by default the staging folder.
  """
  shards = plan.shards()
  read = functools.partial(read_manifest, plan, folder=folder)
  found = storage.map_files(read, shards, storage.is_remote(plan.staging))
  return dict(zip(shards, found, strict=True))


def expected_facts(plan: DatasetPlan, shard: ShardSpec) -> dict:
  """The fields of a manifest that the plan determines, with their values."""
  return {
    'split': shard.split,
    'index': shard.index,
    'start': shard.start,
    'stop': shard.stop,
    'fingerprint': shard.fingerprint,
    'file_name': plan.file_name(shard),
  }


def describes(manifest: Manifest, plan: DatasetPlan, shard: ShardSpec) -> bool:
  """Whether a manifest belongs to a shard, is complete and was not altered."""
  bad = [example.index for example in manifest.bad_examples]
  per_example = (
    manifest.ids,
    manifest.representation_sha256,
    *manifest.measures.values(),
  )
  return (
    expected_facts(plan, shard).items() <= vars(manifest).items()
    and list(manifest.measures) == list(MEASURES)
    and all(len(values) == manifest.num_examples for values in per_example)
    and all(shard.start <= index < shard.stop for index in bad)
    and len(set(bad)) == len(bad)
    and manifest.file_bytes >= 0
    and 0 <= manifest.example_bytes <= _MAX_RECORD * manifest.num_examples
    and manifest == manifest.signed()
  )
