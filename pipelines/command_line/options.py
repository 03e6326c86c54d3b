"""The command line of `python -m pipelines.build`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib

import tensorflow_datasets as tfds
from google.protobuf import json_format

from linac_config import config_names
from linac_config.config import LinacConfig
from linac_tfds import Cifar10Linac, LinacBuilderConfig
from pipelines.command_line import option_file, seed_ranges
from pipelines.command_line.arguments import beam_parser, build_parser
from pipelines.command_line.console import unknown_option
from pipelines.dataset.metadata import INFO_FILE
from pipelines.dataset.plan import DATASET
from pipelines.dataset.private_key import ENVIRONMENT
from pipelines.errors import BuildError
from pipelines.files import storage
from pipelines.planning.make_plan import Settings, check_folder
from pipelines.runners.local.devices import default_workers
from pipelines.runners.runner import is_dask

# What an option that says which keys to build with replaces in a file.
_KEYS = {
  'seed': ('seeds', 'config_name', 'private_key_file'),
  'seeds': ('seed', 'config_name', 'private_key_file'),
  'config_name': ('seed', 'seeds'),
}


@dataclasses.dataclass(frozen=True)
class Command:
  """A parsed command line.

  Attributes:
    configs: of the datasets; several differ in their seeds alone.
    data_dir: TFDS's root folder, or None for its default.
    source_data_dir: where the source is prepared, or None.
    settings: of the build.
    runner: name of a Beam runner, or None.
    beam: `PipelineOptions` of that runner, or None.
    plan: whether to tell what a build would cost, in its place.
    verbose: whether to show logs.
  """

  configs: list[LinacBuilderConfig]
  data_dir: str | None
  source_data_dir: str | None
  settings: Settings
  runner: str | None
  beam: object
  plan: bool
  verbose: bool

  def builder(self, config: LinacBuilderConfig) -> Cifar10Linac:
    """The builder of one of the datasets.

    Raises:
      BuildError: if the data folder cannot be written, or what it holds of
        the dataset cannot be read.
    """
    if self.data_dir:
      check_folder(storage.path(self.data_dir))
    try:
      return Cifar10Linac(
        config=config,
        data_dir=self.data_dir,
        source_data_dir=self.source_data_dir,
      )
    except Exception as error:
      # For files that are damaged, TFDS has errors of all kinds.
      damage = (OSError, json.JSONDecodeError, json_format.ParseError)
      info_file = self._info_file(config)
      is_there = info_file.exists()  # Else it is the source's that are read.
      if not isinstance(error, damage) and (
        isinstance(error, storage.errors()) or not is_there
      ):
        raise
      where = f' ({info_file})' if is_there else ''
      raise BuildError(
        f'The metadata of cifar10_linac/{config.name} or of its source '
        f'are damaged: {error}\nDelete that `dataset_info.json`{where} and run '
        'the same command again: whatever is sound is kept.'
      ) from error

  def _info_file(self, config: LinacBuilderConfig) -> pathlib.Path:
    root = storage.path(self.data_dir or tfds.core.constants.DATA_DIR)
    return root / DATASET / config.name / str(Cifar10Linac.VERSION) / INFO_FILE


def parse(argv: list[str]) -> Command:
  """Parses and checks the whole command line.

  Raises:
    ValueError: naming the option and its value, or an unknown option.
  """
  args, rest = _parse_with_file(argv)
  for name in (
    'data_dir',
    'source_data_dir',
    'splits',
    'download_dir',
    'private_key_file',
    'compilation_cache',
    'config',
  ):
    if getattr(args, name) == '':
      raise ValueError(f'{name} is empty; is a shell variable not set?')
  if args.config_name is None and ENVIRONMENT in os.environ:
    raise ValueError(
      f'{ENVIRONMENT} is set: pass --config_name to build with it, or unset it.'
    )
  names = {field.name for field in dataclasses.fields(Settings)}
  values = {k: v for k, v in vars(args).items() if k in names}
  if args.splits:
    values['splits'] = tuple(s.strip() for s in args.splits.split(','))
  values['direct_num_workers'] = args.direct_num_workers or default_workers()
  return Command(
    configs=_configs(args),
    data_dir=args.data_dir,
    source_data_dir=args.source_data_dir,
    settings=Settings(**values),
    runner=args.runner,
    beam=_beam_options(rest, args.runner),
    plan=args.plan,
    verbose=args.verbose,
  )


def _parse_with_file(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
  """This project's options, also those of a file, and what is none."""
  parser = build_parser()
  args, rest = parser.parse_known_args(argv)
  if not args.config:
    return args, rest
  first = option_file.read_options(args.config, parser, beam_parser)
  for name, others in _KEYS.items():
    if getattr(args, name) is not None:
      replaced = {f'--{other}' for other in others}
      first = [text for text in first if text.partition('=')[0] not in replaced]
  return parser.parse_known_args(first + argv)


def _configs(args: argparse.Namespace) -> list[LinacBuilderConfig]:
  fields = {
    field.name: config_names.parse_field(field.name, text)
    for field in dataclasses.fields(LinacConfig)
    if (text := getattr(args, field.name)) is not None
  }
  if args.seeds is None:
    choices = [fields]
  elif 'seed' in fields or args.config_name is not None:
    other = 'seed' if 'seed' in fields else 'config_name'
    raise ValueError(f'Pass either seeds={args.seeds!r} or {other}, not both.')
  else:
    choices = [
      fields | {'seed': seed} for seed in seed_ranges.parse(args.seeds)
    ]
  return [
    LinacBuilderConfig(
      source=args.source, private_name=args.config_name, **choice
    )
    for choice in choices
  ]


def _beam_options(rest: list[str], runner: str | None):
  """Beam's options; all of `rest` must be some.

  Beam itself only warns of those it does not know.
  """
  if not rest and not runner:
    return None  # Importing Beam takes seconds.
  from apache_beam.options.pipeline_options import PipelineOptions

  if is_dask(runner):
    _know_dask_options(runner)
  parser = beam_parser()
  _, unknown = parser.parse_known_args(rest)
  if unknown:
    ours = build_parser()._option_string_actions
    raise unknown_option(unknown[0], [*ours, *parser._option_string_actions])
  return PipelineOptions(rest, runner=runner)


def _know_dask_options(runner: str) -> None:
  """Has Dask's runner register its options; Beam does so for all others."""
  try:
    import apache_beam.runners.dask.dask_runner  # noqa: F401
  except ImportError as error:
    raise ValueError(
      f"runner={runner} needs Dask ({error}): pip install -e '.[dask]'."
    ) from error
