"""The state of a dataset on disk, from absent to published, or damaged.

`dataset_state` alone decides whether a dataset is finished, and
`sound_manifest` whether a shard is.
"""

from __future__ import annotations

import dataclasses
import enum
import re

from linac_config.errors import is_about_contents
from linac_tfds import Cifar10Linac
from pipelines.dataset import metadata
from pipelines.dataset.manifest import (
  Manifest,
  manifest_path,
  read_manifest,
  read_manifests,
)
from pipelines.dataset.metadata import (
  BAD_EXAMPLES_FILE,
  INFO_FILE,
  METADATA_FILE,
  METADATA_FILES,
)
from pipelines.files import listing, storage, strict_json
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.saved_plan import MANIFESTS, PLAN_FILE
from pipelines.plan.shards import ShardSpec

# Stands for the fingerprint of a dataset whose files do not tell it.
UNKNOWN = 'unknown'


class Kind(enum.Enum):
  """The state of a dataset as a whole."""

  ABSENT = 'absent'
  STAGED = 'staged'  # There is a plan; some shards may be finished.
  PUBLISHED = 'published'  # TFDS can load it, and all of it is sound.
  DAMAGED = 'damaged'  # TFDS may load it, but files are missing or altered.
  OTHER = 'other'  # Another dataset is in its folder.


class Depth(enum.IntEnum):
  """The thoroughness of a look at a published dataset; each has those above."""

  NAMES = 1  # Checks by listings that all files are there.
  CONTENTS = 2  # Checks sizes, manifests and describing files.
  HASHES = 3  # Checks every byte of the shards, which it has to read.


@dataclasses.dataclass(frozen=True)
class DatasetState:
  """The state of a dataset, with the damage that was found.

  Attributes:
    kind: The state as a whole.
    fingerprint: The fingerprint of the published dataset, or `UNKNOWN` if its
      files do not tell it, or None if no dataset is published.
    manifests: The manifests of a published dataset, if they were read.
    damaged_shards: The shards of a published dataset that are not sound, with
      the reasons.
    damaged_texts: The names of describing files of a published dataset that are
      missing or altered, with their right contents; None for a file that should
      not be there.
  """

  kind: Kind
  fingerprint: str | None
  manifests: dict[ShardSpec, Manifest | None]
  damaged_shards: dict[ShardSpec, str]
  damaged_texts: dict[str, str | None]

  @property
  def problems(self) -> list[str]:
    """The damage, one line per file."""
    return [
      *self.damaged_shards.values(),
      *(f'{name} is missing or altered' for name in self.damaged_texts),
    ]


def dataset_state(
  plan: DatasetPlan, depth: Depth = Depth.CONTENTS
) -> DatasetState:
  """Finds the state of a plan's dataset from its files.

  Args:
    plan: The plan of the dataset.
    depth: The thoroughness with which a published dataset is checked.

  Raises:
    OSError: if files cannot be read.
  """
  fingerprint = published_fingerprint(plan)
  manifests, shards, texts, kind = {}, {}, {}, Kind.PUBLISHED
  if fingerprint is None:
    staged = (plan.staging / PLAN_FILE).exists()
    kind = Kind.STAGED if staged else Kind.ABSENT
  elif fingerprint != plan.fingerprint:
    kind = Kind.OTHER
  else:
    if depth > Depth.NAMES:
      manifests = read_manifests(plan, plan.directory)
    shards = _damaged_shards(plan, depth, manifests)
    if manifests and not shards and _is_of_this_version(plan):
      texts = _damaged_texts(plan, manifests)
    if shards or texts:
      kind = Kind.DAMAGED
  return DatasetState(kind, fingerprint, manifests, shards, texts)


def state_for_build(plan: DatasetPlan) -> DatasetState:
  """Finds the state of a dataset as closely as a build of it needs.

  The shards are read if the build was told to check hashes. They are also read
  if there is a plan beside the published dataset: then a build was interrupted
  while it repaired shards, which may still have the right size and the wrong
  contents.
  """
  repairs = (plan.staging / PLAN_FILE).exists()
  closely = plan.settings.check_hashes or repairs
  return dataset_state(plan, Depth.HASHES if closely else Depth.CONTENTS)


