"""The configs of `cifar10_linac`, one for every source and transform."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from collections.abc import Iterable

import tensorflow_datasets as tfds

from linac_config import (
  KeylessConfig,
  LinacConfig,
  config_names,
  reproducibility,
)


class LinacBuilderConfig(tfds.core.BuilderConfig):
  """A config of the dataset: a source and a transform.

  Its name holds both (see `linac_config.config_names`), unless its key is
  private.

  Attributes:
    source: The TFDS name of the image dataset to fit, `DATASET` or
      `DATASET/CONFIG`.
    source_version: The version of the source, or None for the newest one. It is
      not part of the name.
    linac: The transform, a `LinacConfig`. If the key is private, this is a
      `KeylessConfig`, which has no seed.
    private: Whether the key is a secret, which is passed only to a build.
  """

  def __init__(
    self,
    *,
    source: str = config_names.DEFAULT_SOURCE,
    private_name: str | None = None,
    dataset_version: str | None = None,
    **fields,
  ):
    """Makes a config from fields of `LinacConfig` as keyword arguments.

    Args:
      source: The TFDS name of the image dataset to fit, which can be followed
        by `:VERSION`.
      private_name: The name of a config with a private key. Such a config takes
        no `seed`.
      dataset_version: The version of the dataset, which decides the config's
        name, or None for the present one.
      **fields: The fields of `LinacConfig` that differ from the defaults.

    Raises:
      TypeError: if there is no such field. The message suggests another name.
      ValueError: if the name or a field is not valid. The message names the
        value.
    """
    check_fields(fields, type(self))
    self.source, self.source_version = config_names.split_source(source)
    self.private = private_name is not None
    if self.private:
      config_names.check_private_name(private_name)
      if 'seed' in fields:
        raise ValueError(
          f'config_name={private_name!r} is of a private key; leave out seed.'
        )
      self.linac = KeylessConfig(**fields)
      name, key = private_name, 'a private key'
    else:
      self.linac = LinacConfig(**fields)
      name = config_names.config_name(self.source, self.linac, dataset_version)
      key = f'the key {self.linac.seed}'
    super().__init__(
      name=name,
      description=f'{source} under {key}, fitted in {self.linac.precision} '
      f'with {self.linac.arithmetic} arithmetic. '
      f'{reproducibility.promise(self.linac)}',
    )


def check_fields(names: Iterable[str], kind: type) -> None:
  """Refuses names that are no fields of `LinacConfig`.

  Args:
    names: The names of the arguments.
    kind: The class whose constructor got them. Its own arguments are suggested,
      too.

  Raises:
    TypeError: if a name is unknown.
  """
  fields = [f.name for f in dataclasses.fields(LinacConfig)]
  for name in names:
    if name not in fields:
      known = [*fields, *inspect.signature(kind).parameters]
      near = difflib.get_close_matches(name, known, 1)
      advice = (
        f'did you mean {near[0]}?'
        if near
        else f'fields of the transform are {", ".join(fields)}.'
      )
      raise TypeError(f'The argument {name!r} is unknown; {advice}')


class NamedConfigs(dict):
  """The registered configs by name; it contains every valid name.

  TFDS asks whether a name is in it. If not, TFDS reads files without the code
  of the builder, which knows how to shuffle them.
  """

  def __contains__(self, name: str) -> bool:
    try:
      config_names.parse_config_name(name)
    except ValueError:
      return False
    return True
