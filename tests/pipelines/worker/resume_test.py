"""A worker continues what others began, on other devices and with one key."""

import dataclasses

import numpy as np
import pytest

from linac_tfds import Cifar10Linac, LinacBuilderConfig
from pipelines.command_line import after_build
from pipelines.dataset.manifest import (
  manifest_path,
  read_manifest,
  write_manifest,
)
from pipelines.dataset.metadata import read_metadata
from pipelines.plan.saved_plan import save_plan
from pipelines.plan.settings import Settings
from pipelines.preparation.make_plan import make_plan
from pipelines.worker.fit_examples import fit_examples
from pipelines.worker.read_source import read_source
from pipelines.worker.resume import why_not_resume
from pipelines.worker.task import finish_shards
from pipelines.worker.write_shard import write_shard
from tests.pipelines.conftest import TINY

FEW = Settings(max_examples_per_split=4, examples_per_shard=2)


@pytest.mark.parametrize('arithmetic', ['canonical', 'xla'])
def test_other_devices_and_libraries_are_only_recorded(lab, capsys, arithmetic):
  plan = lab.plan(FEW, precision='float32', arithmetic=arithmetic)
  save_plan(plan)
  first = plan.shards()[0]
  list(finish_shards((first,)))
  manifest = read_manifest(plan, first)
  manifest_path(plan, first).unlink()
  versions = manifest.versions | {'jaxlib': '0.1'}
  write_manifest(
    plan,
    first,
    dataclasses.replace(manifest, device='gpu:X', versions=versions),
  )
  lab.run(plan)
  after_build.print_summary(plan)
  assert 'gpu:X' not in capsys.readouterr().out
  metadata = read_metadata(plan.directory)
  assert metadata.devices == ['cpu', 'gpu:X']
  assert metadata.library_versions['jaxlib'][0] == '0.1'


def nudge(representation):
  """Changes the last bit of one number."""
  nudged = np.array(representation)
  nudged[0, 0, 0] = np.nextafter(nudged[0, 0, 0], np.float16(np.inf))
  return nudged


def scale(factor):
  return lambda representation: representation * np.float16(factor)


@pytest.mark.parametrize(
  ('arithmetic', 'precision', 'layer', 'alter', 'resumes'),
  [
    ('canonical', 'float32', 1, nudge, False),
    ('canonical', 'float64', 1, nudge, False),
    ('xla', 'float64', 1, nudge, True),
    ('xla', 'float64', 1, scale(1.01), False),
    ('xla', 'float32', 1, scale(1.01), True),
    ('xla', 'float32', 1, scale(1.5), False),
    # The last layer is the reconstruction, which is similar for all keys.
    ('xla', 'float32', 2, nudge, False),
  ],
)
def test_how_far_a_fit_may_be_from_that_of_the_same_key(
  lab, tmp_path, arithmetic, precision, layer, alter, resumes
):
  key_file = tmp_path / 'key'
  key_file.write_text('12345')
  fields = {name: value for name, value in TINY.items() if name != 'seed'}
  fields |= {'arithmetic': arithmetic, 'precision': precision}
  config = LinacBuilderConfig(
    private_name='mine', **fields | {'representation_layer': layer}
  )
  plan = make_plan(
    Cifar10Linac(config=config, data_dir=lab.data_dir),
    dataclasses.replace(FEW, private_key_file=str(key_file)),
  )
  save_plan(plan)
  shard = plan.shards()[0]
  source = read_source(plan, shard.split, shard.start, shard.stop)
  examples = list(fit_examples(plan, source))
  examples[0]['representation'] = alter(examples[0]['representation'])
  write_shard(plan, shard, iter(examples))
  reason = why_not_resume(plan)
  assert ('private key is not the one' in reason) != resumes
