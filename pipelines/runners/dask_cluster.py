"""A Dask cluster, with Beam's DaskRunner.

What is made of one element stays in one bundle there, on one worker, because
the runner's `Reshuffle` does nothing. So the tasks are cut here, a partition
each. The runner also runs only what the last step needs, drops what
`finish_bundle` emits, and collects no metrics; therefore the pipeline is one
line of steps.
"""

from __future__ import annotations

import os

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.runners.beam_runner import BeamRunner
from pipelines.runners.pipeline import Workers, finish_datasets, plan_tasks

# Grouping records by dataset costs the scheduler about 50 steps for each.
_MAX_PARTITIONS = 512


class DaskRunner(BeamRunner):
  """Runs the pipeline on a Dask cluster, whose workers all see the folders."""

  ignored = ('accelerator', 'worker_ram')

  def register_options(self) -> None:
    # Beam registers the options of all runners but this one.
    try:
      import apache_beam.runners.dask.dask_runner  # noqa: F401
    except ImportError as error:
      raise ValueError(
        f"runner={self.name} needs Dask ({error}): pip install -e '.[dask]'."
      ) from error

  def execute(
    self, stagings: list[str], workers: Workers, options: PipelineOptions
  ) -> None:
    """Runs the pipeline; waits for workers, if there are none yet.

    Without a scheduler's address, Dask starts a cluster in this process.
    """
    from apache_beam.runners.dask import dask_runner

    tasks = [
      task
      for staging in stagings
      for task in plan_tasks(staging, workers.accelerated)
    ]
    # A cluster that Dask starts here is to import none of the user's modules.
    os.environ['PYTHONSAFEPATH'] = '1'
    dask_options = options.view_as(dask_runner.DaskOptions)
    if not (dask_options.npartitions or dask_options.partition_size):
      dask_options.partition_size = -(-len(tasks) // _MAX_PARTITIONS)
    root = beam.Pipeline(runner=dask_runner.DaskRunner(), options=options)
    finish_datasets(root | 'Tasks' >> beam.Create(tasks), workers)
    result = root.run()
    with result.client:  # Closes the connection, which the runner would keep.
      result.wait_until_finish()
