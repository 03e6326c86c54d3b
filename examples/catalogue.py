"""Renders a dataset's page in the form of TFDS's catalogue.

  python examples/catalogue.py DATA_DIR/cifar10_linac/seed_42/2.0.0 OUTPUT

The program writes three files to the folder OUTPUT: the page
`cifar10_linac.md`, a figure made by `tfds.show_examples`, and a table made by
`tfds.as_dataframe`. It needs matplotlib and pandas.
"""

import pathlib
import sys

import matplotlib as mpl
import tensorflow_datasets as tfds
from tensorflow_datasets.scripts.documentation import (
  dataset_markdown_builder,
  doc_utils,
)

from linac_tfds import quiet_tensorflow  # noqa: F401

_NUM_EXAMPLES = 9


def main(dataset_dir: str, output: str) -> None:
  mpl.use('agg')  # This backend draws to files and opens no windows.
  builder = tfds.builder_from_directory(dataset_dir)
  examples = builder.as_dataset(split=next(iter(builder.info.splits)))
  examples = examples.take(_NUM_EXAMPLES)
  folder = pathlib.Path(output)
  folder.mkdir(parents=True, exist_ok=True)
  # TFDS looks for the figure and the table under this name.
  name = builder.info.full_name.replace('/', '-')
  figure = tfds.show_examples(examples, builder.info)
  figure.savefig(folder / f'{name}.png', dpi=50, bbox_inches='tight')
  table = tfds.as_dataframe(examples, builder.info)
  (folder / f'{name}.html').write_text(
    table.current_style.to_html(), encoding='utf-8'
  )
  # The page would link to Papers With Code, but TFDS's package lacks the links.
  doc_utils.get_pwc_catalog_urls = dict
  page = dataset_markdown_builder.get_markdown_string(
    builder=builder,
    config_builders=[builder],
    namespace=None,
    visu_doc_util=doc_utils.VisualizationDocUtil(output, ''),
    df_doc_util=doc_utils.DataframeDocUtil(output, ''),
    nightly_doc_util=None,
  )
  (folder / f'{builder.name}.md').write_text(page, encoding='utf-8')


if __name__ == '__main__':
  main(*sys.argv[1:])
