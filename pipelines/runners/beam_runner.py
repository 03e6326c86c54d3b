"""Any Beam runner whose workers are elsewhere; Beam's own code runs it.

Dask and Dataflow have needs of their own, and a subclass each.
"""

from __future__ import annotations

from collections import Counter

import apache_beam as beam
from apache_beam.options.pipeline_options import (
  DebugOptions,
  GoogleCloudOptions,
  PipelineOptions,
  SetupOptions,
  StandardOptions,
  TestOptions,
)

from linac_config import invocation
from pipelines.errors import BuildError, reason_of
from pipelines.plan import private_key
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.settings import Settings
from pipelines.runners import worker_hints
from pipelines.runners.pipeline import Workers, build_datasets
from pipelines.runners.progress import Progress
from pipelines.runners.runner import Runner


class BeamRunner(Runner):
  """Hands the pipeline to a Beam runner."""

  def options(self) -> PipelineOptions:
    """Beam's options, as the user gave them."""
    return PipelineOptions(list(self.flags), runner=self.name)

  def check(self, settings: Settings) -> None:
    super().check(settings)
    worker_hints.check_hints(settings.accelerator, settings.worker_ram)

  def check_plan(self, plan: DatasetPlan) -> None:
    if plan.private_key and plan.private_key.file is None:
      raise BuildError(
        f'Workers elsewhere have no {private_key.ENVIRONMENT}; pass '
        '--private_key_file.'
      )

  def run(
    self, plans: list[DatasetPlan], settings: Settings, progress: Progress
  ) -> Counter[str] | None:
    stagings = [str(plan.staging) for plan in plans]
    with progress.followed():
      ended = self.run_pipeline(stagings, settings, self.options())
    return Counter() if ended else None

  def run_pipeline(
    self, stagings: list[str], settings: Settings, options: PipelineOptions
  ) -> bool:
    """Builds the datasets whose plans are saved in the staging folders.

    Args:
      stagings: The staging folders.
      settings: The settings of the build.
      options: The options of the runner; what they leave open is set in them.

    Returns:
      Whether the build has ended. With `--no_wait_until_finish`,
      `--template_location` or `--dry_run` it is handed over, or not begun.

    Raises:
      BuildError: if the pipeline failed.
    """
    complete(options, settings)
    workers = Workers(
      accelerated=settings.accelerator is not None,
      accelerator=settings.accelerator,
      ram=settings.worker_ram,
      compilation_cache=settings.compilation_cache,
    )
    try:
      self.execute(stagings, workers, options)
    except KeyboardInterrupt:
      raise KeyboardInterrupt(
        'Stopped waiting. A job that is at work elsewhere goes on, and costs, '
        'until it is done or cancelled (`gcloud dataflow jobs cancel`).'
      ) from None
    except Exception as error:
      raise BuildError(
        f'The build failed: {reason_of(error)}\nFinished shards are kept: run '
        'the same command again to go on.'
      ) from error
    return _has_ended(options)

  def execute(
    self, stagings: list[str], workers: Workers, options: PipelineOptions
  ) -> None:
    """Runs the pipeline, and waits for it unless the options say otherwise."""
    with beam.Pipeline(options=options) as root:
      build_datasets(root, stagings, workers)


def _has_ended(options: PipelineOptions) -> bool:
  if options.view_as(TestOptions).dry_run:
    print('A dry run: no job was submitted.')
  elif options.view_as(StandardOptions).no_wait_until_finish:
    print(
      f'The job is handed over. `{invocation.command("status")}` counts a '
      "dataset's finished shards, but calls a build stopped that nobody waits "
      'for.'
    )
  else:
    return True
  return False


def complete(options: PipelineOptions, settings: Settings) -> None:
  """Sets what the options leave open and the fit needs."""
  setup = options.view_as(SetupOptions)
  if setup.save_main_session is None:
    # All steps are in modules, which workers import.
    setup.save_main_session = False
  debug = options.view_as(DebugOptions)
  if debug.number_of_worker_harness_threads is None:
    # A fit uses all of its process's device.
    debug.number_of_worker_harness_threads = 1
  if settings.accelerator:
    # Else there is a process per core, and each wants all of the GPU.
    debug.add_experiment('no_use_multiple_sdk_containers')
  if options.view_as(GoogleCloudOptions).template_location:
    # There is no job yet to wait for.
    options.view_as(StandardOptions).no_wait_until_finish = True
