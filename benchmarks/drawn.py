"""A source of drawn images, of any number, for builds in benchmarks."""

import inspect
import sys

from etils import epath

from linac_tfds.sample.sample_dataset_builder import Builder

# The network is so small that a benchmark measures everything except the fit.
TINY = ('--num_epochs=1', '--num_layers=3', '--batch_size=256', '--width=8')


class Drawn(Builder):
  """Builder of `drawn`: images like those of `sample`, in one split `train`.

  Attributes:
    num_examples: The number of images.
  """

  name = 'drawn'
  pkg_dir_path = epath.Path(inspect.getfile(Builder)).parent
  num_examples = 0

  def _split_generators(self, dl_manager):
    del dl_manager
    return {'train': self._generate_examples(range(self.num_examples))}


def prepare(
  num_examples: int, data_dir: str, file_format: str = 'array_record'
) -> None:
  """Prepares the source `drawn` in a folder.

  Args:
    num_examples: The number of images.
    data_dir: The root folder for datasets.
    file_format: The format of the source's files.
  """
  Drawn.num_examples = num_examples
  Drawn(data_dir=data_dir, file_format=file_format).download_and_prepare()


def build_command(data_dir: str, *options: str) -> list[str]:
  """Returns the command that builds a dataset from `drawn`."""
  command = [sys.executable, '-m', 'pipelines.build', '--source=drawn']
  return [*command, f'--data_dir={data_dir}', *options]
