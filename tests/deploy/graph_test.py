"""Tests of the job for Dataflow, which Beam makes here without a network."""

import apache_beam as beam
import pytest
from apache_beam.options import pipeline_options
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner

from pipelines.plan.settings import Settings
from pipelines.runners import dataflow
from pipelines.runners.find_runner import find_runner
from pipelines.runners.pipeline import build_datasets

IMAGE = 'europe-docker.pkg.dev/project/linac/linac:1'
OPTIONS = [
  '--project=project',
  '--region=europe-west4',
  '--temp_location=gs://bucket/tmp',
  f'--sdk_container_image={IMAGE}',
  '--dry_run=True',
]
L4 = 'type:nvidia-l4;count:1;install-nvidia-driver'
STAGINGS = [
  f'gs://bucket/data/cifar10_linac/seed_{seed}/staging.1.1.0.0123456789abcdef'
  for seed in range(100)
]
GROUP = common_urns.primitives.GROUP_BY_KEY.urn


class GraphKeeper(dataflow.DataflowRunner):
  """Runs the pipeline on a runner of Beam's that keeps the graph."""

  def execute(self, stagings, workers, options):
    self.beam_runner = DataflowRunner()
    with beam.Pipeline(runner=self.beam_runner, options=options) as root:
      build_datasets(root, stagings, workers)


def dry_run(settings=None, options=(), stagings=STAGINGS):
  """Returns the pipeline and the options of a job without submitting it."""
  runner = GraphKeeper('DataflowRunner', (*OPTIONS, *options))
  options = runner.options()
  assert not runner.run_pipeline(stagings, settings or Settings(), options)
  return runner.beam_runner.proto_pipeline, options


def steps(pipeline):
  """Returns the steps of a pipeline by name."""
  return {
    step.unique_name: step for step in pipeline.components.transforms.values()
  }


def environments(pipeline):
  """Returns the environment of each step that has one, by the step's name."""
  return {
    name: pipeline.components.environments[step.environment_id]
    for name, step in steps(pipeline).items()
    if step.environment_id
  }


def test_only_the_fit_asks_for_an_accelerator_and_memory():
  pipeline, _ = dry_run(Settings(accelerator=L4, worker_ram='16GB'))
  hints = {
    name: dict(environment.resource_hints)
    for name, environment in environments(pipeline).items()
  }
  assert {'PlanTasks', 'FitAndWrite', 'Finalise'} <= hints.keys()
  assert {name: asked for name, asked in hints.items() if asked} == {
    'FitAndWrite': {
      'beam:resources:accelerator:v1': L4.encode(),
      'beam:resources:min_ram_bytes:v1': b'16000000000',
    }
  }


def test_without_the_options_nothing_is_asked_for():
  pipeline, options = dry_run()
  assert not any(e.resource_hints for e in environments(pipeline).values())
  debug = options.view_as(pipeline_options.DebugOptions)
  assert not debug.lookup_experiment('no_use_multiple_sdk_containers')


def test_the_fit_is_not_fused_with_what_plans_and_finalises():
  pipeline, _ = dry_run(Settings(accelerator=L4))
  by_name = steps(pipeline)
  (output,) = by_name['FitAndWrite'].outputs.values()
  readers = [s for s in by_name.values() if output in s.inputs.values()]
  assert [step.spec.urn for step in readers] == [GROUP]
  # Go up from the fit to the step that stores data and distributes them again.
  (needed,) = by_name['FitAndWrite'].inputs.values()
  passed = []
  while True:
    (maker,) = (
      step
      for step in by_name.values()
      if needed in step.outputs.values() and not step.subtransforms
    )
    if maker.spec.urn == GROUP:
      break
    passed.append(maker.unique_name)
    (needed,) = maker.inputs.values()
  assert all(name.startswith('Redistribute/') for name in passed)


def test_one_process_for_one_accelerator():
  _, options = dry_run(Settings(accelerator=L4))
  debug = options.view_as(pipeline_options.DebugOptions)
  assert debug.lookup_experiment('no_use_multiple_sdk_containers')
  assert debug.number_of_worker_harness_threads == 1


def test_options_that_are_given_stay():
  _, options = dry_run(options=['--number_of_worker_harness_threads=3'])
  debug = options.view_as(pipeline_options.DebugOptions)
  assert debug.number_of_worker_harness_threads == 3


def test_the_container_is_all_that_workers_install():
  pipeline, _ = dry_run(Settings(accelerator=L4))
  for environment in environments(pipeline).values():
    payload = beam_runner_api_pb2.DockerPayload.FromString(environment.payload)
    assert payload.container_image == IMAGE
    # There are no packages and no pickled main session.
    assert not environment.dependencies


def test_a_seed_adds_its_folder_to_the_graph_and_no_more():
  small, _ = dry_run(stagings=STAGINGS[:2])
  large, _ = dry_run(stagings=STAGINGS)
  added = large.ByteSize() - small.ByteSize()
  assert 0 < added < 98 * 2 * len(STAGINGS[-1])
  assert steps(small).keys() == steps(large).keys()


def test_accelerators_for_every_worker_are_refused():
  flag = f'--dataflow_service_options=worker_accelerator={L4}'
  with pytest.raises(ValueError, match='pass --accelerator'):
    find_runner('DataflowRunner', (*OPTIONS, flag)).check(Settings())
