"""A dataset that is built in a second, and the object that builds it."""

import dataclasses
import pathlib

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import PipelineResult

from linac_tfds import Cifar10Linac, LinacBuilderConfig
from pipelines.dataset.state import Depth, Kind, dataset_state
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.saved_plan import save_plan
from pipelines.plan.settings import Settings
from pipelines.preparation.make_plan import make_plan
from pipelines.runners.pipeline import build_datasets

TINY = {
  'source': 'sample',
  'seed': 3,
  'num_layers': 2,
  'width': 8,
  'num_features': 2,
  'representation_layer': 1,
  'num_epochs': 1,
  'batch_size': 128,
  'precision': 'float64',
}


@dataclasses.dataclass
class Lab:
  """Plans and builds tiny datasets in one folder."""

  data_dir: pathlib.Path

  def plan(
    self,
    settings: Settings | None = None,
    **fields,
  ) -> DatasetPlan:
    """Plans a tiny dataset; `fields` change its transform or source."""
    builder = Cifar10Linac(
      config=LinacBuilderConfig(**TINY | fields),
      data_dir=self.data_dir,
    )
    return make_plan(builder, settings or Settings())

  def run(self, *plans: DatasetPlan) -> PipelineResult:
    """Runs the pipeline in this process."""
    for plan in plans:
      save_plan(plan)
    with beam.Pipeline(runner=FnApiRunner()) as root:
      build_datasets(root, [str(plan.staging) for plan in plans])
    return root.result


def with_settings(plan: DatasetPlan, **settings) -> DatasetPlan:
  """Copies a plan with some settings changed."""
  settings = dataclasses.replace(plan.settings, **settings)
  return dataclasses.replace(plan, settings=settings)


def is_published(plan: DatasetPlan, depth: Depth = Depth.CONTENTS) -> bool:
  """Whether the plan's dataset is published and sound."""
  return dataset_state(plan, depth).kind is Kind.PUBLISHED


@pytest.fixture
def lab(sample_dir) -> Lab:
  """A folder for tiny datasets, in which the sample is prepared."""
  return Lab(sample_dir)
