"""Turns fitted examples into records, in threads that work ahead."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from linac_config import processes
from linac_tfds import schema
from pipelines.dataset.manifest import BadExample, array_sha256
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.worker.prefetch import map_ahead

# More threads would not help: one thread writes what they make.
_MOST_THREADS = 4
# The tags of the fields 1 and 2 of a protocol buffer that hold bytes.
_FIELD_1, _FIELD_2 = b'\x0a', b'\x12'


@dataclasses.dataclass(frozen=True)
class Record:
  """An example as it is stored, and the facts for its shard's manifest.

  Attributes:
    data: The serialised example.
    id: Its id.
    measures: The value of each measure, such as PSNR, by its name.
    representation_sha256: The hash of its representation.
  """

  data: bytes
  id: str
  measures: dict[str, float]
  representation_sha256: str


def serialise_examples(
  plan: DatasetPlan, examples: Iterator[dict | BadExample]
) -> Iterator[Record | BadExample]:
  """Serialises examples, several at a time on a machine of several cores.

  Args:
    plan: The plan of the dataset.
    examples: The examples with all features of the dataset.

  Yields:
    The record of each example, in order, or the `BadExample` itself.
  """
  serialiser = _Serialiser(plan)
  num_threads = min(processes.num_cores(), _MOST_THREADS)
  return map_ahead(serialiser, examples, num_threads)


class _Serialiser:
  """A function that turns an example into a record.

  The bytes are those of a `tf.train.Example` with its features in the order of
  their names, in every process. TFDS encodes all features but the
  representation. TFDS would copy that four times, and its name is the last one,
  so its bytes are appended.
  """

  def __init__(self, plan: DatasetPlan):
    features = dict(
      schema.example_features(
        plan.source.schema, plan.config, plan.settings.storage_dtype
      )
    )
    del features['representation']
    self._others = tfds.features.FeaturesDict(features)
    self._serializer = tfds.core.example_serializer.ExampleSerializer(
      self._others.get_serialized_info()
    )

  def __call__(self, example: dict | BadExample) -> Record | BadExample:
    if isinstance(example, BadExample):
      return example
    representation = np.ascontiguousarray(example['representation'])
    return Record(
      data=self._serialise(example, representation),
      id=example['id'],
      measures={name: float(example[name]) for name in schema.MEASURES},
      representation_sha256=array_sha256(representation),
    )

  def _serialise(self, example: dict, representation: np.ndarray) -> bytes:
    # TFDS encodes an array with TensorFlow, but a Pillow image without it.
    values = {name: example[name] for name in self._others}
    values['image'] = _pillow_image(values['image'])
    encoded = self._others.encode_example(values)
    proto = self._serializer.get_tf_example(encoded).features
    # Otherwise the features of an example would have an arbitrary order.
    others = proto.SerializeToString(deterministic=True)
    head = _head_of_bytes('representation', representation.nbytes)
    size = len(others) + len(head) + representation.nbytes
    return b''.join(
      (_FIELD_1, _varint(size), others, head, memoryview(representation))
    )


def _head_of_bytes(name: str, size: int) -> bytes:
  """The bytes of a protocol buffer before the value of a feature.

  Args:
    name: The name of the feature, whose value is one string of bytes.
    size: The number of bytes of the value.
  """
  head = _FIELD_1 + _varint(size)  # The value in a BytesList.
  head = _FIELD_1 + _varint(size + len(head)) + head  # That in a Feature.
  head = _FIELD_2 + _varint(size + len(head)) + head  # That in a map's entry,
  key = _FIELD_1 + _varint(len(name)) + name.encode()  # which begins with this.
  return _FIELD_1 + _varint(size + len(head) + len(key)) + key + head


def _varint(number: int) -> bytes:
  """A number in protocol buffers: seven bits a byte, the lowest ones first."""
  digits = []
  while number >= 128:
    digits.append(number & 127 | 128)
    number >>= 7
  return bytes([*digits, number])


def _pillow_image(image: np.ndarray) -> Image.Image:
  """Makes a Pillow image of an array `[height, width, channels]`."""
  return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
