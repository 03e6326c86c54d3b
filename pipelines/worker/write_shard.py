"""Writes shard files, each of them completely or not at all."""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Iterator

import jax
import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from linac_tfds import schema
from pipelines.dataset.manifest import (
  BadExample,
  Manifest,
  array_sha256,
  write_manifest,
)
from pipelines.files import storage
from pipelines.files.formats import FILE_FORMATS
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.saved_plan import PLAN_FILE
from pipelines.plan.shards import ShardSpec


def write_shard(
  plan: DatasetPlan, shard: ShardSpec, examples: Iterator[dict | BadExample]
) -> Manifest:
  """Writes one shard, then its manifest.

  Args:
    plan: The plan of the dataset.
    shard: The shard to write.
    examples: The examples of the shard and no others, with all features of the
      dataset. Bad examples are left out and listed in the manifest.

  Returns:
    The manifest.

  Raises:
    ValueError: if the source ended early, or if the build was removed in the
      meantime.
  """
  records = _Records(plan, examples)
  path = plan.staging / plan.file_name(shard)
  _check_wanted(plan)
  with storage.writing(path) as part:
    FILE_FORMATS[plan.settings.file_format].write(part, records)
    count = len(records.ids) + len(records.bad_examples)
    if count != shard.size:
      raise ValueError(
        f'{plan.source.directory} ended after {count} of the '
        f'{shard.size} examples from {shard.start} of its split {shard.split}.'
      )
    _check_wanted(plan)
    manifest = Manifest(
      split=shard.split,
      index=shard.index,
      start=shard.start,
      stop=shard.stop,
      fingerprint=shard.fingerprint,
      file_name=path.name,
      file_bytes=part.stat().st_size,
      example_bytes=records.num_bytes,
      sha256=storage.file_sha256(part),
      ids=records.ids,
      bad_examples=records.bad_examples,
      measures=records.measures,
      representation_sha256=records.representation_sha256,
      device=device_name(),
      versions=library_versions(),
    )
  write_manifest(plan, shard, manifest)
  return manifest


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


class _Records:
  """An iterator of serialised examples that collects facts for the manifest.

  Attributes:
    num_bytes: The size of all records, in bytes.
    ids: The id of each record.
    bad_examples: The examples that were left out.
    measures: The values of each measure, such as PSNR, by its name.
    representation_sha256: The hash of each representation.
  """

  def __init__(self, plan: DatasetPlan, examples: Iterator[dict | BadExample]):
    self._examples = examples
    self._features = schema.example_features(
      plan.source.schema, plan.config, plan.settings.storage_dtype
    )
    self._serializer = tfds.core.example_serializer.ExampleSerializer(
      self._features.get_serialized_info()
    )
    self.num_bytes = 0
    self.ids = []
    self.bad_examples = []
    self.measures = {name: [] for name in schema.MEASURES}
    self.representation_sha256 = []

  def __iter__(self) -> Iterator[bytes]:
    for example in self._examples:
      if isinstance(example, BadExample):
        self.bad_examples.append(example)
        continue
      record = self._serialise(example)
      self.num_bytes += len(record)
      self.ids.append(example['id'])
      for name, values in self.measures.items():
        values.append(float(example[name]))
      self.representation_sha256.append(array_sha256(example['representation']))
      yield record

  def _serialise(self, example: dict) -> bytes:
    """Turns an example into a record, with the same bytes in every process."""
    # TFDS encodes an array with TensorFlow, but a Pillow image without it.
    values = {name: example[name] for name in self._features}
    values['image'] = _pillow_image(values['image'])
    encoded = self._features.encode_example(values)
    proto = self._serializer.get_tf_example(encoded)
    # Otherwise the features of an example would have an arbitrary order.
    return proto.SerializeToString(deterministic=True)


def _pillow_image(image: np.ndarray) -> Image.Image:
  """Makes a Pillow image of an array `[height, width, channels]`."""
  return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


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
