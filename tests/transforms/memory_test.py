import pytest

from transforms import LinacConfig
from transforms.memory import images_in_memory

SHAPE = (32, 32, 3)


@pytest.mark.parametrize(
  ('gib', 'fields', 'images'),
  [
    (0, {}, 1),
    (1, {}, 16),
    (12, {}, 256),
    (12, {'precision': 'float64'}, 128),
    (12, {'width': 512}, 64),
    (105, {}, 512),
  ],
)
def test_a_batch_is_as_large_as_memory_allows(gib, fields, images):
  assert images_in_memory(LinacConfig(**fields), SHAPE, gib * 2**30) == images
