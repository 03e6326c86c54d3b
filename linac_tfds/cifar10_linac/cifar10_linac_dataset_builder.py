"""`cifar10_linac`: LINAC representations of images, keyed by seed."""

from __future__ import annotations

import tensorflow_datasets as tfds

from linac_config import LinacConfig, paths
from linac_config.config_names import parse_config_name
from linac_tfds import build_options, build_process, schema, sources
from linac_tfds.builder_config import (
  LinacBuilderConfig,
  NamedConfigs,
  check_fields,
)

_LICENSE = (
  "Images and labels: as their source is licensed; CIFAR-10's page names no "
  'licence. Code and metadata: Apache-2.0.'
)

# This environment variable holds the key for private configs.
_PRIVATE_KEY = 'LINAC_PRIVATE_KEY'


class Builder(tfds.core.dataset_builder.FileReaderBuilder):
  """Builder of `cifar10_linac`.

  There is a config for every seed: `tfds.load('cifar10_linac/seed_42')` and
  `tfds.builder('cifar10_linac', seed=42)` use seed 42. The default config has
  the published key.
  """

  VERSION = tfds.core.Version('2.0.0')
  RELEASE_NOTES = {  # noqa: RUF012
    '1.0.0': 'Initial release.',
    '1.0.1': 'Metadata tell of bad examples, min_psnr and private keys.',
    '1.0.2': 'croissant.json describes the dataset to other readers.',
    '1.1.0': 'The fingerprint and the metadata hold a hash of the source. '
    'No stored example differs from 1.0.2.',
    '2.0.0': 'By default, fits have canonical arithmetic: the same seed gives '
    'the same bits on every CPU, in float32 and in float64. In float32, '
    'representations differ from those of 1.1.0 by 1 to 20 %. The name of a '
    'config with other arithmetic says so, as in seed_3+arithmetic_xla.',
  }
  BUILDER_CONFIGS = [LinacBuilderConfig()]  # noqa: RUF012
  builder_configs = NamedConfigs({c.name: c for c in BUILDER_CONFIGS})

  def __init__(
    self,
    *,
    config: str | LinacConfig | tfds.core.BuilderConfig | None = None,
    source: str | None = None,
    version: str | tfds.core.Version | None = None,
    data_dir: str | None = None,
    source_data_dir: str | None = None,
    image_feature: str = 'image',
    label_feature: str = 'label',
    file_format: str | None = None,
    **fields,
  ):
    """Constructs the builder.

    The config is either `config`, or made of `source` and `fields`.

    Args:
      config: The name of a config, a `LinacBuilderConfig`, or a `LinacConfig`,
        which is used with CIFAR-10.
      source: The TFDS name of the image dataset to fit, by default CIFAR-10. It
        can be followed by `:VERSION`.
      version: The version of the dataset.
      data_dir: The root folder for datasets. The default is TFDS's own. Here
        and in `source_data_dir`, a relative path is relative to the folder that
        is the current one now, also after a later `os.chdir`.
      source_data_dir: The root folder in which the source is prepared. By
        default, `data_dir`, TFDS's own folder and those of
        `tfds.core.add_data_dir` are searched; if none holds the source, it is
        downloaded into `data_dir`.
      image_feature: The name of the source's feature with the images. The name
        of a nested one is a path, such as `inputs/image`.
      label_feature: The name of the source's feature with the classes.
      file_format: The format of the dataset's files: `'tfrecord'` (the default,
        for `tfds.load`) or `'array_record'` (for `tfds.data_source`).
      **fields: The fields of `LinacConfig` that differ from the defaults, such
        as `seed=3, precision='float64'`.

    Raises:
      TypeError: if an argument is unknown. The message suggests another name.
      ValueError: if the config or a field is not valid, if both are given, or
        if a folder starts with `~` and the home folder is not known, or if
        the dataset is there in another format.
    """
    check_fields(fields, type(self))
    if source is not None:
      fields['source'] = source
    if fields and config is not None:
      name, value = next(iter(fields.items()))
      raise ValueError(f'Pass either config={config!r} or {name}={value!r}.')
    if fields:
      config = LinacBuilderConfig(**fields)
    if isinstance(config, LinacConfig):
      config = LinacBuilderConfig(**vars(config))
    given = config
    self._source_version = None
    if isinstance(config, LinacBuilderConfig):
      self._source_version = config.source_version
      # TFDS refuses a second config object with the name of a registered one.
      config = config if config.private else config.name
    source_data_dir = source_data_dir and paths.absolute(source_data_dir)
    self.source_data_dir = source_data_dir
    self.image_feature, self.label_feature = image_feature, label_feature
    super().__init__(config=config, version=version, data_dir=data_dir)
    if file_format is not None:
      self._set_file_format(file_format)
    self._original_state.update(
      config=given,
      data_dir=self._data_dir_root,
      source_data_dir=source_data_dir,
      image_feature=image_feature,
      label_feature=label_feature,
      file_format=file_format,
    )

  def _set_file_format(self, file_format: str | tfds.core.FileFormat) -> None:
    wanted = tfds.core.FileFormat.from_value(file_format)
    if not self.prepared:
      self.info.set_file_format(wanted, override=True)
    elif self.info.file_format != wanted:
      raise ValueError(
        f'file_format={wanted.file_suffix!r} is not that of '
        f'{self.info.full_name}, which is stored as '
        f'{self.info.file_format.file_suffix} in {self.data_path}. Leave it '
        'out to read the dataset, or replace the dataset with `linac build '
        f'--overwrite --file_format={wanted.file_suffix}`.'
      )

  @classmethod
  def get_builder_config(cls, name: str, version=None) -> LinacBuilderConfig:
    """Returns the config that a name has in a version of the dataset.

    The name need not be registered, but it must be valid.
    """
    version = version and str(version)
    source, config = parse_config_name(name, version)
    registered = cls.builder_configs.get(name)
    if registered and registered.linac == config:
      return registered
    return LinacBuilderConfig(
      source=source, dataset_version=version, **vars(config)
    )

  def _create_builder_config(self, builder_config, version):
    if isinstance(builder_config, LinacBuilderConfig):
      return builder_config  # It is private, so its name cannot be parsed.
    return super()._create_builder_config(builder_config, version)

  def _build_data_dir(self, given_data_dir):
    # TFDS would expand the home folder only when it reads a dataset, and look
    # for a relative folder each time anew.
    root, folder = super()._build_data_dir(given_data_dir)
    return paths.absolute(root), paths.absolute(folder)

  @property
  def source(self) -> str:
    """The TFDS name of the source, with `:VERSION` if it was chosen."""
    name, version = self.builder_config.source, self._source_version
    return f'{name}:{version}' if version else name

  @property
  def prepared(self) -> bool:
    """Whether the dataset is complete on disk."""
    return (self.data_path / 'dataset_info.json').exists()

  def _info(self) -> tfds.core.DatasetInfo:
    if self.prepared:
      return self.make_info(
        tfds.features.FeaturesDict.from_config(self.data_dir)
      )
    source, _ = self._locate_source()
    images = schema.image_schema(source, self.image_feature, self.label_feature)
    return self.make_info(
      schema.example_features(images, self.builder_config.linac)
    )

  def _locate_source(self) -> tuple[tfds.core.DatasetBuilder, str]:
    return sources.locate_source(
      self.source, self.source_data_dir, self._data_dir_root
    )

  def _prepared_source_dir(self) -> str | None:
    """The data folder with the prepared source, or None if there is none.

    Folders of `tfds.core.add_data_dir` are known in this process only.
    """
    source, folder = self._locate_source()
    return folder if sources.is_prepared(source) else None

  def make_info(
    self, features: tfds.features.FeaturesDict
  ) -> tfds.core.DatasetInfo:
    """Returns the dataset's info with the given features."""
    return self.dataset_info_from_configs(
      features=features,
      supervised_keys=('representation', 'label'),
      homepage='https://proceedings.mlr.press/v162/rusu22a.html',
      license=_LICENSE,
      metadata=tfds.core.MetadataDict(),
      disable_shuffling=True,
    )

  def _as_dataset(self, split, *, read_config, shuffle_files, **kwargs):
    # Who asks for another order gets it; TFDS would refuse it because the
    # dataset has an order.
    if shuffle_files:
      read_config = read_config.replace(enable_ordering_guard=False)
    return super()._as_dataset(
      split, read_config=read_config, shuffle_files=shuffle_files, **kwargs
    )

  def download_and_prepare(
    self,
    *,
    download_dir=None,
    download_config=None,
    file_format=None,
    permissions=None,
  ) -> None:
    """Builds the dataset if it is not complete, which takes hours for CIFAR-10.

    The build first prints a summary of its work. If it was interrupted, the
    next call continues it. If another process builds the dataset already, this
    call waits until that build has ended, and then does what is left to do.

    The build is a separate process, `linac build`. It inherits the environment
    of this process but none of its Python objects. So a source whose builder is
    defined in this program must be prepared before.

    Args:
      download_dir: The folder for downloaded files of the source.
      download_config: The settings of TFDS. The build respects
        `max_examples_per_split`, `download_mode`, `beam_runner` and
        `beam_options`, and refuses the others. If the runner is an object, the
        build uses its class without its arguments. Beam's options must have
        values that can be written on a command line.
      file_format: The format of the dataset's files, see the constructor.
      permissions: Ignored; the permissions of files follow the umask.

    Raises:
      ValueError: if a setting is not valid or cannot be passed to the build.
        The message names the value.
      RuntimeError: if the build failed or could not start.
    """
    del permissions
    if _is_mocked():
      return
    download_config = download_config or tfds.download.DownloadConfig()
    settings = build_options.download_options(download_config)
    overwrite = download_config.download_mode.overwrite_dataset
    limit = download_config.max_examples_per_split is not None
    if self.prepared and not (overwrite or limit or file_format):
      return
    config = self.builder_config
    file_format = tfds.core.FileFormat.from_value(
      file_format or self.info.file_format
    )
    options = build_options.builder_options(
      self.source, config.linac, config.name if config.private else None
    )
    options += build_options.path_options(
      data_dir=self._data_dir_root,
      source_data_dir=self._prepared_source_dir(),
      download_dir=download_dir,
    )
    options += [
      f'--image_feature={self.image_feature}',
      f'--label_feature={self.label_feature}',
      f'--file_format={file_format.file_suffix}',
      '--wait',
    ]
    options += settings
    # Only a config with a private key may see the key.
    build_process.build(options, () if config.private else (_PRIVATE_KEY,))
    self.info.read_from_directory(self.data_dir)

  def _download_and_prepare(self, dl_manager, download_config):
    raise NotImplementedError('Call download_and_prepare instead.')


def _is_mocked() -> bool:
  """Whether `tfds.testing.mock_data` has replaced TFDS's own function."""
  function = tfds.core.DatasetBuilder.download_and_prepare
  return function.__module__ != tfds.core.dataset_builder.__name__
