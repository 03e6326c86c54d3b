"""The division of work, for cards as their data sheets describe them."""

import pytest

from linac_config import LinacConfig
from transforms.canonical.cuda.card import Card, kernels
from transforms.canonical.cuda.schedule import (
  Schedule,
  Sizes,
  choose_schedule,
  default_images,
  estimates,
)

CARDS = {
  'T4': (75, 40, 64, 64, 4, 1_590, 5_001, 256),
  'A100': (80, 108, 163, 164, 40, 1_410, 1_215, 5_120),
  'A10': (86, 72, 99, 100, 6, 1_695, 6_251, 384),
  'L4': (89, 58, 99, 100, 48, 2_040, 6_251, 192),
  'H100': (90, 132, 227, 228, 50, 1_980, 2_619, 5_120),
}


def card_of(name: str) -> Card:
  capability, count, block, shared, l2, clock, memory, bits = CARDS[name]
  return Card(
    *(name, capability, count, block * 2**10, shared * 2**10),
    *(l2 * 2**20, clock * 1_000, memory * 1_000, bits),
  )


def sizes_of(**fields) -> Sizes:
  return Sizes.of(LinacConfig(**fields), (32, 32, 3))


@pytest.mark.parametrize('precision', ['float32', 'float64'])
@pytest.mark.parametrize('name', ['T4', 'A10', 'A100', 'H100'])
def test_most_cards_stream_many_images_of_one_block(name, precision):
  schedule = choose_schedule(
    card_of(name), kernels(), sizes_of(precision=precision)
  )
  assert schedule.blocks_per_image == 1
  assert schedule.columns == {'float32': 256, 'float64': 128}[precision]
  assert schedule.images_at_once % CARDS[name][1] == 0


def test_a_large_cache_holds_the_states_of_few_images():
  sizes = sizes_of()
  schedule = choose_schedule(card_of('L4'), kernels(), sizes)
  assert schedule.blocks_per_image > 1
  held = schedule.images_at_once * sizes.workspace_bytes()
  assert 24 * 2**20 < held < 48 * 2**20


@pytest.mark.parametrize('name', CARDS)
def test_a_card_without_known_clocks_has_a_schedule(name):
  card = card_of(name)._replace(
    clock_khz=0, memory_clock_khz=0, memory_bus_bits=0
  )
  schedule = choose_schedule(card, kernels(), sizes_of())
  assert schedule.images_at_once > 1


@pytest.mark.parametrize('name', CARDS)
@pytest.mark.parametrize(
  'fields',
  [
    {},
    {'precision': 'float64'},
    {'width': 33, 'num_layers': 3},
    {'width': 1024, 'batch_size': 1024},
    {'width': 8192, 'num_layers': 3, 'batch_size': 256, 'precision': 'float64'},
    {'width': 1, 'num_layers': 1, 'representation_layer': 0, 'batch_size': 1},
  ],
  ids=str,
)
def test_every_config_has_a_schedule_that_its_card_can_run(name, fields):
  card, sizes = card_of(name), sizes_of(**fields)
  schedule = choose_schedule(card, kernels(), sizes)
  (kernel,) = [
    k
    for k in kernels()
    if (k.precision, k.columns) == (sizes.precision, schedule.columns)
  ]
  assert kernel.shared_bytes <= card.shared_bytes_per_block
  # The registers and the shared memory hold all blocks that wait for others.
  blocks = schedule.images_at_once * schedule.blocks_per_image
  each = -(-blocks // card.multiprocessors)
  assert each * kernel.threads <= 1_024
  assert each <= kernel.blocks
  assert each * kernel.shared_bytes < card.shared_bytes_per_multiprocessor
  (estimate,) = {
    e.step_seconds
    for e in estimates(card, kernels(), sizes)
    if e.schedule == schedule
  }
  assert schedule.units_per_launch * estimate < 1 or (
    schedule.units_per_launch == 1 and schedule.images_at_once == 1
  )


@pytest.mark.parametrize(
  ('at_once', 'most', 'images'),
  [(264, 10_000, 264), (14, 10_000, 252), (40, 100, 80), (264, 100, 100)],
)
def test_a_batch_is_a_multiple_of_the_images_at_once(at_once, most, images):
  assert default_images(Schedule(256, 1, at_once, 9), most) == images
