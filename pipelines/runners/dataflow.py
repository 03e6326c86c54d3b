"""The runner of Google's Dataflow, whose workers see only buckets."""

from __future__ import annotations

from apache_beam.options.pipeline_options import GoogleCloudOptions

from pipelines.errors import BuildError
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.settings import Settings
from pipelines.runners.beam_runner import BeamRunner


class DataflowRunner(BeamRunner):
  """A runner that submits the pipeline to Dataflow."""

  def check(self, settings: Settings) -> None:
    super().check(settings)
    cloud = self.options().view_as(GoogleCloudOptions)
    for option in cloud.dataflow_service_options or ():
      if option.startswith('worker_accelerator'):
        raise ValueError(
          f'dataflow_service_options={option} gives accelerators to all '
          'workers, also to those that fit nothing; pass --accelerator instead.'
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
          f'{name}={folder} is on this machine, which the workers of Dataflow '
          'cannot read; copy it to a bucket and pass its gs:// path.'
        )
