"""As many drawn images as a benchmark asks for, as a source of builds."""

import inspect
import sys

from etils import epath

from linac_tfds.sample.sample_dataset_builder import Builder

# A network so small that everything but the fit is measured.
TINY = ('--num_epochs=1', '--num_layers=3', '--batch_size=256', '--width=8')


class Drawn(Builder):
  """The sample, with as many images as asked for."""

  name = 'drawn'
  pkg_dir_path = epath.Path(inspect.getfile(Builder)).parent
  num_examples = 0

  def _split_generators(self, dl_manager):
    del dl_manager
    return {'train': self._generate_examples(range(self.num_examples))}


def prepare(
  num_examples: int, data_dir: str, file_format: str = 'array_record'
) -> None:
  """Prepares the source `drawn` with so many images in a folder."""
  Drawn.num_examples = num_examples
  Drawn(data_dir=data_dir, file_format=file_format).download_and_prepare()


def build_command(data_dir: str, *options: str) -> list[str]:
  """The command that builds a dataset of `drawn`."""
  command = [sys.executable, '-m', 'pipelines.build', '--source=drawn']
  return [*command, f'--data_dir={data_dir}', *options]
