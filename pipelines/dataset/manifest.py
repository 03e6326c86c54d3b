"""Manifests: the small file beside each finished shard.

A shard is done when its manifest is there and describes its file.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import pathlib

import numpy as np

from linac_tfds.schema import MEASURES
from pipelines.files import storage, strict_json
from pipelines.plan import version_1_0
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.fingerprint import SCHEMA
from pipelines.plan.saved_plan import MANIFESTS
from pipelines.plan.shards import ShardSpec


@dataclasses.dataclass(frozen=True)
class BadExample:
  """An example that cannot be fitted, and is not in its shard.

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
  """The contents of a shard file, and how it came about.

  Attributes:
    split: The split of the dataset.
    index: The number of the shard in its split.
    start: The first example of the split.
    stop: The example after the last one.
    fingerprint: The dataset's fingerprint.
    file_name: The name of the shard's file.
    file_bytes: The size of the file.
    example_bytes: The size of the examples without the file format's framing.
    sha256: The SHA-256 of the file, in hexadecimal.
    ids: The ids of the examples, in order.
    bad_examples: The examples of the source that are left out.
    measures: The values of each of `MEASURES`, an example each.
    representation_sha256: The first 16 hexadecimal digits of the SHA-256 of
      each stored representation.
    device: The kind of device that fitted the examples.
    versions: The versions of the libraries that matter to the bits.
    checksum: The checksum of all of the above, once it is written.
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
    """This manifest with its checksum."""
    fields = dataclasses.asdict(self) | {'checksum': ''}
    digest = hashlib.sha256(json.dumps(fields).encode()).hexdigest()
    return dataclasses.replace(self, checksum=digest)

  @property
  def made_by(self) -> str:
    """The device and the library that fitted the shard."""
    return made_by(self.device, self.versions)

  @property
  def num_examples(self) -> int:
    """The number of examples in the file."""
    return self.stop - self.start - len(self.bad_examples)

  def example(self, row: int) -> dict:
    """What the manifest says of one example; see `recorded_facts`."""
    return {
      'id': self.ids[row],
      **{name: values[row] for name, values in self.measures.items()},
      'representation_sha256': self.representation_sha256[row],
    }


def recorded_facts(example: dict) -> dict:
  """What a manifest records of a stored example."""
  return {
    'id': example['id'],
    **{name: float(example[name]) for name in MEASURES},
    'representation_sha256': array_sha256(example['representation']),
  }


def made_by(device: str, versions: dict[str, str]) -> str:
  """What float32 bits depend on, such as `cpu:avx2 under jaxlib 0.10.2`."""
  return f'{device} under jaxlib {versions.get("jaxlib")}'


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
    folder: The folder of the shards; by default staging.
  """
  name = plan.file_name(shard)
  return (folder or plan.staging) / MANIFESTS / f'{name}.json'


def write_manifest(
  plan: DatasetPlan, shard: ShardSpec, manifest: Manifest
) -> None:
  """Commits a shard: from here on it is done.

  Raises:
    ValueError: if the manifest is larger than `read_manifest` accepts.
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
  """The manifest in a file of any version so far.

  Raises:
    OSError: if the file cannot be read.
    ValueError: naming the file, if it holds no manifest.
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
    folder: The folder of the shards; by default staging.
  """
  try:
    manifest = parse_manifest(manifest_path(plan, shard, folder))
  except (OSError, ValueError):
    return None
  return manifest if describes(manifest, plan, shard) else None


def read_manifests(
  plan: DatasetPlan, folder: pathlib.Path | None = None
) -> dict[ShardSpec, Manifest | None]:
  """The manifests of all shards, as `read_manifest` gives them."""
  shards = plan.shards()
  read = functools.partial(read_manifest, plan, folder=folder)
  found = storage.map_files(read, shards, storage.is_remote(plan.staging))
  return dict(zip(shards, found, strict=True))


def expected_facts(plan: DatasetPlan, shard: ShardSpec) -> dict:
  """The fields of a manifest that its shard determines."""
  return {
    'split': shard.split,
    'index': shard.index,
    'start': shard.start,
    'stop': shard.stop,
    'fingerprint': shard.fingerprint,
    'file_name': plan.file_name(shard),
  }


def describes(manifest: Manifest, plan: DatasetPlan, shard: ShardSpec) -> bool:
  """Whether a manifest is that of a shard, and unaltered."""
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
    and min(manifest.file_bytes, manifest.example_bytes) >= 0
    and manifest == manifest.signed()
  )
