"""The settings of a build, with their options.

Each setting is declared here once. The command line, its help, option files,
the plan, the printed command and the fingerprint follow from the declaration.
Options that are not settings, such as `--source`, are declared in the same way
in `command_line/command.py`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from linac_tfds.schema import STORAGE_DTYPES
from pipelines.files.formats import FILE_FORMATS
from pipelines.plan.splits import parse_split

# The heading in `--help` of options for workers on other machines.
ELSEWHERE = 'workers elsewhere'


def option(
  default,
  help: str,
  *,
  metavar: str | None = None,
  choices: tuple[str, ...] = (),
  check: Callable[[str, object], None] | None = None,
  group: str = '',
  in_fingerprint: bool = False,
):
  """Declares an option as a field of a dataclass.

  The field's name is the name of the option. The field's annotation is the type
  of its values: `str`, `int`, `float`, or a tuple of `str` (separated by
  commas), each also with None. `bool` makes a flag.

  Args:
    default: The value if the option is not given.
    help: The text for `--help`, in which `%(default)s` is the default.
    metavar: The placeholder for the value in `--help`.
    choices: The only values that are allowed, if they are few.
    check: A function of the option's name and a value that is not None. It
      raises ValueError, naming both, for a value that cannot work.
    group: The heading in `--help`; empty for the first one.
    in_fingerprint: Whether stored examples depend on the value. Then a value
      other than the default becomes part of the dataset's fingerprint.

  Returns:
    The field, as `dataclasses.field` makes it.
  """
  return dataclasses.field(
    default=default,
    metadata={
      'help': help,
      'metavar': metavar,
      'choices': tuple(choices),
      'check': check,
      'group': group,
      'in_fingerprint': in_fingerprint,
    },
  )


def check_options(options) -> None:
  """Checks the values of all declared options of a dataclass instance.

  Raises:
    ValueError: if a value is empty, unknown or cannot work. The message names
      the option and its value.
  """
  for field in dataclasses.fields(options):
    value, facts = getattr(options, field.name), field.metadata
    if not facts or (value is None and field.default is None):
      continue
    if value in ('', ('',)):
      raise ValueError(f'{field.name} is empty; is a shell variable not set?')
    if facts['choices'] and value not in facts['choices']:
      raise ValueError(
        f'{field.name}={value!r} is unknown; choose one of '
        f'{", ".join(facts["choices"])}.'
      )
    if facts['check']:
      facts['check'](field.name, value)


def at_least_one(name: str, value: int) -> None:
  """Raises ValueError if the number is below 1."""
  if value < 1:
    raise ValueError(f'{name}={value} must be at least 1.')


def _not_negative(name: str, value: int) -> None:
  """Raises ValueError for a number below 0."""
  if value < 0:
    raise ValueError(
      f'{name}={value} must be at least 1, or 0 for the default.'
    )


def _finite(name: str, value: float) -> None:
  """Raises ValueError if the number is infinite or NaN."""
  if not math.isfinite(value):
    raise ValueError(f'{name}={value} must be a finite number of dB.')


def _distinct(name: str, value: tuple[str, ...]) -> None:
  """Raises ValueError if a split is named twice, or is a slice but no start."""
  if len({parse_split(text).name for text in value}) < len(value):
    raise ValueError(f'{name}={",".join(value)} names a split twice.')


@dataclasses.dataclass(frozen=True)
class Settings:
  """The settings of a build; the help text of each says what it does.

  They are all that a build is told besides the transform, the source and the
  place of the dataset.

  Raises:
    ValueError: if a value cannot work; the message names the setting and its
      value.
  """

  splits: tuple[str, ...] | None = option(
    None,
    'the splits to build, such as train,test, or their first examples, such as '
    'train[:1000] or train[:10%%] (default: all)',
    check=_distinct,
  )
  max_examples_per_split: int | None = option(
    None,
    'build the first N examples of each split only',
    metavar='N',
    check=at_least_one,
  )
  examples_per_shard: int | None = option(
    None,
    'the largest number of examples in a shard (default: 128; 32 in splits of '
    'fewer than 4,096)',
    metavar='N',
    check=at_least_one,
  )
  storage_dtype: str = option(
    'float16',
    'the dtype of the stored representations (default: %(default)s)',
    choices=STORAGE_DTYPES,
    in_fingerprint=True,
  )
  file_format: str = option(
    'tfrecord',
    'tfrecord is read by tfds.load, array_record by tfds.data_source '
    '(default: %(default)s)',
    choices=tuple(FILE_FORMATS),
    in_fingerprint=True,
  )
  images_per_batch: int | None = option(
    None,
    'the number of images that one call to the device fits; it changes only '
    'the speed, and with --arithmetic=xla also float32 bits on an accelerator '
    '(default: 1 on a CPU, where each core has a worker; on an accelerator, '
    'what suits it and its memory)',
    metavar='N',
    check=at_least_one,
  )
  min_psnr: float | None = option(
    None,
    'the smallest PSNR that a fit must reach; an example below it is bad '
    '(default: none)',
    metavar='DB',
    check=_finite,
    in_fingerprint=True,
  )
  on_bad_example: str = option(
    'stop',
    'stop: publish nothing if an example is bad, because it cannot be fitted; '
    'skip: leave such examples out and list them (default: %(default)s)',
    choices=('stop', 'skip'),
  )
  private_key_file: str | None = option(
    None,
    'the file that holds the private key of --config_name: an integer of 64 '
    'bits, decimal or 0x hexadecimal (default: the environment variable '
    'LINAC_PRIVATE_KEY holds it)',
    metavar='PATH',
  )
  overwrite: bool = option(False, 'replace another dataset of the same name')
  check_hashes: bool = option(
    False,
    'read every file of a finished dataset, and fit each shard again that does '
    'not match its hash',
  )
  direct_num_workers: int | None = option(
    None,
    'the number of worker processes on this machine (default: one per GPU, '
    'else one per core; fewer if memory or CPU quota are short)',
    metavar='N',
    check=_not_negative,
  )
  download_dir: str | None = option(
    None,
    "the folder for downloads of the source (default: TFDS's own folder)",
    metavar='PATH',
  )
  accelerator: str | None = option(
    None,
    'the accelerator of the workers that fit, such as '
    'type:nvidia-l4;count:1;install-nvidia-driver (default: none)',
    metavar='HINT',
    group=ELSEWHERE,
  )
  worker_ram: str | None = option(
    None,
    'the memory that these workers need at least, such as 16GB (default: the '
    "runner's choice)",
    metavar='SIZE',
    group=ELSEWHERE,
  )
  compilation_cache: str | None = option(
    None,
    'a folder, also gs://, in which workers share compiled programs; anybody '
    'who can write there can run code on the workers (default: none)',
    metavar='PATH',
    group=ELSEWHERE,
  )

  def __post_init__(self):
    check_options(self)
    if self.min_psnr is not None:
      object.__setattr__(self, 'min_psnr', float(self.min_psnr))
    if self.direct_num_workers == 0:
      object.__setattr__(self, 'direct_num_workers', None)
