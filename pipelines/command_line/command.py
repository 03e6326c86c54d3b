"""The options of a `build` command, as an object and as command line text.

The settings are declared in `plan/settings.py`, the options of the transform
are the fields of `LinacConfig`, and all other options are declared here.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib

import tensorflow_datasets as tfds
from google.protobuf import json_format

from linac_config import KeylessConfig, LinacConfig, config_names
from linac_config.errors import is_about_contents
from linac_tfds import Cifar10Linac, LinacBuilderConfig
from pipelines.command_line import seed_ranges
from pipelines.dataset.metadata import INFO_FILE
from pipelines.errors import BuildError
from pipelines.files import bucket_access, storage
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.settings import Settings, check_options, option
from pipelines.plan.shards import DATASET

DEFAULT_SEED = LinacConfig().seed


@dataclasses.dataclass(frozen=True)
class Command:
  """The options of a `build` command; the help texts say what each option is.

  Attributes:
    seeds: The seeds. Each of them makes a dataset. Empty for a private key.
    transform: The transform of all datasets, without their seeds.
    settings: The settings of the build.
    beam_flags: The options of the Beam runner, as they were typed.

  Raises:
    ValueError: if an option cannot work; the message names it and its value.
  """

  data_dir: str | None = option(
    None, "TFDS's data folder (default: ~/tensorflow_datasets)"
  )
  source: str = option(
    config_names.DEFAULT_SOURCE,
    'the TFDS image dataset to fit, which can be followed by :VERSION, or '
    '`sample`, which needs no network '
    '(default: %(default)s)',
  )
  source_data_dir: str | None = option(
    None,
    "where the source is prepared (default: --data_dir, then TFDS's folder; "
    'if it is in neither, it is downloaded into --data_dir)',
  )
  image_feature: str = option(
    'image',
    "the name of the source's feature with the images; that of a nested one is "
    'a path, such as inputs/image (default: %(default)s)',
    metavar='NAME',
  )
  label_feature: str = option(
    'label',
    "the name of the source's feature with the classes, such as coarse_label "
    '(default: %(default)s)',
    metavar='NAME',
  )
  config_name: str | None = option(
    None,
    'the name of a dataset with a private key; pass the key in '
    '--private_key_file or LINAC_PRIVATE_KEY (no file of the dataset holds it)',
    metavar='NAME',
  )
  runner: str | None = option(
    None, 'the Beam runner (default: DirectRunner, this machine)'
  )
  plan: bool = option(
    False,
    'build nothing, but fit a few images and print how many shards, bytes and '
    'hours the build takes (a missing source is downloaded)',
  )
  wait: bool = option(
    False,
    'wait if another process builds the dataset, and then continue with what '
    'it left to do (default: an error that names the process)',
  )
  verbose: bool = option(
    False, 'show the logs of Beam, TFDS and the workers of this machine'
  )
  seeds: tuple[int, ...] = (DEFAULT_SEED,)
  transform: KeylessConfig = dataclasses.field(default_factory=KeylessConfig)
  settings: Settings = dataclasses.field(default_factory=Settings)
  beam_flags: tuple[str, ...] = ()

  def __post_init__(self):
    check_options(self)
    if self.wait and len(self.seeds) > 1:
      # Two builds that wait for datasets of each other would wait forever.
      raise ValueError(
        f'wait is for one dataset, but seeds={seed_ranges.show(self.seeds)!r} '
        'names several; leave out one of the two.'
      )

  @property
  def configs(self) -> list[LinacBuilderConfig]:
    """The configs of the datasets, which differ only in their seeds.

    Raises:
      ValueError: if a config cannot have a name.
    """
    fields = dataclasses.asdict(self.transform)
    if self.config_name is not None:
      return [
        LinacBuilderConfig(
          source=self.source, private_name=self.config_name, **fields
        )
      ]
    return [
      LinacBuilderConfig(source=self.source, seed=seed, **fields)
      for seed in self.seeds
    ]

  def builder(self, config: LinacBuilderConfig) -> Cifar10Linac:
    """Makes the TFDS builder of one of the datasets.

    Args:
      config: One of `configs`.

    Raises:
      BuildError: if the data folder is in a bucket that cannot be read, or if
        it holds metadata of the dataset that are damaged.
      ValueError: if the data folder has no valid path.
    """
    bucket_access.readable_path(self.data_dir or tfds.core.constants.DATA_DIR)
    try:
      return Cifar10Linac(
        config=config,
        data_dir=self.data_dir,
        source_data_dir=self.source_data_dir,
        image_feature=self.image_feature,
        label_feature=self.label_feature,
      )
    except Exception as error:
      # TFDS reads the metadata of an earlier build, if there are any. If they
      # are damaged, it may raise almost any exception.
      damage = (OSError, json.JSONDecodeError, json_format.ParseError)
      info_file = self._info_file(config)
      # Without this file, TFDS has only read the metadata of the source.
      is_there = info_file.exists()
      if not is_about_contents(error) or (
        not isinstance(error, damage)
        and (isinstance(error, storage.errors()) or not is_there)
      ):
        raise
      where = f' ({info_file})' if is_there else ''
      raise BuildError(
        f'The metadata of cifar10_linac/{config.name} or of its source '
        f'are damaged: {error}\nDelete that `dataset_info.json`{where} and run '
        'the same command again. Sound shards are kept.'
      ) from error

  def _info_file(self, config: LinacBuilderConfig) -> pathlib.Path:
    """The path of the `dataset_info.json` of a dataset."""
    root = storage.path(self.data_dir or tfds.core.constants.DATA_DIR)
    return root / DATASET / config.name / str(Cifar10Linac.VERSION) / INFO_FILE

  def arguments(self) -> list[str]:
    """The arguments that `options.parse` turns into this command."""
    found = _given(self)
    if self.config_name is None and self.seeds != (DEFAULT_SEED,):
      name = 'seed' if len(self.seeds) == 1 else 'seeds'
      found.append(f'--{name}={seed_ranges.show(self.seeds)}')
    for field in dataclasses.fields(self.transform):
      value = getattr(self.transform, field.name)
      if value != field.default:
        text = config_names.format_field(value)
        found.append(f'--{field.name}={text}')
    return [*found, *_given(self.settings), *self.beam_flags]


def _given(options) -> list[str]:
  """The arguments for those declared options that differ from their defaults.

  Args:
    options: An instance of a dataclass with declared options.
  """
  found = []
  for field in dataclasses.fields(options):
    value = getattr(options, field.name)
    if not field.metadata or value == field.default:
      continue
    if value is True:
      found.append(f'--{field.name}')
    else:
      text = ','.join(value) if isinstance(value, tuple) else value
      found.append(f'--{field.name}={text}')
  return found


def mending_command(
  plan: DatasetPlan, skips_bad: bool, source_data_dir: str | None = None
) -> Command:
  """Makes the command that repairs a published dataset.

  Args:
    plan: The plan of the dataset, made from its metadata.
    skips_bad: Whether bad examples were left out of the dataset.
  """
  private = plan.private_key
  settings = dataclasses.replace(
    plan.settings,
    splits=tuple(f'{split}[:{size}]' for split, size in plan.splits),
    max_examples_per_split=None,
    on_bad_example='skip' if skips_bad else 'stop',
    private_key_file=(private.file or 'PATH') if private else None,
    check_hashes=True,
  )
  return Command(
    data_dir=plan.data_dir,
    source=plan.source.versioned_name,
    source_data_dir=source_data_dir,
    image_feature=plan.source.image_feature,
    label_feature=plan.source.label_feature,
    config_name=private.name if private else None,
    seeds=() if private else (plan.seed,),
    transform=plan.config,
    settings=settings,
  )
