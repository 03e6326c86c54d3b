"""Builds on a Dask cluster, with Beam's DaskRunner.

What is made of one element stays in one bundle there, on one worker, as the
runner's `Reshuffle` does nothing. So the tasks are cut here, a partition each.
It also runs nothing but what the last step needs, drops what `finish_bundle`
emits, and collects no metrics; the flow is one line, without bundles.
"""

from __future__ import annotations

import os

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.dask.dask_runner import DaskOptions, DaskRunner

from pipelines.runners.pipeline import Workers, finish_datasets, plan_tasks

# Grouping records by dataset costs the scheduler about 50 steps for each.
_MAX_PARTITIONS = 512


def run(
  stagings: list[str], workers: Workers, options: PipelineOptions
) -> None:
  """Builds the datasets whose plans are saved in the staging folders.

  Waits for workers, if there are none yet.

  Args:
    stagings: the folders, which the workers must see under the same names.
    workers: that fit.
    options: with the scheduler's address; without one, Dask starts a cluster in
      this process.
  """
  tasks = [
    task
    for staging in stagings
    for task in plan_tasks(staging, workers.accelerated)
  ]
  # A cluster that Dask starts here is to import none of the user's modules.
  os.environ['PYTHONSAFEPATH'] = '1'
  dask_options = options.view_as(DaskOptions)
  if not (dask_options.npartitions or dask_options.partition_size):
    dask_options.partition_size = -(-len(tasks) // _MAX_PARTITIONS)
  root = beam.Pipeline(runner=DaskRunner(), options=options)
  finish_datasets(root | 'Tasks' >> beam.Create(tasks), workers)
  result = root.run()
  with result.client:  # Closes the connection, which the runner would keep.
    result.wait_until_finish()
