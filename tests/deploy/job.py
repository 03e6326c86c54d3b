"""Runs a job as it was staged, knowing nothing but its graph.

python -m tests.deploy.job gs://BUCKET/FOLDER/pipeline.pb
"""

import os
import sys

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.files import storage


def main(url: str) -> None:
  pipeline = beam_runner_api_pb2.Pipeline.FromString(
    storage.path(url).read_bytes()
  )
  for environment in pipeline.components.environments.values():
    # This process takes the place of all containers.
    environment.urn, environment.payload = python_urns.EMBEDDED_PYTHON, b''
  FnApiRunner().run_via_runner_api(pipeline, PipelineOptions([]))
  # Beam's threads would end in their own time.
  os._exit(0)


if __name__ == '__main__':
  main(sys.argv[1])
