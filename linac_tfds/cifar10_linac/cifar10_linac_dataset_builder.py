"""`cifar10_linac`: LINAC representations of images, keyed by seed."""

from __future__ import annotations

import os

import tensorflow_datasets as tfds

from linac_config import KeylessConfig, LinacConfig, config_names
from linac_tfds import build_options, build_process, schema, sources

_LICENSE = (
  "Images and labels: as their source is licensed; CIFAR-10's page names no "
  'licence. Code and metadata: Apache-2.0.'
)

# Environment variable of the key of private configs.
_PRIVATE_KEY = 'LINAC_PRIVATE_KEY'


class LinacBuilderConfig(tfds.core.BuilderConfig):
  """A source and a transform; the name says both, unless its key is private.

  Attributes:
    source: TFDS name of the image dataset to fit, `DATASET` or
      `DATASET/CONFIG`.
    linac: The transform, a `LinacConfig`; under a private key a
      `KeylessConfig`, which has no seed.
    private: whether the key is a secret, which only a build is told.
  """

  def __init__(
    self,
    *,
    source: str = config_names.DEFAULT_SOURCE,
    private_name: str | None = None,
    **fields,
  ):
    """Takes the fields of `LinacConfig` as keyword arguments.

    Args:
      source: as the attribute.
      private_name: names the config of a private key, which has no `seed`.
      **fields: of `LinacConfig`.
    """
    self.source = source
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
      name = config_names.config_name(source, self.linac)
      key = f'the key {self.linac.seed}'
    super().__init__(
      name=name,
      description=f'{source} under {key}, fitted in {self.linac.precision}.',
    )


class Builder(tfds.core.dataset_builder.FileReaderBuilder):
  """Builder of `cifar10_linac`.

  Any seed is a config: `tfds.load('cifar10_linac/seed_42')`,
  `tfds.builder('cifar10_linac', seed=42)`. The default is the published key.
  """

  VERSION = tfds.core.Version('1.1.0')
  RELEASE_NOTES = {  # noqa: RUF012
    '1.0.0': 'Initial release.',
    '1.0.1': 'Metadata tell of bad examples, min_psnr and private keys.',
    '1.0.2': 'croissant.json describes the dataset to other readers.',
    '1.1.0': 'The fingerprint and the metadata hold a hash of the source. '
    'No stored example differs from 1.0.2.',
  }
  BUILDER_CONFIGS = [LinacBuilderConfig()]  # noqa: RUF012

  def __init__(
    self,
    *,
    config: str | LinacConfig | tfds.core.BuilderConfig | None = None,
    seed: int | None = None,
    data_dir: str | None = None,
    source_data_dir: str | None = None,
    file_format: str | None = None,
    **kwargs,
  ):
    """Constructs the builder.

    Args:
      config: a config's name, a `LinacBuilderConfig`, or a `LinacConfig` for
        CIFAR-10.
      seed: short for the config `seed_N`.
      data_dir: TFDS's root folder. Default: TFDS's own.
      source_data_dir: where the source is prepared. Default: `data_dir`, then
        TFDS's own folder; else it is downloaded into `data_dir`.
      file_format: `'tfrecord'` (for `tfds.load`, the default) or
        `'array_record'` (for `tfds.data_source`).
      **kwargs: `version`, as any TFDS builder.

    Raises:
      ValueError: for a name or a seed that is none, and for both at once.
    """
    if seed is not None:
      if config is not None:
        raise ValueError(f'Pass either config={config!r} or seed={seed!r}.')
      config = LinacBuilderConfig(seed=seed)
    if isinstance(config, LinacConfig):
      config = LinacBuilderConfig(**vars(config))
    if isinstance(config, LinacBuilderConfig) and not config.private:
      config = config.name  # TFDS refuses a second object of a known name.
    self.source_data_dir = source_data_dir
    if data_dir is not None:
      data_dir = os.path.expanduser(data_dir)  # TFDS does so when reading only.
    super().__init__(
      config=config, data_dir=data_dir, file_format=file_format, **kwargs
    )
    self._original_state.update(
      source_data_dir=source_data_dir, file_format=file_format
    )

  @classmethod
  def get_builder_config(cls, name: str, version=None) -> LinacBuilderConfig:
    """The config of any valid name, not only of the registered one."""
    del version
    if name in cls.builder_configs:
      return cls.builder_configs[name]
    source, config = config_names.parse_config_name(name)
    return LinacBuilderConfig(source=source, **vars(config))

  def _create_builder_config(self, builder_config, version):
    if isinstance(builder_config, LinacBuilderConfig):
      return builder_config  # A private one, whose name says nothing.
    return super()._create_builder_config(builder_config, version)

  @property
  def prepared(self) -> bool:
    """Whether the dataset is complete on disk."""
    return (self.data_path / 'dataset_info.json').exists()

  def _info(self) -> tfds.core.DatasetInfo:
    if self.prepared:
      return self.make_info(
        tfds.features.FeaturesDict.from_config(self.data_dir)
      )
    source = sources.find_source(
      self.builder_config.source, self.source_data_dir, self._data_dir_root
    )
    return self.make_info(
      schema.example_features(
        schema.image_schema(source), self.builder_config.linac
      )
    )

  def make_info(
    self, features: tfds.features.FeaturesDict
  ) -> tfds.core.DatasetInfo:
    """The dataset's info with the given features."""
    return self.dataset_info_from_configs(
      features=features,
      supervised_keys=('representation', 'label'),
      homepage='https://proceedings.mlr.press/v162/rusu22a.html',
      license=_LICENSE,
      metadata=tfds.core.MetadataDict(),
      disable_shuffling=True,
    )

  def download_and_prepare(
    self,
    *,
    download_dir=None,
    download_config=None,
    file_format=None,
    permissions=None,
  ) -> None:
    """Builds the dataset unless it is there: hours of work for all of CIFAR-10.

    Prints what it is about to do first. An interrupted build goes on where it
    stopped. It is a process of its own, `linac build`, which knows this one's
    environment and no Python objects: it finds a source whose builder is
    defined in this program only if that is prepared.

    Args:
      download_dir: where files of the source are downloaded to.
      download_config: of it, `max_examples_per_split`, `download_mode`,
        `beam_runner` and `beam_options` are respected. Of a runner that is an
        object, the class is, and no argument; options must be such as a command
        line gives.
      file_format: as in the constructor.
      permissions: ignored; files follow the umask.

    Raises:
      ValueError: naming the value, if a setting does not fit or cannot be
        passed on.
      RuntimeError: if the build failed, or could not start.
    """
    del permissions
    download_config = download_config or tfds.download.DownloadConfig()
    overwrite = download_config.download_mode.overwrite_dataset
    limit = download_config.max_examples_per_split
    if self.prepared and not (overwrite or limit or file_format):
      return
    config = self.builder_config
    file_format = tfds.core.FileFormat.from_value(
      file_format or self.info.file_format
    )
    options = build_options.builder_options(
      config.source, config.linac, config.name if config.private else None
    )
    options += build_options.path_options(
      data_dir=self._data_dir_root,
      source_data_dir=self.source_data_dir,
      download_dir=download_dir,
    )
    options += [f'--file_format={file_format.file_suffix}']
    options += build_options.download_options(download_config)
    # A key is only for who asks for it.
    build_process.build(options, () if config.private else (_PRIVATE_KEY,))
    self.info.read_from_directory(self.data_dir)

  def _download_and_prepare(self, dl_manager, download_config):
    raise NotImplementedError('download_and_prepare does it all.')
