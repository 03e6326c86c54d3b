"""Prepares the TFDS dataset whose images are fitted."""

from __future__ import annotations

import pathlib

import requests
import tensorflow_datasets as tfds

from linac_tfds import schema, sources
from pipelines.errors import SourceError
from pipelines.plan.dataset_plan import SourceSpec


def prepare_source(
  name: str, builder: tfds.core.DatasetBuilder, download_dir=None
) -> tuple[SourceSpec, dict[str, int]]:
  """Finds the prepared source, or downloads and prepares it.

  Args:
    name: The name of the source, `DATASET` or `DATASET/CONFIG`.
    builder: The TFDS builder of the source.
    download_dir: The folder for downloaded files, or None for TFDS's choice.

  Returns:
    The source, and the number of examples of each of its splits.

  Raises:
    SourceError: if the source is not prepared and cannot be downloaded, or if
      it is not the dataset that its folder is named after.
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
  # Somebody else may have written the metadata. A name such as `../x` in them
  # must not lead to another folder.
  full_name = pathlib.PurePath(builder.info.full_name).parts
  if builder.data_path.parts[-len(full_name) :] != full_name:
    raise SourceError(
      f'{builder.data_path} holds {builder.info.full_name!r}, according to its '
      'metadata. Prepare the source again and pass --source_data_dir.'
    )
  spec = SourceSpec(
    name=name,
    version=str(builder.version),
    data_dir=str(builder.data_path.parents[len(full_name) - 1]),
    directory=str(builder.data_path),
    schema=_schema_on_disk(name, builder),
  )
  return spec, {s: info.num_examples for s, info in builder.info.splits.items()}


def _schema_on_disk(
  name: str, builder: tfds.core.DatasetBuilder
) -> schema.ImageSchema:
  """The schema of the prepared files, which may differ from the builder's."""
  try:
    prepared = tfds.builder_from_directory(builder.data_path)
  except Exception as error:  # TFDS has errors of all kinds for its files.
    raise SourceError(
      f'The metadata of the source {name} in {builder.data_path} cannot be '
      f'read: {error}\nPrepare the source anew.'
    ) from error
  return schema.image_schema(prepared)


def _check_network(builder: tfds.core.DatasetBuilder) -> None:
  """Raises an error at once if the download cannot start.

  TFDS would try again for minutes before it raises one.
  """
  urls = [url for url in builder.url_infos or {} if url.startswith('http')]
  for url in urls[:1]:
    requests.head(url, timeout=20)
