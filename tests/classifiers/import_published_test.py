"""The command that imports the published format keeps the original logits."""

import numpy as np
import pytest

from classifiers import import_published, load_model
from tests.classifiers.conftest import CommandError
from tests.conftest import REPOSITORY

GOLDEN = REPOSITORY / 'tests' / 'golden'


def test_logits_of_an_imported_network_are_the_original_ones(
  run_command, tmp_path
):
  out = tmp_path / 'model.safetensors'
  line = run_command(import_published.main, GOLDEN / 'wrn10_1_haiku.npy', out)
  assert (line['depth'], line['width'], line['in_channels']) == (10, 1, 256)
  with np.load(GOLDEN / 'wrn10_1_logits.npz') as golden:
    inputs = np.random.default_rng(int(golden['input_seed']))
    inputs = np.maximum(inputs.normal(size=(4, 32, 32, 256)), 0)
    np.testing.assert_allclose(
      load_model(out).logits(inputs.astype(np.float32)),
      golden['logits'],
      atol=1e-4,
    )


def test_the_config_name_is_checked_before_work_starts(run_command, tmp_path):
  with pytest.raises(CommandError, match='config'):
    run_command(
      import_published.main,
      'none.npy',
      tmp_path / 'out',
      '--config_name=sed_1',
    )
