"""Packaging of the LINAC dataset builder."""

import pathlib

import setuptools

CLASSIFIERS = ['orbax-checkpoint>=0.11', 'safetensors']

setuptools.setup(
  name='linac-tfds',
  version='0.1.0',
  description='A reproducible dataset builder for LINAC representations: '
  'Apache Beam, JAX and TFDS.',
  long_description=pathlib.Path('README.md').read_text(),
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
  package_data={'': ['README.md', 'CITATIONS.bib', 'TAGS.txt', '*.jinja']},
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
    ],
  },
)
