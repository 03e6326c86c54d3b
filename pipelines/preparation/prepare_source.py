"""Prepares the TFDS dataset whose images are fitted."""

from __future__ import annotations

import pathlib

import requests
import tensorflow_datasets as tfds

from linac_config.errors import is_about_contents
from linac_tfds import schema, sources
from pipelines.errors import SourceError
from pipelines.files import lock, storage
from pipelines.files.formats import FILE_FORMATS
from pipelines.plan.dataset_plan import SourceSpec


def prepare_source(
  name: str,
  builder: tfds.core.DatasetBuilder,
  image_feature: str,
  label_feature: str,
  download_dir=None,
) -> tuple[SourceSpec, dict[str, int]]:
  """Finds the prepared source, or downloads and prepares it.

  Args:
    name: The name of the source, `DATASET` or `DATASET/CONFIG`.
    builder: The TFDS builder of the source.
    image_feature: The name of the feature with the images.
    label_feature: The name of the feature with the classes.
    download_dir: The folder for downloaded files, or None for TFDS's choice.

  Returns:
    The source, and the number of examples of each of its splits.

  Raises:
    SourceError: if the source is not prepared and cannot be downloaded, if it
      is not the dataset that its folder is named after, if its file format is
      not read here, or if the file with the names of its classes is damaged.
    ValueError: if it has no such features.
  """
  if not sources.is_prepared(builder):
    root = storage.path(builder.data_path.parent)
    with lock.alone_in(root, f'prepares the source {name}'):
      _prepare(name, builder, download_dir)
  # Somebody else may have written the metadata. A name such as `../x` in them
  # must not lead to another folder.
  full_name = pathlib.PurePath(builder.info.full_name).parts
  if builder.data_path.parts[-len(full_name) :] != full_name:
    raise SourceError(
      f'{builder.data_path} holds {builder.info.full_name!r}, according to its '
      'metadata. Prepare the source again and pass --source_data_dir.'
    )
  prepared = _on_disk(name, builder)
  # The schema of the files may differ from the builder's.
  images = schema.image_schema(prepared, image_feature, label_feature)
  _check_class_names(name, prepared, label_feature, images.class_names)
  spec = SourceSpec(
    name=name,
    version=str(builder.version),
    data_dir=str(builder.data_path.parents[len(full_name) - 1]),
    directory=str(builder.data_path),
    schema=images,
    image_feature=image_feature,
    label_feature=label_feature,
  )
  return spec, {s: info.num_examples for s, info in builder.info.splits.items()}


def _prepare(
  name: str, builder: tfds.core.DatasetBuilder, download_dir
) -> None:
  """Downloads and prepares a source, if no other process has done it.

  The arguments and errors are those of `prepare_source`.
  """
  try:
    if not sources.is_prepared(builder):
      _check_network(builder)
      builder.download_and_prepare(
        download_dir=download_dir,
        download_config=tfds.download.DownloadConfig(try_download_gcs=False),
      )
  except Exception as error:
    # Programs that know nothing of the lock may have prepared it meanwhile.
    if not sources.is_prepared(builder):
      reason = str(error).strip().splitlines() or [type(error).__name__]
      # A full disk, for example, is no fault of the network.
      advice = is_about_contents(error) * (
        '\nPrepare it where there is a network and pass --source_data_dir, or '
        'try --source=sample, which needs none.'
      )
      raise SourceError(
        f'The source {name} is not prepared in {builder.data_dir} and could '
        f'not be downloaded: {reason[0]}{advice}'
      ) from error
  builder.info.read_from_directory(builder.data_path)


def _on_disk(
  name: str, builder: tfds.core.DatasetBuilder
) -> tfds.core.DatasetBuilder:
  """The builder that the prepared files describe.

  Raises:
    SourceError: if they cannot be read, or have a format that is not read here.
  """
  try:
    prepared = tfds.builder_from_directory(builder.data_path)
  except Exception as error:  # TFDS has errors of all kinds for its files.
    if not is_about_contents(error):
      raise
    raise SourceError(
      f'The metadata of the source {name} in {builder.data_path} cannot be '
      f'read: {error}\nPrepare the source anew.'
    ) from error
  file_format = prepared.info.file_format.file_suffix
  if file_format not in FILE_FORMATS:
    choices = ' or '.join(f'--file_format={name}' for name in FILE_FORMATS)
    raise SourceError(
      f'The source {name} in {builder.data_path} is in the format '
      f'{file_format!r}, which is not read here. Prepare it in another folder '
      f'with `tfds build` and {choices}, and pass --source_data_dir.'
    )
  return prepared


def _check_class_names(
  name: str,
  builder: tfds.core.DatasetBuilder,
  label_feature: str,
  found: tuple[str, ...],
) -> None:
  """Checks that TFDS has read the names of a source's classes.

  If their file is damaged, TFDS only logs that, and numbers the classes.

  Args:
    name: The name of the source.
    builder: The builder of the prepared source.
    label_feature: The name of the feature with the classes.
    found: The names of the classes, as TFDS says.

  Raises:
    SourceError: if the file is there and does not hold these names.
  """
  # TFDS joins the parts of a nested feature's name with a dash.
  file_name = f'{label_feature.replace("/", "-")}.labels.txt'
  path = builder.data_path / file_name
  try:
    lines = path.read_text(encoding='utf-8').split('\n')
    damage = ''
    if found != tuple(line.strip() for line in lines if line.strip()):
      damage = 'it does not name all classes'
  except FileNotFoundError:
    return  # The classes of this source have no names.
  except (OSError, ValueError) as error:
    damage = str(error)
  if damage:
    raise SourceError(
      f'{path}, which names the classes of the source {name}, is damaged: '
      f'{damage}\nPrepare the source anew.'
    )


def _check_network(builder: tfds.core.DatasetBuilder) -> None:
  """Raises an error at once if the download cannot start.

  TFDS would try again for minutes before it raises one.
  """
  urls = [url for url in builder.url_infos or {} if url.startswith('http')]
  for url in urls[:1]:
    requests.head(url, timeout=20)
