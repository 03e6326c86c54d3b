"""The runner of a Dask cluster, with Beam's DaskRunner.

`Reshuffle` does nothing in Beam's DaskRunner, so that all outputs of an element
stay on the worker of that element. Therefore the tasks are made here, in the
process that starts the build, and Dask spreads them over its workers.

DaskRunner also runs only the steps that the last step needs, drops what
`finish_bundle` emits, and collects no metrics. Therefore the pipeline is one
line of steps.
"""

from __future__ import annotations

import os

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.runners.beam_runner import BeamRunner
from pipelines.runners.pipeline import Workers, finish_datasets, plan_tasks

# The most partitions of the tasks. Each one costs the scheduler about 50 steps
# when records are grouped by dataset.
_MAX_PARTITIONS = 512


class DaskRunner(BeamRunner):
  """A runner for a Dask cluster, whose workers all see the same folders."""

  ignored = ('accelerator', 'worker_ram')

  def register_options(self) -> None:
    # Beam registers the options of all runners but this one.
    try:
      import apache_beam.runners.dask.dask_runner  # noqa: F401
    except ImportError as error:
      raise ValueError(
        f'runner={self.name} needs Dask ({error}). Install it with '
        "`pip install -e '.[dask]'`."
      ) from error

  def execute(
    self, stagings: list[str], workers: Workers, options: PipelineOptions
  ) -> None:
    """Waits for workers, runs the pipeline and waits for its end.

    Without a scheduler's address, Dask starts a cluster in this process.
    """
    from apache_beam.runners.dask import dask_runner

    tasks = [
      task for staging in stagings for task in plan_tasks(staging, workers)
    ]
    # If Dask starts a cluster here, its processes must not import modules from
    # the user's current folder in place of those of the same name.
    os.environ['PYTHONSAFEPATH'] = '1'
    dask_options = options.view_as(dask_runner.DaskOptions)
    if not (dask_options.npartitions or dask_options.partition_size):
      dask_options.partition_size = -(-len(tasks) // _MAX_PARTITIONS)
    root = beam.Pipeline(runner=dask_runner.DaskRunner(), options=options)
    finish_datasets(root | 'Tasks' >> beam.Create(tasks), workers)
    result = root.run()
    # The runner would keep its connection open.
    with result.client:
      result.wait_until_finish()
