"""Reads `features.json` and the class names, without trusting them."""

from __future__ import annotations

import json
import pathlib

import tensorflow_datasets as tfds
from google.protobuf import json_format

from linac_tfds.schema import ImageSchema
from pipelines.dataset.metadata import FEATURES_FILE, LABELS_FILE
from pipelines.files import strict_json


def load_schema(directory: pathlib.Path) -> ImageSchema:
  """The shape of the images and the names of the labels."""
  features = _load_types(strict_json.read_bytes(directory / FEATURES_FILE))
  try:
    image = features['featuresDict']['features']['image']['image']
    # Protocol buffers write whole numbers as text.
    shape = strict_json.convert(
      image['shape']['dimensions'], tuple[str, str, str]
    )
    height, width, channels = map(int, shape)
    if min(height, width, channels) < 1:
      raise ValueError(f'its shape is {shape}')
    labels = tfds.features.ClassLabel(names_file=str(directory / LABELS_FILE))
  except (LookupError, TypeError, ValueError) as error:
    raise ValueError(
      f'{FEATURES_FILE} and {LABELS_FILE} describe no labelled image: {error!r}'
    ) from error
  return ImageSchema((height, width, channels), tuple(labels.names), True)


def feature_types(
  directory: pathlib.Path, features: tfds.features.FeaturesDict
) -> tuple[dict, dict]:
  """The contents of `features.json`: as they are, and as they should be.

  The descriptions in it are left out, because their wording may change between
  versions.
  """
  found = strict_json.read_bytes(directory / FEATURES_FILE)
  expected = json_format.MessageToJson(features.to_proto())
  return _load_types(found), _load_types(expected)


def _load_types(text: str | bytes) -> dict:
  """The contents of `features.json` without the descriptions in it."""

  def drop_prose(fields: dict) -> dict:
    return {k: v for k, v in fields.items() if k != 'description'}

  try:
    return json.loads(text, object_hook=drop_prose)
  except (ValueError, RecursionError) as error:
    raise ValueError(f'{FEATURES_FILE} is no JSON: {error}') from error
