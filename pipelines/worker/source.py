"""Prepares the dataset whose images are fitted, and reads slices of it."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

import numpy as np
import requests
import tensorflow_datasets as tfds

from linac_tfds import schema, sources
from pipelines.dataset.manifest import BadExample
from pipelines.errors import SourceError
from pipelines.files import storage
from pipelines.files.records import read_records
from pipelines.plan.dataset_plan import DatasetPlan, SourceSpec


def prepare_source(
  name: str, builder: tfds.core.DatasetBuilder, download_dir=None
) -> tuple[SourceSpec, dict[str, int]]:
  """Downloads the source where it is not prepared.

  Args:
    name: `DATASET` or `DATASET/CONFIG`.
    builder: of the source.
    download_dir: where downloaded files are kept.

  Returns:
    The source, and the number of examples of each of its splits.

  Raises:
    SourceError: if it is not prepared and cannot be downloaded, or is another
      dataset than its folder says.
  """
  if not sources.is_prepared(builder):
    try:
      _check_network(builder)
      builder.download_and_prepare(
        download_dir=download_dir,
        download_config=tfds.download.DownloadConfig(try_download_gcs=False),
      )
    except Exception as error:
      reason = str(error).strip().splitlines() or [type(error).__name__]
      raise SourceError(
        f'The source {name} is not prepared in {builder.data_dir} and could '
        f'not be downloaded: {reason[0]}\nPrepare it where there is a network '
        'and pass --source_data_dir, or try --source=sample, which needs none.'
      ) from error
  # Names in its metadata must not lead to another folder.
  full_name = pathlib.PurePath(builder.info.full_name).parts
  if builder.data_path.parts[-len(full_name) :] != full_name:
    raise SourceError(
      f'{builder.data_path} holds {builder.info.full_name!r}, by its own '
      'account. Prepare the source anew and pass --source_data_dir.'
    )
  spec = SourceSpec(
    name=name,
    version=str(builder.version),
    data_dir=str(builder.data_path.parents[len(full_name) - 1]),
    directory=str(builder.data_path),
    schema=schema.image_schema(builder),
  )
  return spec, {s: info.num_examples for s, info in builder.info.splits.items()}


def _check_network(builder: tfds.core.DatasetBuilder) -> None:
  """Raises at once what TFDS would raise after minutes of trying again."""
  urls = [url for url in builder.url_infos or {} if url.startswith('http')]
  for url in urls[:1]:
    requests.head(url, timeout=20)


def read_source(
  plan: DatasetPlan, split: str, start: int, stop: int
) -> Iterator[dict | BadExample]:
  """Examples `[start, stop)` of the source in its order, without TensorFlow.

  Yields:
    `index` (in the split), `id` (str), `image` (uint8 array) and `label` (int);
    or what is wrong with an example.

  Raises:
    ValueError: naming the folder, if it is damaged or gone.
  """
  try:
    builder = tfds.builder_from_directory(plan.source.directory)
    records = _read_records(builder, plan.source.directory, split, start, stop)
    for index, record in enumerate(records, start):
      yield _parse(plan, builder.info.features, split, index, record)
  # TFDS and ArrayRecord each raise their own for files damaged or gone.
  except Exception as error:
    if _is_transient(plan, error):
      raise  # Runners try it again.
    raise ValueError(
      f'{split} of {plan.source.directory} cannot be read: {error}'
    ) from error


def _is_transient(plan: DatasetPlan, error: Exception) -> bool:
  """Whether a bucket could not be reached, so that its data is not at fault."""
  remote = storage.is_remote(storage.path(plan.source.directory))
  return (
    remote
    and isinstance(error, storage.errors())
    and not isinstance(error, FileNotFoundError)
  )


def _read_records(
  builder, directory: str, split: str, start: int, stop: int
) -> Iterator[bytes]:
  part = tfds.core.ReadInstruction(split, from_=start, to=stop, unit='abs')
  files = builder.info.splits[part].file_instructions
  for file in files:
    # Its metadata have a template for file names.
    if os.path.dirname(file.filename) != directory:
      raise ValueError(
        f'{directory} has data outside itself, in {file.filename}.'
      )
  file_format = builder.info.file_format.file_suffix
  for file in files:
    # Most sources have one file, which every task reads a slice of.
    with storage.kept_copy(storage.path(file.filename)) as path:
      yield from read_records(path, file_format, file.skip, file.take)


def _parse(
  plan: DatasetPlan, features, split: str, index: int, record: bytes
) -> dict | BadExample:
  """One example of the source, if it is a labelled image of the right shape."""
  id_, schema = f'{split}_{index:05d}', plan.source.schema
  try:
    example = features.deserialize_example_np(record)
    id_ = example['id'].decode() if schema.has_id else id_
    image, label = example['image'], int(example['label'])
  # TFDS, protobuf and Pillow each raise their own for what they cannot parse.
  except Exception as error:
    return BadExample(index, id_, f'it cannot be parsed: {error}')
  if image.shape != schema.shape or image.dtype != np.uint8:
    return BadExample(
      index,
      id_,
      f'its image is {image.dtype} of shape {image.shape}, not uint8 of '
      f'{schema.shape}.',
    )
  if not 0 <= label < len(schema.class_names):
    return BadExample(
      index, id_, f'its label {label} is none of {len(schema.class_names)}.'
    )
  return {'index': index, 'id': id_, 'image': image, 'label': label}
