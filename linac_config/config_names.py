"""Names of dataset configs: `[SOURCE_]seed_N[_f64][+FIELD_VALUE]...`.

A name holds the source, unless it is `cifar10`, the seed and all fields of the
config that differ from the defaults. So each transform of a source has exactly
one name. Examples are `seed_42`, `seed_7_f64+num_epochs_2` and
`mnist_seed_1+mean_0.1307+std_0.3081`.

A default can change from one version of the dataset to the next, and names
change with it: `_meant_by_default` knows what a name of an old version means.
"""

import dataclasses
import difflib
import re

from linac_config.config import LinacConfig

DEFAULT_SOURCE = 'cifar10'

_DEFAULTS = {f.name: f.default for f in dataclasses.fields(LinacConfig)}
_HEAD = re.compile(r'(?:(?P<source>.+)_)?seed_(?P<seed>-?\d+)(?P<f64>_f64)?')
# The names of TFDS's datasets and configs, except those that cannot be part of
# our names.
_SOURCE = re.compile(r'[a-z]\w*(/\w[\w.\-]*)?', re.ASCII)
_VERSION = re.compile(r'\d+\.\d+\.\d+', re.ASCII)
_PRIVATE = re.compile(r'[a-zA-Z][\w.\-]{0,99}', re.ASCII)
_EXAMPLES = 'seed_42, seed_42_f64 or mnist_seed_7+num_epochs_2'


def _meant_by_default(version: str | None) -> dict:
  """Returns the values of the fields that a name does not mention.

  Args:
    version: The version of the dataset, or None for the present one.
  """
  if version is not None and has_only_xla(version):
    return _DEFAULTS | {'arithmetic': 'xla'}
  return _DEFAULTS


def has_only_xla(version: str) -> bool:
  """Whether XLA made all fits of a version, so that no name mentions it."""
  return bool(re.match(r'[01]\.', version))


def split_source(source: str) -> tuple[str, str | None]:
  """Returns the name of a source and its version, or None if it has none.

  Args:
    source: The TFDS name of the image dataset, which can be followed by
      `:VERSION`.

  Raises:
    ValueError: if the version is not valid.
  """
  name, colon, version = source.partition(':')
  if colon and not _VERSION.fullmatch(version):
    raise ValueError(
      f'source={source!r} has no valid version; write it as NAME:VERSION, such '
      'as cifar10:3.0.2.'
    )
  return name, version or None


def config_name(
  source: str, config: LinacConfig, version: str | None = None
) -> str:
  """Returns the name of the dataset config that fits a source with a transform.

  Args:
    source: The TFDS name of the image dataset, `DATASET` or `DATASET/CONFIG`.
    config: The transform.
    version: The version of the dataset, or None for the present one.

  Raises:
    ValueError: if `source` is no TFDS name, or if the name would be too long
      for a folder.
  """
  if not _SOURCE.fullmatch(source):
    raise ValueError(
      f'source={source!r} is no name of a TFDS dataset; pass DATASET or '
      'DATASET/CONFIG, such as cifar10 or cifar10_corrupted/fog_1.'
    )
  # Names are also names of folders, so `--` replaces the slash of
  # DATASET/CONFIG.
  prefix = '' if source == DEFAULT_SOURCE else source.replace('/', '--') + '_'
  suffix = '_f64' if config.precision == 'float64' else ''
  for name, default in _meant_by_default(version).items():
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
  """Refuses a name that is not suitable for the config of a private key.

  Raises:
    ValueError: if the name cannot name a folder, or looks like a seed.
  """
  if not _PRIVATE.fullmatch(name) or re.search(r'(^|_)seed_-?\d', name):
    raise ValueError(
      f'config_name={name!r:.120} cannot name a private config: it takes up to '
      '100 letters, digits, _, - and ., begins with a letter and does not look '
      'like a seed.'
    )


def parse_config_name(
  name: str, version: str | None = None
) -> tuple[str, LinacConfig]:
  """Returns the source and the transform that a config name stands for.

  Args:
    name: The name.
    version: The version of the dataset, or None for the present one.

  Raises:
    ValueError: if the name is not exactly the one that `config_name` returns
      for them.
  """
  head, *fields = name.split('+')
  match = _HEAD.fullmatch(head)
  if not match:
    raise ValueError(
      f'{name!r} is no config of cifar10_linac. Names look like {_EXAMPLES}: '
      '[SOURCE_]seed_N[_f64][+FIELD_VALUE]...'
    )
  values = _meant_by_default(version) | {'seed': int(match['seed'])}
  if match['f64']:
    values['precision'] = 'float64'
  for text in fields:
    field = _field_of(text, name)
    values[field] = parse_field(field, text[len(field) + 1 :])
  source = (match['source'] or DEFAULT_SOURCE).replace('--', '/', 1)
  config = LinacConfig(**values)
  spelled = config_name(source, config, version)
  if spelled != name:
    raise ValueError(f'The config {name!r} is spelled {spelled!r}.')
  return source, config


def _field_of(text: str, name: str) -> str:
  fields = [f for f in _DEFAULTS if text.startswith(f + '_')]
  if fields:
    return max(fields, key=len)
  near = difflib.get_close_matches(text.rstrip('0123456789.-_'), _DEFAULTS)
  hint = f' Did you mean {near[0]}?' if near else ''
  raise ValueError(f'{text!r} in {name!r} names no field of LinacConfig.{hint}')


def parse_field(name: str, text: str):
  """Parses the value of a config field.

  Args:
    name: The name of the field.
    text: The value as text. The numbers of a tuple are separated by underscores
      or commas: `0.5_0.5_0.5`.

  Raises:
    ValueError: if the text does not have the field's type. The message names
      the field and the text.
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
  """Returns a field's value as text for names and options."""
  if isinstance(value, tuple):
    return '_'.join(map(format_field, value))
  # A plus sign separates the fields of a name, so 1e+16 is written as 1e16.
  return str(value).replace('e+', 'e')
