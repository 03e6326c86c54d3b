"""The settings of a build. Each option is declared here once.

The command line, its help, option files, the plan, the printed command and the
fingerprint follow from these declarations. Options that are no settings, such
as `--source`, are declared in the same way in `command_line/command.py`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from linac_tfds.schema import STORAGE_DTYPES
from pipelines.files.formats import FILE_FORMATS

# Where the options for workers of other machines stand in `--help`.
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

  The field's name is the option's, and its annotation the type of its values:
  `str`, `int`, `float`, a tuple of `str` (separated by commas) or any of these
  or None; `bool` makes a flag.

  Args:
    default: The value where the option is not given.
    help: One sentence for `--help`, with `%(default)s` for the default.
    metavar: The placeholder for the value in `--help`.
    choices: The only values that are allowed, if they are few.
    check: A function of the option's name and a value that is not None. It
      raises ValueError, naming both, for a value that cannot work.
    group: The heading in `--help`; empty for the first one.
    in_fingerprint: Whether stored examples depend on the value. Then a value
      other than the default becomes part of the dataset's fingerprint.
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
  """Checks the values of all declared options of a dataclass.

  Raises:
    ValueError: naming the option and its value.
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
  """Raises ValueError for a number below 1."""
  if value < 1:
    raise ValueError(f'{name}={value} must be at least 1.')


def _finite(name: str, value: float) -> None:
  if not math.isfinite(value):
    raise ValueError(f'{name}={value} must be a number of dB.')


def _distinct(name: str, value: tuple[str, ...]) -> None:
  if len(set(value)) < len(value):
    raise ValueError(f'{name}={",".join(value)} names a split twice.')


@dataclasses.dataclass(frozen=True)
class Settings:
  """What a build is told besides its dataset; the help texts say what each is.

  Raises:
    ValueError: naming the setting and its value, if it cannot work.
  """

  splits: tuple[str, ...] | None = option(
    None,
    'the splits to build, such as train,test (default: all)',
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
    'the most examples a shard holds (default: 128; 32 in splits of fewer than '
    '4,096)',
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
    'the images fitted by one call to the device; it changes the speed only '
    '(default: 1 on a core, on an accelerator what its memory holds)',
    metavar='N',
    check=at_least_one,
  )
  min_psnr: float | None = option(
    None,
    'the least PSNR of a fit; an example below it is bad (default: none)',
    metavar='DB',
    check=_finite,
    in_fingerprint=True,
  )
  on_bad_example: str = option(
    'stop',
    'stop: publish nothing if an example cannot be fitted; skip: leave such '
    'examples out and list them (default: %(default)s)',
    choices=('stop', 'skip'),
  )
  strict_devices: bool = option(
    False,
    'refuse to mix float32 shards of several kinds of devices or versions of '
    'jaxlib, whose bits may differ',
  )
  private_key_file: str | None = option(
    None,
    'the file with the key of --config_name: an integer of 64 bits, decimal or '
    '0x hexadecimal (default: the key is in LINAC_PRIVATE_KEY)',
    metavar='PATH',
  )
  overwrite: bool = option(False, 'replace a dataset of the same name')
  check_hashes: bool = option(
    False,
    'read every file of a finished dataset, and fit the shards again that do '
    'not match their hash',
  )
  direct_num_workers: int | None = option(
    None,
    'the number of worker processes on this machine (default: one per GPU, '
    'else one per core; fewer if memory is short)',
    metavar='N',
    check=at_least_one,
  )
  download_dir: str | None = option(
    None,
    "where files of the source are downloaded to (default: TFDS's choice)",
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
    "the least memory of these workers, such as 16GB (default: the runner's "
    'choice)',
    metavar='SIZE',
    group=ELSEWHERE,
  )
  compilation_cache: str | None = option(
    None,
    'a folder, also gs://, where workers leave compiled programs for each '
    'other; who can write there can run code on them (default: none)',
    metavar='PATH',
    group=ELSEWHERE,
  )

  def __post_init__(self):
    check_options(self)
    if self.min_psnr is not None:
      object.__setattr__(self, 'min_psnr', float(self.min_psnr))
