"""Describes a prepared dataset in Croissant, MLCommons' format for metadata.

TFDS can read Croissant but cannot write it; so this module does. The format is
described at https://docs.mlcommons.org/croissant.
"""

from __future__ import annotations

import datetime
import json

import mlcroissant as mlc
import numpy as np
import tensorflow_datasets as tfds

from pipelines.files.formats import FILE_FORMATS

_CONFORMS_TO = 'http://mlcommons.org/croissant/1.1'
# The date of the dataset's version. It is not the date of the build, so that
# every build writes the same bytes.
_PUBLISHED = datetime.datetime(2026, 11, 26)
_APACHE = 'https://www.apache.org/licenses/LICENSE-2.0'


def croissant(info: tfds.core.DatasetInfo) -> str:
  """The Croissant description of a dataset, as JSON text.

  `mlcroissant` can read the list of splits from it. It cannot read the shards,
  which only TFDS can.

  Args:
    info: The TFDS description of a prepared dataset, with its splits.

  Raises:
    mlcroissant.ValidationError: if the description is not valid Croissant.
  """
  context = mlc.Context(conforms_to=_CONFORMS_TO)
  suffix = info.file_format.file_suffix
  shards = mlc.FileSet(
    ctx=context,
    id='shards',
    name='shards',
    description='The files of all splits, in this folder.',
    # Neither format has a registered media type.
    encoding_formats=[FILE_FORMATS[suffix].url],
    includes=[f'{info.name}-*.{suffix}-*'],
  )
  metadata = mlc.Metadata(
    ctx=context,
    name=info.full_name,
    description=f'{info.config_description}\n\n{info.description}',
    version=str(info.version),
    url=info.homepage,
    license=[info.redistribution_info.license],
    sd_licence=[_APACHE],
    cite_as=info.citation,
    date_published=_PUBLISHED,
    distribution=[shards],
    record_sets=[_splits(context, info), _examples(context, info, shards)],
  )
  return json.dumps(metadata.to_json(), indent=2, allow_nan=False)


def _splits(context: mlc.Context, info: tfds.core.DatasetInfo) -> mlc.RecordSet:
  """The record set that lists the splits; it holds its data itself."""
  return mlc.RecordSet(
    ctx=context,
    id='splits',
    name='splits',
    data_types=[mlc.DataType.SPLIT],
    key='splits/name',
    fields=[
      mlc.Field(
        ctx=context, id=f'splits/{name}', name=name, data_types=[data_type]
      )
      for name, data_type in (
        ('name', mlc.DataType.TEXT),
        ('num_examples', mlc.DataType.INTEGER),
      )
    ],
    data=[
      {'splits/name': name, 'splits/num_examples': split.num_examples}
      for name, split in info.splits.items()
    ],
  )


def _examples(
  context: mlc.Context, info: tfds.core.DatasetInfo, shards: mlc.FileSet
) -> mlc.RecordSet:
  """The record set of the examples, with a field for each feature."""
  return mlc.RecordSet(
    ctx=context,
    id='examples',
    name='examples',
    key='examples/id',
    fields=[
      _field(context, name, feature, shards)
      for name, feature in sorted(info.features.items())
    ],
  )


# Croissant's types for the dtypes of arrays.
_DATA_TYPES = {
  'float16': mlc.DataType.FLOAT16,
  'float32': mlc.DataType.FLOAT32,
  'int64': mlc.DataType.INT64,
}


def _field(
  context: mlc.Context,
  name: str,
  feature: tfds.features.FeatureConnector,
  shards: mlc.FileSet,
) -> mlc.Field:
  """The description of a feature."""
  array = {}
  if isinstance(feature, tfds.features.Image):
    data_type = mlc.DataType.IMAGE_OBJECT
  elif isinstance(feature, tfds.features.Text):
    data_type = mlc.DataType.TEXT
  else:
    data_type = _DATA_TYPES[np.dtype(feature.np_dtype).name]
    if feature.shape:
      array = {
        'is_array': True,
        'array_shape': ','.join(map(str, feature.shape)),
      }
  return mlc.Field(
    ctx=context,
    id=f'examples/{name}',
    name=name,
    description=feature.doc.desc or None,
    data_types=[data_type],
    source=mlc.Source(
      ctx=context,
      file_set=shards.id,
      extract=mlc.Extract(ctx=context, column=name),
    ),
    **array,
  )
