"""Names of dataset configs: `[SOURCE_]seed_N[_f64][+FIELD_VALUE]...`.

A name says everything that distinguishes two transforms of a source, and one
transform has one name: `seed_42`, `seed_7_f64+num_epochs_2`,
`mnist_seed_1+mean_0.1307+std_0.3081`. The source `cifar10` is left out.
"""

import dataclasses
import difflib
import re

from linac_config.config import LinacConfig

DEFAULT_SOURCE = 'cifar10'

_DEFAULTS = {f.name: f.default for f in dataclasses.fields(LinacConfig)}
_HEAD = re.compile(r'(?:(?P<source>.+)_)?seed_(?P<seed>-?\d+)(?P<f64>_f64)?')
# TFDS's dataset names, and its config names less what would not survive here.
_SOURCE = re.compile(r'[a-z]\w*(/\w[\w.\-]*)?', re.ASCII)
_PRIVATE = re.compile(r'[a-zA-Z][\w.\-]{0,99}', re.ASCII)
_EXAMPLES = 'seed_42, seed_42_f64 or mnist_seed_7+num_epochs_2'


def config_name(source: str, config: LinacConfig) -> str:
  """The name of the config that fits `source` with `config`.

  Raises:
    ValueError: if `source` is no TFDS name, `DATASET` or `DATASET/CONFIG`, or
      the name would be too long for a folder.
  """
  if not _SOURCE.fullmatch(source):
    raise ValueError(
      f'source={source!r} is no name of a TFDS dataset; pass DATASET or '
      'DATASET/CONFIG, such as cifar10 or cifar10_corrupted/fog_1.'
    )
  # Names are folders; `--` stands for the slash of DATASET/CONFIG.
  prefix = '' if source == DEFAULT_SOURCE else source.replace('/', '--') + '_'
  suffix = '_f64' if config.precision == 'float64' else ''
  for name, default in _DEFAULTS.items():
    value = getattr(config, name)
    if name not in ('seed', 'precision') and value != default:
      suffix += f'+{name}_{format_field(value)}'
  name = f'{prefix}seed_{config.seed}{suffix}'
  if len(name) > 255:
    raise ValueError(
      f'The config name {name!r} is {len(name)} characters long; a folder name '
      'holds 255. Change fewer fields.'
    )
  return name


def check_private_name(name: str) -> None:
  """Refuses names for a private key's config that say something else.

  Raises:
    ValueError: if `name` is no folder's name, or could be taken for a seed.
  """
  if not _PRIVATE.fullmatch(name) or re.search(r'(^|_)seed_-?\d', name):
    raise ValueError(
      f'config_name={name!r:.120} cannot name a private config: it takes up to '
      '100 letters, digits, _, - and ., begins with a letter and does not look '
      'like a seed.'
    )


def parse_config_name(name: str) -> tuple[str, LinacConfig]:
  """The source and the transform a config name stands for.

  Raises:
    ValueError: if the name is not exactly what `config_name` gives.
  """
  head, *fields = name.split('+')
  match = _HEAD.fullmatch(head)
  if not match:
    raise ValueError(
      f'{name!r} is no config of cifar10_linac. Names look like {_EXAMPLES}: '
      '[SOURCE_]seed_N[_f64][+FIELD_VALUE]...'
    )
  values = {'seed': int(match['seed'])}
  if match['f64']:
    values['precision'] = 'float64'
  for text in fields:
    field = _field_of(text, name)
    values[field] = parse_field(field, text[len(field) + 1 :])
  source = (match['source'] or DEFAULT_SOURCE).replace('--', '/', 1)
  config = LinacConfig(**values)
  canonical = config_name(source, config)
  if canonical != name:
    raise ValueError(f'The config {name!r} is spelled {canonical!r}.')
  return source, config


def _field_of(text: str, name: str) -> str:
  fields = [f for f in _DEFAULTS if text.startswith(f + '_')]
  if fields:
    return max(fields, key=len)
  near = difflib.get_close_matches(text.rstrip('0123456789.-_'), _DEFAULTS)
  hint = f' Did you mean {near[0]}?' if near else ''
  raise ValueError(f'{text!r} in {name!r} names no field of LinacConfig.{hint}')


def parse_field(name: str, text: str):
  """The value of the config field `name` written as `text`.

  Tuples are written `0.5_0.5_0.5`, or with commas.

  Raises:
    ValueError: naming the field and the text.
  """
  default = _DEFAULTS[name]
  try:
    if isinstance(default, bool):
      return {'true': True, 'false': False}[text.lower()]
    if isinstance(default, tuple):
      if text == 'None':
        return None
      return tuple(float(v) for v in re.split('[_,]', text))
    return type(default)(text)
  except (KeyError, ValueError):
    expected = {bool: 'True or False', tuple: 'numbers or None'}
    kind = expected.get(type(default), type(default).__name__)
    raise ValueError(f'{name}={text!r} is invalid; expected {kind}.') from None


def format_field(value) -> str:
  """A field's value as text, for names and options."""
  if isinstance(value, tuple):
    return '_'.join(map(format_field, value))
  # A plus sign separates fields, so 1e+16 is written 1e16.
  return str(value).replace('e+', 'e')
