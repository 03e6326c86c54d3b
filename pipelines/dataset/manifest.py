"""The small file beside each finished shard: a shard is done when it holds."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import pathlib

import numpy as np

from pipelines.files import storage, strict_json
from pipelines.plan.dataset_plan import MANIFESTS, DatasetPlan, ShardSpec


@dataclasses.dataclass(frozen=True)
class BadExample:
  """An example that cannot be fitted, and is not in its shard.

  Attributes:
    index: in its split of the source.
    id: of the example.
    reason: why it is bad.
  """

  index: int
  id: str
  reason: str


@dataclasses.dataclass(frozen=True)
class Manifest:
  """What a shard file holds and how it came about.

  Attributes:
    split: of the dataset.
    index: of the shard in its split.
    start: first example of the split.
    stop: one past the last.
    fingerprint: of the dataset.
    file_name: of the shard.
    file_bytes: its size.
    example_bytes: the examples' size without the file format's framing.
    sha256: of the file.
    ids: of the examples, in order.
    bad_examples: those of the source that are left out.
    psnr: of each example, in dB.
    final_loss: of each example.
    representation_sha256: of each stored representation, 16 hex digits.
    device: the kind of device that fitted them.
    versions: of the libraries that matter to the bits.
    checksum: of all of the above, once it is written.
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
  psnr: list[float]
  final_loss: list[float]
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
    """Examples in the file."""
    return self.stop - self.start - len(self.bad_examples)


def made_by(device: str, versions: dict[str, str]) -> str:
  """What float32 bits depend on, such as `cpu:avx2 under jaxlib 0.10.2`."""
  return f'{device} under jaxlib {versions.get("jaxlib")}'


def manifest_path(
  plan: DatasetPlan, shard: ShardSpec, folder: pathlib.Path | None = None
) -> pathlib.Path:
  """Where the manifest of a shard is, in the folder of shards.

  Args:
    plan: of the dataset.
    shard: of it.
    folder: staging by default.
  """
  name = shard.file_name(plan.file_format)
  return (folder or plan.staging) / MANIFESTS / f'{name}.json'


def write_manifest(
  plan: DatasetPlan, shard: ShardSpec, manifest: Manifest
) -> None:
  """Commits a shard: from here on it is done.

  Raises:
    ValueError: if the manifest is none that `read_manifest` would take.
  """
  text = json.dumps(dataclasses.asdict(manifest.signed()), allow_nan=False)
  if len(text) > strict_json.MAX_BYTES:
    raise ValueError(
      f'The manifest of {manifest.file_name} has {len(text):,} bytes; at most '
      f'{strict_json.MAX_BYTES:,} are read. Pass a smaller '
      '--examples_per_shard.'
    )
  storage.write_text(manifest_path(plan, shard), text)


def read_manifest(
  plan: DatasetPlan, shard: ShardSpec, folder: pathlib.Path | None = None
) -> Manifest | None:
  """The manifest of a shard, or None if there is no valid one.

  Args:
    plan: of the dataset.
    shard: of it.
    folder: of the shards; staging by default.
  """
  try:
    manifest = strict_json.read(manifest_path(plan, shard, folder), Manifest)
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


def describes(manifest: Manifest, plan: DatasetPlan, shard: ShardSpec) -> bool:
  """Whether a manifest is that of a shard, and unaltered."""
  expected = {
    'split': shard.split,
    'index': shard.index,
    'start': shard.start,
    'stop': shard.stop,
    'fingerprint': shard.fingerprint,
    'file_name': shard.file_name(plan.file_format),
  }
  bad = [example.index for example in manifest.bad_examples]
  per_example = (
    manifest.ids,
    manifest.psnr,
    manifest.final_loss,
    manifest.representation_sha256,
  )
  return (
    expected.items() <= vars(manifest).items()
    and all(len(values) == manifest.num_examples for values in per_example)
    and all(shard.start <= index < shard.stop for index in bad)
    and len(set(bad)) == len(bad)
    and min(manifest.file_bytes, manifest.example_bytes) >= 0
    and manifest == manifest.signed()
  )


def sound_manifest(plan: DatasetPlan, shard: ShardSpec) -> Manifest | None:
  """The manifest, if the shard file is what it says, to the last bit."""
  manifest = read_manifest(plan, shard)
  path = plan.staging / shard.file_name(plan.file_format)
  try:
    sound = manifest and storage.file_sha256(path) == manifest.sha256
  except FileNotFoundError:
    sound = False
  return manifest if sound else None


def array_sha256(array: np.ndarray) -> str:
  """The first 16 hexadecimal digits of the SHA-256 of an array's bytes."""
  return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()[:16]