def published_fingerprint(plan: DatasetPlan) -> str | None:
  """The fingerprint of the dataset that is published in the plan's folder.

  It is None if there is none, and `UNKNOWN` if neither its metadata nor its
  manifests tell it.
  """
  if not (plan.directory / INFO_FILE).exists():
    return None
  try:
    recorded = strict_json.read(plan.directory / METADATA_FILE, dict)
    found = strict_json.convert(recorded.get('fingerprint'), str)
  except (OSError, ValueError) as error:
    if not is_about_contents(error):
      raise
    found = UNKNOWN
  # If the metadata are damaged, a single valid manifest shows that the dataset
  # is that of the plan.
  if found != plan.fingerprint and any(
    read_manifests(plan, plan.directory).values()
  ):
    return plan.fingerprint
  return found if re.fullmatch('[0-9a-f]{64}', found) else UNKNOWN


def shard_sizes(plan: DatasetPlan) -> dict[str, int]:
  """The number of examples of each shard, by the name of its manifest."""
  return {
    f'{plan.file_name(shard)}.json': shard.size for shard in plan.shards()
  }


def finished_shards(
  plan: DatasetPlan, sizes: dict[str, int] | None = None
) -> dict[str, float]:
  """The time at which each finished shard's manifest was written.

  It does not open the manifests.

  Args:
    plan: The plan of the dataset.
    sizes: The result of `shard_sizes`, for callers that call this often; by
      default it is computed.

  Returns:
    Times in seconds since the epoch, by the manifest's name.
  """
  # After publishing, the staging folder is removed, with the plan last.
  in_staging = (plan.staging / PLAN_FILE).exists()
  folder = plan.staging if in_staging else plan.directory
  times = listing.times(folder / MANIFESTS)
  names = sizes or shard_sizes(plan)
  return {name: times[name] for name in times.keys() & names.keys()}


def sound_manifest(plan: DatasetPlan, shard: ShardSpec) -> Manifest | None:
  """The manifest of a staged shard, or None if the shard is not sound.

  A shard is sound if its manifest is valid and has the hash of its file, which
  is read for this.
  """
  manifest = read_manifest(plan, shard)
  if manifest is None:
    return None
  path = plan.staging / plan.file_name(shard)
  try:
    sound = storage.file_sha256(path) == manifest.sha256
  except FileNotFoundError:
    sound = False
  return manifest if sound else None


def _is_of_this_version(plan: DatasetPlan) -> bool:
  """Whether the plan's version is the one that this project writes now."""
  # Other versions described their datasets in other words, which cannot be
  # compared.
  return plan.version == str(Cifar10Linac.VERSION)


def _damaged_shards(
  plan: DatasetPlan,
  depth: Depth,
  manifests: dict[ShardSpec, Manifest | None],
) -> dict[ShardSpec, str]:
  """The shards of a published dataset that are not sound, with the reasons."""
  sizes = listing.sizes(plan.directory)
  if depth == Depth.NAMES:
    listed = listing.sizes(plan.directory / MANIFESTS)
    manifests = {
      shard: f'{plan.file_name(shard)}.json' in listed
      for shard in plan.shards()
    }

  def problem(shard: ShardSpec) -> str:
    name = plan.file_name(shard)
    manifest = manifests[shard]
    if not manifest:
      path = manifest_path(plan, shard, plan.directory)
      return f'{path.name} is missing or altered'
    if name not in sizes:
      return f'{name} is missing'
    if depth == Depth.NAMES:
      return ''
    if sizes[name] != manifest.file_bytes:
      return f'{name} has {sizes[name]:,} bytes, not {manifest.file_bytes:,}'
    if depth < Depth.HASHES:
      return ''
    found = storage.file_sha256(plan.directory / name)
    return '' if found == manifest.sha256 else f'{name} has another hash'

  remote = storage.is_remote(plan.directory)
  problems = storage.map_files(problem, manifests, remote)
  return {s: p for s, p in zip(manifests, problems, strict=True) if p}


def _damaged_texts(
  plan: DatasetPlan, manifests: dict[ShardSpec, Manifest]
) -> dict[str, str | None]:
  """The right contents of describing files that are missing or altered.

  The value is None for a file that should not be there.
  """
  expected = metadata.texts(plan, manifests)

  def is_damaged(name: str) -> bool:
    text = expected.get(name)
    data = b'' if text is None else text.encode()
    try:
      with (plan.directory / name).open('rb') as f:
        return text is None or f.read(len(data) + 1) != data
    except FileNotFoundError:
      return text is not None

  names = (*METADATA_FILES, BAD_EXAMPLES_FILE)
  damaged = storage.map_files(
    is_damaged, names, storage.is_remote(plan.directory)
  )
  return {n: expected.get(n) for n, d in zip(names, damaged, strict=True) if d}
