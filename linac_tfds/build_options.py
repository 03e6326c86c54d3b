"""Translates the arguments of a TFDS builder to options of `linac build`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os

import tensorflow_datasets as tfds

from linac_config import KeylessConfig, config_names

_SHARDS = (
  'The number of shards follows from `linac build --examples_per_shard`; '
  'use that.'
)
_PREPARE = 'If the source needs it, prepare the source first, and leave it out.'
# For each setting of TFDS that a build cannot respect, what to do instead.
_REFUSED = {
  'num_shards': _SHARDS,
  'min_shard_size': _SHARDS,
  'max_shard_size': _SHARDS,
  'nondeterministic_order': 'Files hold the examples in the order of the '
  'source, whatever runner makes them; leave it out.',
  'ignore_duplicates': 'Each image of the source has its own id; leave it out.',
  'compute_stats': 'Statistics are in metadata.json; leave it out.',
  'extract_dir': _PREPARE,
  'manual_dir': _PREPARE,
  'register_checksums': _PREPARE,
  'force_checksums_validation': _PREPARE,
  'verify_ssl': _PREPARE,
  'override_max_simultaneous_downloads': _PREPARE,
}
_MODES = (
  tfds.GenerateMode.REUSE_DATASET_IF_EXISTS,
  tfds.GenerateMode.REUSE_CACHE_IF_EXISTS,
)


def builder_options(
  source: str, config: KeylessConfig, private_name: str | None
) -> list[str]:
  """Returns the options for a config.

  Args:
    source: The TFDS name of the image dataset.
    config: The transform; only fields that differ from the defaults become
      options.
    private_name: The name of the config if its key is private, or None.
  """
  options = [f'--source={source}']
  if private_name is not None:
    options += [f'--config_name={private_name}']
  for field in dataclasses.fields(config):
    value = getattr(config, field.name)
    if value != field.default:
      options += [f'--{field.name}={config_names.format_field(value)}']
  return options


def download_options(
  download_config: tfds.download.DownloadConfig,
) -> list[str]:
  """Returns the options for the settings of TFDS.

  Raises:
    ValueError: if a build cannot respect a setting, or if it cannot be written
      as an option. The message names the setting.
  """
  _check(download_config)
  options = []
  if (limit := download_config.max_examples_per_split) is not None:
    options += [f'--max_examples_per_split={limit}']
  if download_config.download_mode.overwrite_dataset:
    options += ['--overwrite']
  runner = download_config.beam_runner
  if runner is not None:
    options += [f'--runner={_runner_name(runner)}']
  if download_config.beam_options is not None:
    options += beam_flags(download_config.beam_options, runner is None)
  return options


def _check(config: tfds.download.DownloadConfig) -> None:
  """Raises ValueError if a setting differs from TFDS's default in vain."""
  for field in dataclasses.fields(config):
    value = getattr(config, field.name)
    if field.name in _REFUSED and value != field.default:
      raise ValueError(
        f'{field.name}={value!r} is not possible. {_REFUSED[field.name]}'
      )
  if config.download_mode not in _MODES:
    raise ValueError(
      f'download_mode={config.download_mode} is not possible; choose one of '
      f'{", ".join(map(str, _MODES))}.'
    )


def path_options(**paths: str | os.PathLike | None) -> list[str]:
  """Returns an option for each path that is not None."""
  return [
    f'--{name}={os.fspath(path)}'
    for name, path in paths.items()
    if path is not None
  ]


def _runner_name(runner) -> str:
  """Returns the name by which Beam finds the class of a runner."""
  if isinstance(runner, str):
    return runner
  kind = type(runner)
  if kind.__module__ == '__main__':
    raise ValueError(
      f'beam_runner is a {kind.__name__} of this program. The process that '
      'builds cannot import it from there; move it to a module.'
    )
  if kind.__module__.startswith('apache_beam.'):
    return kind.__name__
  return f'{kind.__module__}.{kind.__name__}'


def beam_flags(beam_options, with_runner: bool = True) -> list[str]:
  """Returns the flags that give Beam's options their values.

  Args:
    beam_options: The `PipelineOptions`. It does not matter whether they were
      made from flags or keywords or set later.
    with_runner: Whether to include the flag of the runner.

  Raises:
    ValueError: if no flag can give an option its value. The message names the
      option.
  """
  from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
  )

  parser = _Parser(add_help=False, allow_abbrev=False)
  for options in PipelineOptions.__subclasses__():
    options._add_argparse_args(parser)
  values = beam_options.get_all_options(drop_default=True)
  if not with_runner:
    values.pop('runner', None)
  # Beam respects this number of processes only in the mode `multi_processing`.
  values.pop('direct_num_workers', None)
  direct = beam_options.view_as(DirectOptions)
  if direct.direct_running_mode == 'multi_processing':
    values['direct_num_workers'] = direct.direct_num_workers
  flags = [
    flag
    for name, value in values.items()
    for flag in _flags_of(parser, name, value)
  ]
  # Flags that Beam does not know either are passed on; the command then reports
  # them.
  _, unknown = parser.parse_known_args(beam_options._flags or [])
  return flags + unknown


class _Parser(argparse.ArgumentParser):
  """A parser that raises errors instead of printing them with the usage."""

  def error(self, message: str):
    raise ValueError(message)


def _flags_of(parser: argparse.ArgumentParser, name: str, value) -> list[str]:
  """Returns the flags that give an option its value."""
  for action in parser._actions:
    if action.dest != name:
      continue
    try:
      flags = _written(action, json.loads(json.dumps(value)))
      found, unknown = parser.parse_known_args(flags)
    except (TypeError, ValueError):  # The value cannot be written as text.
      continue
    if not unknown and str(getattr(found, name)) == str(value):
      return flags
  raise ValueError(
    f'beam_options: {name}={value!r} cannot be passed on to the process that '
    'builds; leave it out, or build with `linac build`.'
  )


def _written(action: argparse.Action, value) -> list[str]:
  """Returns flags that probably give an option its value."""
  option = action.option_strings[-1]
  if action.nargs == 0:
    return [option]
  if isinstance(value, dict):
    return [f'{option}={json.dumps(value, allow_nan=False)}']
  if isinstance(value, (list, tuple)):
    if action.nargs in ('+', '*'):
      return [option, *map(str, value)]
    return [f'{option}={item}' for item in value]
  return [f'{option}={value}']
