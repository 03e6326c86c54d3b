"""The runner for all Beam runners whose workers are on other machines.

Beam's own code runs the pipeline. Dask and Dataflow need more than that, and
have subclasses in modules of their own.
"""

from __future__ import annotations

import os
from collections import Counter

import apache_beam as beam
from apache_beam.options.pipeline_options import (
  DebugOptions,
  GoogleCloudOptions,
  PipelineOptions,
  SetupOptions,
  StandardOptions,
  TestOptions,
  WorkerOptions,
)

from linac_config import invocation, processes
from pipelines.errors import BuildError, reason_of
from pipelines.plan import private_key
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.settings import Settings
from pipelines.runners import worker_hints
from pipelines.runners.pipeline import Workers, build_datasets
from pipelines.runners.progress import Progress
from pipelines.runners.runner import Runner


class BeamRunner(Runner):
  """A runner that hands the pipeline to Beam's runner of its name."""

  def options(self) -> PipelineOptions:
    """Beam's options, as the user wrote them."""
    return PipelineOptions(list(self.flags), runner=self.name)

  def check(self, settings: Settings) -> None:
    super().check(settings)
    worker_hints.check_hints(settings.accelerator, settings.worker_ram)

  def check_plan(self, plan: DatasetPlan) -> None:
    if plan.private_key and plan.private_key.file is None:
      raise BuildError(
        f'Workers on other machines do not see {private_key.ENVIRONMENT}; pass '
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
      options: The options of the runner; those that the user left open are set
        in it.

    Returns:
      Whether the build has ended. With `--no_wait_until_finish` or
      `--template_location` it is handed over and may still run; with
      `--dry_run` it does not begin.

    Raises:
      BuildError: if the pipeline failed.
    """
    complete(options, settings)
    # The service that takes the job may be on this machine.
    os.environ.update(processes.past_proxies())
    number = options.view_as(WorkerOptions)
    workers = Workers(
      accelerated=settings.accelerator is not None,
      number=number.max_num_workers or number.num_workers,
      accelerator=settings.accelerator,
      ram=settings.worker_ram,
      compilation_cache=settings.compilation_cache,
    )
    try:
      self.execute(stagings, workers, options)
    except KeyboardInterrupt:
      raise KeyboardInterrupt(
        'Stopped waiting. A job that runs on other machines goes on, and costs '
        'money, until it is done or you cancel it (on Dataflow: `gcloud '
        'dataflow jobs cancel`).'
      ) from None
    except Exception as error:
      raise BuildError(
        f'The build failed: {reason_of(error)}\nFinished shards are kept: run '
        'the same command again to continue.'
      ) from error
    return _has_ended(options)

  def execute(
    self, stagings: list[str], workers: Workers, options: PipelineOptions
  ) -> None:
    """Runs the pipeline, and waits for its end unless the options say not to.

    Args:
      stagings: The staging folders of the datasets.
      workers: The workers that fit.
      options: The options of the runner.
    """
    with beam.Pipeline(options=options) as root:
      build_datasets(root, stagings, workers)


def _has_ended(options: PipelineOptions) -> bool:
  """Whether the build has ended; if not, prints what became of it."""
  if options.view_as(TestOptions).dry_run:
    print('A dry run: no job was submitted.')
  elif options.view_as(StandardOptions).no_wait_until_finish:
    print(
      f'The job is handed over to the runner. `{invocation.command("status")}` '
      "counts a dataset's finished shards. It says that the build is stopped, "
      'since no process here waits for it.'
    )
  else:
    return True
  return False


def complete(options: PipelineOptions, settings: Settings) -> None:
  """Sets those options that the fit needs and the user left open.

  Args:
    options: The options of the runner, which are changed.
    settings: The settings of the build.
  """
  setup = options.view_as(SetupOptions)
  if setup.save_main_session is None:
    # Workers import the modules of all steps, so no objects need to be sent.
    setup.save_main_session = False
  debug = options.view_as(DebugOptions)
  if debug.number_of_worker_harness_threads is None:
    # A fit uses the whole device of its process; a second one would only wait.
    debug.number_of_worker_harness_threads = 1
  # The workers have the packages of their container; a list of this machine's
  # packages would only tell others about it.
  debug.add_experiment('disable_logging_submission_environment')
  if settings.accelerator:
    # Otherwise there is a process per core, and each takes the whole GPU's
    # memory.
    debug.add_experiment('no_use_multiple_sdk_containers')
  if options.view_as(GoogleCloudOptions).template_location:
    # A template is saved and not run, so there is no job to wait for.
    options.view_as(StandardOptions).no_wait_until_finish = True
