"""Builds on a Beam runner other than this machine's own, such as Dataflow."""

from __future__ import annotations

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
from pipelines.planning.make_plan import Settings
from pipelines.runners.pipeline import Workers, build_datasets
from pipelines.runners.runner import is_dask


def run(
  stagings: list[str],
  settings: Settings,
  runner,
  options: PipelineOptions | None = None,
) -> bool:
  """Builds the datasets whose plans are saved in the staging folders.

  Args:
    stagings: the folders.
    settings: of the build.
    runner: a Beam runner, by name or as an object.
    options: of the runner; what they leave open is set in them.

  Returns:
    Whether the build has ended; it may also be handed over, or not begun, as
    the options say: `--no_wait_until_finish`, `--template_location`,
    `--dry_run`.

  Raises:
    BuildError: if the pipeline failed.
  """
  options = options or PipelineOptions([])
  complete(options, settings)
  waits = not options.view_as(StandardOptions).no_wait_until_finish
  workers = Workers(
    accelerated=settings.accelerator is not None,
    accelerator=settings.accelerator,
    ram=settings.worker_ram,
    compilation_cache=settings.compilation_cache,
  )
  try:
    if is_dask(runner):
      from pipelines.runners import dask_cluster

      dask_cluster.run(stagings, workers, options)
    else:
      with beam.Pipeline(runner=runner, options=options) as root:
        build_datasets(root, stagings, workers)
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
  if options.view_as(TestOptions).dry_run:
    print('A dry run: no job was submitted.')
  elif not waits:
    print(
      f'The job is handed over. `{invocation.command("status")}` counts a '
      "dataset's finished shards, but calls a build stopped that nobody waits "
      'for.'
    )
  else:
    return True
  return False


def check(options: PipelineOptions) -> None:
  """Refuses options that contradict `--accelerator`.

  Raises:
    ValueError: naming the option.
  """
  cloud = options.view_as(GoogleCloudOptions)
  for option in cloud.dataflow_service_options or ():
    if option.startswith('worker_accelerator'):
      raise ValueError(
        f'dataflow_service_options={option} gives accelerators to workers that '
        'only plan, too; pass --accelerator in its place.'
      )


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
