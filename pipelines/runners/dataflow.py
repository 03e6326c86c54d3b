"""Google's Dataflow, whose workers see buckets alone."""

from __future__ import annotations

from apache_beam.options.pipeline_options import GoogleCloudOptions

from pipelines.errors import BuildError
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.settings import Settings
from pipelines.runners.beam_runner import BeamRunner


class DataflowRunner(BeamRunner):
  """Submits the pipeline to Dataflow."""

  def check(self, settings: Settings) -> None:
    super().check(settings)
    cloud = self.options().view_as(GoogleCloudOptions)
    for option in cloud.dataflow_service_options or ():
      if option.startswith('worker_accelerator'):
        raise ValueError(
          f'dataflow_service_options={option} gives accelerators to workers '
          'that only plan, too; pass --accelerator in its place.'
        )

  def check_plan(self, plan: DatasetPlan) -> None:
    super().check_plan(plan)
    for name, folder in {
      'data_dir': plan.data_dir,
      'source_data_dir': plan.source.data_dir,
      'private_key_file': plan.private_key and plan.private_key.file,
    }.items():
      if folder and '://' not in folder:
        raise BuildError(
          f'{name}={folder} is on this machine, where workers of Dataflow find '
          'nothing; copy it to a bucket and pass a path of gs://.'
        )
