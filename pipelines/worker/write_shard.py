"""Writes shard files, each whole or not at all."""

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
    plan: of the dataset.
    shard: to write.
    examples: exactly the shard's, with all features of the dataset, but for
      bad ones, which are left out and listed in the manifest.

  Returns:
    The manifest.

  Raises:
    ValueError: if the source ended early, or nobody wants the shard any more.
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
      device=device_kind(),
      versions=library_versions(),
    )
  write_manifest(plan, shard, manifest)
  return manifest


def _check_wanted(plan: DatasetPlan) -> None:
  """Refuses to write where the rest of the build has been removed."""
  if not (plan.staging / PLAN_FILE).exists():
    raise ValueError(
      f'{plan.staging} is gone: the dataset has been published, or given up.'
    )


class _Records:
  """Serialises examples and keeps what the manifest tells of them."""

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
    # Given a Pillow image, TFDS encodes it without TensorFlow.
    values = {name: example[name] for name in self._features}
    values['image'] = _pillow_image(values['image'])
    encoded = self._features.encode_example(values)
    proto = self._serializer.get_tf_example(encoded)
    # An example is a map, whose order is arbitrary unless asked for.
    return proto.SerializeToString(deterministic=True)


def _pillow_image(image: np.ndarray) -> Image.Image:
  return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def device_kind() -> str:
  """The device that fits here.

  As JAX names it; a CPU after its largest set of instructions, on which float32
  bits depend.
  """
  device = jax.devices()[0]
  if device.platform != 'cpu':
    return f'{device.platform}:{device.device_kind}'
  instructions = np.show_config(mode='dicts')['SIMD Extensions']
  largest = [*instructions['baseline'], *instructions.get('found', [])][-1]
  return f'cpu:{largest.lower()}'


@functools.cache
def library_versions() -> dict[str, str]:
  """Versions of the libraries that decide a representation's bits."""
  names = ('jax', 'jaxlib', 'numpy', 'scipy', 'flax', 'optax')
  return {name: importlib.metadata.version(name) for name in names}
