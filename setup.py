"""Packaging of the LINAC dataset builder."""

import importlib.metadata
import importlib.util
import os
import pathlib
import shlex
import tomllib

import setuptools
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

CLASSIFIERS = ['orbax-checkpoint>=0.11', 'safetensors']


def load_compile():
  """Returns `transforms/canonical/compile.py`; `transforms` needs JAX."""
  path = 'transforms/canonical/compile.py'
  spec = importlib.util.spec_from_file_location('linac_compile', path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


COMPILE = load_compile()


def ffi_headers() -> pathlib.Path:
  """Returns the folder of the headers of the oldest jaxlib we support.

  Raises:
    RuntimeError: Another jaxlib is here than `pyproject.toml` asks for. A
      library that is compiled with newer headers makes an older JAX unusable.
  """
  (pin,) = (
    requirement
    for requirement in tomllib.loads(
      pathlib.Path('pyproject.toml').read_text(encoding='utf-8')
    )['build-system']['requires']
    if requirement.startswith('jaxlib==')
  )
  try:
    found = f'jaxlib=={importlib.metadata.version("jaxlib")}'
  except importlib.metadata.PackageNotFoundError:
    found = 'no jaxlib'
  if found != pin:
    raise RuntimeError(
      f'Building needs the headers of {pin}, and there is {found}. Leave out '
      '--no-build-isolation, or install what pyproject.toml requires first.'
    )
  # Importing jaxlib would need NumPy, and take a second.
  return (
    pathlib.Path(importlib.util.find_spec('jaxlib').origin).parent / 'include'
  )


class BuildLibrary(build_ext):
  """Compiles the C++ sources; the result is no module of Python."""

  def get_ext_filename(self, fullname: str) -> str:
    return os.path.join(*fullname.split('.')[:-1], COMPILE.library_name())

  def build_extension(self, ext: setuptools.Extension) -> None:
    # The compiler from the ziglang wheel gives everyone the same machine code,
    # and nobody needs a compiler of their own.
    compiler = shlex.split(os.environ.get('CXX', '')) or COMPILE.zig_compiler()
    target = pathlib.Path(self.get_ext_fullpath(ext.name))
    COMPILE.compile_library(target, compiler, ffi_headers())


class PlatformWheel(bdist_wheel):
  """A wheel for one platform and all versions of Python."""

  def get_tag(self) -> tuple[str, str, str]:
    return 'py3', 'none', super().get_tag()[-1]


setuptools.setup(
  name='linac-tfds',
  version='0.1.0',
  description='A reproducible dataset builder for LINAC representations: '
  'Apache Beam, JAX and TFDS.',
  long_description=pathlib.Path('README.md').read_text(encoding='utf-8'),
  long_description_content_type='text/markdown',
  license='Apache-2.0',
  # TensorFlow 2.21 has no wheel for 3.14.
  python_requires='>=3.11,<3.14',
  classifiers=[
    f'Programming Language :: Python :: {version}'
    for version in ('3.11', '3.12', '3.13')
  ],
  packages=setuptools.find_packages(
    include=[
      'classifiers*',
      'linac_cli*',
      'linac_config*',
      'linac_tfds*',
      'pipelines*',
      'transforms*',
    ]
  ),
  entry_points={'console_scripts': ['linac = linac_cli.main:main']},
  package_data={
    '': ['README.md', 'CITATIONS.bib', 'TAGS.txt', '*.jinja'],
    'transforms.canonical': ['source/*', 'cuda/kernel/*', 'cuda/fit.ptx'],
  },
  # The sources are package data, and compile.py knows them.
  ext_modules=[setuptools.Extension('transforms.canonical.liblinac', [])],
  cmdclass={'build_ext': BuildLibrary, 'bdist_wheel': PlatformWheel},
  install_requires=[
    'apache-beam>=2.77',
    'array_record>=0.8',
    'etils[epath]',
    'flax>=0.12',
    'google-crc32c',
    # TFDS needs these three and does not say so.
    'importlib_resources',
    'ml_dtypes',
    'mlcroissant',  # Ours too, for croissant.json.
    'jax>=0.10',
    'jaxtyping',
    'numpy',
    'optax>=0.2.8',
    'pillow',
    'psutil',
    'requests',
    'scipy',
    'tensorflow>=2.21',  # tfds.load reads with it; building does not use it.
    'tensorflow-datasets>=4.9.10',
    'tqdm',
  ],
  extras_require={
    'classifiers': CLASSIFIERS,
    'dask': ['apache-beam[dask]'],
    'gcp': ['apache-beam[gcp]', 'gcsfs', 'universal_pathlib'],
    'gpu': ['jax[cuda12]'],
    'torch': ['torch'],
    'viz': ['ipykernel', 'jinja2', 'matplotlib', 'nbclient', 'pandas'],
    'tests': [
      *CLASSIFIERS,
      'apache-beam[dask,gcp]',
      'beartype',
      'cryptography',
      'dill',
      'gcp-storage-emulator',
      'gcsfs',
      'grain',
      'hypothesis',
      'ipykernel',
      'jinja2',
      'matplotlib',
      'nbclient',
      'nbformat',
      'pandas',
      'pytest',
      'pytest-xdist',
      'ruff',
      'universal_pathlib',
      'websockets',
      'ziglang',
    ],
  },
)
