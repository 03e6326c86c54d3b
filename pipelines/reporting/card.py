"""The card at the top of a report: what the dataset is and how it was made."""

from __future__ import annotations

import dataclasses

from linac_config import config_names, reproducibility
from pipelines.dataset.read_published import PublishedDataset, build_rate
from pipelines.reporting.contents import Contents
from pipelines.reporting.page import Table


def make_card(
  dataset: PublishedDataset, contents: Contents
) -> list[tuple[str, str]]:
  """The rows of the card, each a name and a value."""
  plan, metadata = dataset.plan, dataset.metadata
  sizes = {split: len(m.psnr) for split, m in contents.measures.items()}
  splits = ', '.join(f'{split} {size:,}' for split, size in sizes.items())
  manifests = contents.manifests.values()
  num_bytes = sum(manifest.file_bytes for manifest in manifests)
  height, width, channels = plan.source.schema.shape
  units = plan.config.representation_channels(channels)
  rows = {
    'Dataset': f'cifar10_linac/{plan.config_name} {plan.version}',
    'Key': _key(dataset),
    'Source': f'{plan.source.name} {plan.source.version}',
    'Images': f'{sum(sizes.values()):,} ({splits})',
    'Left out': _left_out(dataset),
    'Representation': f'[{height}, {width}, {units}] '
    f'{plan.settings.storage_dtype}, {_layer(dataset)}',
    'Transform': _transform(dataset),
    'Precision': plan.config.precision,
    'Arithmetic': f'{plan.config.arithmetic}. '
    f'{reproducibility.promise(plan.config)}',
    'Fitted on': ', '.join(metadata.devices),
    'Fitted with': ', '.join(
      f'{name} {" and ".join(versions)}'
      for name, versions in metadata.library_versions.items()
    ),
    'Files': f'{num_bytes:,} bytes in {len(contents.manifests):,} shards, '
    f'{plan.settings.file_format}',
    'Speed': _speed(dataset),
    'Fingerprint': metadata.fingerprint,
  }
  return [(name, value) for name, value in rows.items() if value]


def _key(dataset: PublishedDataset) -> str:
  """The seed or the id of the private key, and the derivation from it."""
  plan, derivation = dataset.plan, dataset.plan.config.key_derivation
  if plan.private_key:
    return f'private, id {plan.private_key.id}; {derivation} derivation'
  return f'seed {plan.seed}, {derivation} derivation'


def _layer(dataset: PublishedDataset) -> str:
  """The layer whose activations are stored."""
  config = dataset.plan.config
  if config.representation_layer == config.num_layers:
    return 'the reconstruction'
  last = config.num_layers - 1
  return f'hidden layer {config.representation_layer} of 0 to {last}'


def _left_out(dataset: PublishedDataset) -> str:
  """The number of bad examples, or '' if there are none."""
  count = sum(dataset.metadata.bad_examples.values())
  limit = dataset.plan.settings.min_psnr
  reasons = '' if limit is None else f'; fits must reach {limit} dB'
  return f'{count:,} images that could not be fitted{reasons}' if count else ''


def _transform(dataset: PublishedDataset) -> str:
  """The fields of the transform that differ from the paper's settings."""
  changed = [
    f'{field.name} {config_names.format_field(value)}'
    for field in dataclasses.fields(dataset.plan.config)
    if field.name not in ('seed', 'precision', 'arithmetic', 'key_derivation')
    and (value := getattr(dataset.plan.config, field.name)) != field.default
  ]
  if not changed:
    return "LINAC with the paper's settings"
  return f"LINAC with the paper's settings but {', '.join(changed)}"


def _speed(dataset: PublishedDataset) -> str:
  """The speed of the build, or the reason why it is not known."""
  rate = build_rate(dataset)
  if len(dataset.plan.shards()) == 1:
    return 'not known: there is only one shard'
  if rate is None:
    return 'not known: the times of these files are not those of the build'
  return (
    f'{rate:.1f} images/s from the first shard to the last, by the times of '
    'the files, pauses included'
  )


def config_table(dataset: PublishedDataset) -> Table:
  """The table of all fields of the transform; a private key is not shown."""
  fields = dataclasses.asdict(dataset.plan.config)
  if dataset.plan.private_key:
    fields['seed'] = 'private'
  return Table(
    title='All settings of the transform',
    header=['field', 'value'],
    rows=[[name, str(value)] for name, value in fields.items()],
  )
