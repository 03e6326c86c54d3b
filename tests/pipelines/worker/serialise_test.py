"""Records have the bytes that TFDS would give them, and the right facts."""

import dataclasses
import hashlib

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from linac_tfds import schema
from pipelines.dataset.manifest import BadExample
from pipelines.plan.settings import Settings
from pipelines.worker.serialise import serialise_examples


def examples(plan, count: int = 3) -> list[dict]:
  """Examples with random contents, and ids of several lengths."""
  rng = np.random.default_rng(0)
  shape = plan.source.schema.shape
  units = plan.config.representation_channels(shape[-1])
  dtype = plan.settings.storage_dtype
  return [
    {
      'index': index,
      'id': 'x' * 150**index,
      'image': rng.integers(0, 256, shape, np.uint8),
      'label': index,
      'representation': rng.normal(size=(*shape[:2], units)).astype(dtype),
      'psnr': np.float32(30.5),
      'final_loss': np.float32(1e-3 * index),
    }
    for index in range(count)
  ]


def by_tfds(plan, example: dict) -> bytes:
  """Serialises an example with TFDS alone."""
  features = schema.example_features(
    plan.source.schema, plan.config, plan.settings.storage_dtype
  )
  image = example['image']
  image = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
  example = example | {'image': image}
  encoded = features.encode_example({k: example[k] for k in features})
  info = features.get_serialized_info()
  serializer = tfds.core.example_serializer.ExampleSerializer(info)
  proto = serializer.get_tf_example(encoded)
  return proto.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
  ('dtype', 'fields', 'channels'),
  [
    ('float16', {}, 3),
    ('float32', {'width': 300}, 3),
    ('float16', {'representation_layer': 2}, 1),
  ],
)
def test_records_have_the_bytes_that_tfds_gives_them(
  lab, dtype, fields, channels
):
  plan = lab.plan(Settings(storage_dtype=dtype), **fields)
  grey = dataclasses.replace(plan.source.schema, shape=(32, 32, channels))
  source = dataclasses.replace(plan.source, schema=grey)
  plan = dataclasses.replace(plan, source=source)
  made = examples(plan)
  records = list(serialise_examples(plan, iter(made)))
  assert [record.data for record in records] == [
    by_tfds(plan, example) for example in made
  ]


def test_records_have_the_facts_of_the_manifest(lab):
  plan = lab.plan()
  bad = BadExample(1, 'bad', 'it is drawn so')
  first, second = examples(plan, 2)
  record, same, _ = serialise_examples(plan, iter([first, bad, second]))
  assert same is bad
  assert record.id == first['id']
  assert record.measures == {'psnr': 30.5, 'final_loss': 0}
  digest = hashlib.sha256(first['representation'].tobytes()).hexdigest()
  assert record.representation_sha256 == digest[:16]
