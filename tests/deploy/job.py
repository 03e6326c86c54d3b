"""Runs a job from its staged graph alone.

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
    # All steps run in this process instead of containers.
    environment.urn, environment.payload = python_urns.EMBEDDED_PYTHON, b''
  FnApiRunner().run_via_runner_api(pipeline, PipelineOptions([]))
  # A normal exit would wait for Beam's threads.
  os._exit(0)


if __name__ == '__main__':
  main(sys.argv[1])
