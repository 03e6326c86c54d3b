"""Mutations of valid inputs, which `benchmarks.fuzz` gives to parsers."""

import copy
import dataclasses
import json
import random

from linac_config.config import LinacConfig

# VALUES replace values of a JSON file; TOKENS are inserted between bytes.
VALUES = (
  *(None, True, False, 0, -1, 1, 2**63, 10**400, 0.5, 1e308, [], {}, '', 'x'),
  *(
    '../../x',
    '/etc/passwd',
    '~',
    'a\\b',
    '\0',
    '\x1b[2J',
    '\ud800',
    'é' * 300,
  ),
  *(float('nan'), float('inf'), ['a'], [[]], {'a': {}}, '0' * 64, 'train'),
)
# Sizes that no file has.
NUMBERS = (-1, 0, 2**31, 2**33, 2**62)
TOKENS = (
  *(b'{', b'}', b'[', b']', b',', b':', b'"', b'\\', b'null', b'NaN', b'1e999'),
  *(b'-', b'0', b'9' * 5000, b'[' * 3000, b'\xff', b'\x00', b'\\ud800', b'\n'),
  *(b'../', b'/', b'..', b'~', b'+', b'_', b'--', b'.', b'\x1b[2J', b'inf'),
  *(b'_f64', b'seed_', b'+width_', b'1e', b'None', 'é١'.encode(), b'a' * 300),
)
NAMES = (
  *('seed_42', 'seed_-2314326399425823309', 'seed_7_f64+num_epochs_2'),
  *('mnist_seed_1+mean_0.1307+std_0.3081', 'cifar10_corrupted--fog_1_seed_1'),
  'seed_1+key_derivation_full+use_bias_False+activation_tanh+b1_0.5+eps_1e-06'
  '+arithmetic_xla',
)
TEXTS = ('7', '-3', '0.5', '1e-3', 'True', 'None', '0.5_0.5_0.5', 'relu', '1,2')


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
  """Changes, cuts, removes, repeats or inserts bytes, one to four times."""
  for _ in range(rng.randint(1, 4)):
    i, j = sorted(rng.randint(0, len(data)) for _ in range(2))
    data = rng.choice(
      [
        data[:i] + bytes([rng.randrange(256)]) + data[i + 1 :],
        data[:i],
        data[:i] + data[j:],
        data[:j] + data[i:],
        data[:i] + rng.choice(TOKENS) + data[i:],
      ]
    )
  return data


def mutate_json(data: bytes, rng: random.Random) -> bytes:
  """Replaces values or keys of a JSON object, or shortens lists."""
  root = json.loads(data)
  for _ in range(rng.randint(1, 2)):
    holder, key = rng.choice(list(_places(root)))
    if rng.random() < 0.7:
      holder[key] = copy.deepcopy(rng.choice(VALUES))
    elif isinstance(holder, list):
      del holder[key:]
    else:
      holder[rng.choice(['surplus', '', key * 2])] = holder.pop(key)
  return json.dumps(root).encode()


def _places(value):
  """Yields each container in a JSON value with each of its keys or indices."""
  items = value.items() if isinstance(value, dict) else enumerate(value)
  for key, child in list(items):
    yield value, key
    if isinstance(child, (dict, list)):
      yield from _places(child)


def mutate_number(data: bytes, rng: random.Random) -> bytes:
  """Replaces one whole number of a JSON object, also one in quotes."""
  root = json.loads(data)
  numbers = [
    (holder, key)
    for holder, key in _places(root)
    if type(holder[key]) is int or str(holder[key]).isdecimal()
  ]
  holder, key = rng.choice(numbers)
  holder[key] = type(holder[key])(rng.choice(NUMBERS))
  return json.dumps(root).encode()


def mutated_json(data: bytes, number: int, rng: random.Random):
  """Yields mutations of a JSON file.

  They change one number, the structure, the bytes, or structure and bytes.
  """
  for i in range(number):
    if i % 4 == 0:
      yield mutate_number(data, rng)
      continue
    mutated = data if i % 3 == 0 else mutate_json(data, rng)
    yield mutated if i % 3 == 1 else mutate_bytes(mutated, rng)


def mutated_names(number: int, rng: random.Random):
  """Yields mutations of config names."""
  for _ in range(number):
    yield mutate_bytes(rng.choice(NAMES).encode(), rng)


def mutated_fields(number: int, rng: random.Random):
  """Yields mutations of the values of fields, as `FIELD=VALUE`."""
  fields = [field.name for field in dataclasses.fields(LinacConfig)]
  for _ in range(number):
    text = mutate_bytes(rng.choice(TEXTS).encode(), rng)
    yield f'{rng.choice(fields)}='.encode() + text
