"""Measures the import of a WideResNet-70-16 and a forward pass through it.

  python -m benchmarks.published_classifier

No download is needed: the imported file holds random numbers with the names and
shapes of the published parameters. The benchmark needs 2.2 GB of disk in TMPDIR
and 4 GB of memory.
"""

from __future__ import annotations

import json
import pathlib
import resource
import tempfile
import time

import jax
import numpy as np

from classifiers import load_model, save_model
from classifiers.network.published import convert
from classifiers.network.unpickle import load_params_and_state
from linac_config import LinacConfig, config_names

SHAPES = 'tests/golden/wrn70_16_shapes.json'
IMAGES = 8
REPEATS = 3


def write_random(path: pathlib.Path) -> None:
  """Writes random `[params, state]` in the form of the published file."""
  random = np.random.default_rng(0)
  shapes = json.loads(pathlib.Path(SHAPES).read_text())
  content = np.empty(2, object)
  for i, what in enumerate(('params', 'state')):
    content[i] = {
      module: {
        entry: np.abs(random.standard_normal(shape, np.float32)) / 30
        if shape
        else np.int32(1)
        for entry, shape in entries.items()
      }
      for module, entries in shapes[what].items()
    }
  np.save(path, content, allow_pickle=True)


def main() -> None:
  with tempfile.TemporaryDirectory() as folder:
    file = pathlib.Path(folder, 'random.npy')
    out = pathlib.Path(folder, 'random.safetensors')
    write_random(file)
    start = time.perf_counter()
    name = config_names.config_name('cifar10', LinacConfig())
    save_model(out, convert(*load_params_and_state(file), name))
    import_seconds = time.perf_counter() - start
    model = load_model(out)
  inputs = np.random.default_rng(0).random((IMAGES, 32, 32, 256), np.float32)
  start = time.perf_counter()
  model.logits(inputs).block_until_ready()
  compile_seconds = time.perf_counter() - start
  seconds = []
  for _ in range(REPEATS):
    start = time.perf_counter()
    model.logits(inputs).block_until_ready()
    seconds.append(time.perf_counter() - start)
  print(
    json.dumps(
      {
        'benchmark': 'published_classifier',
        'device': jax.devices()[0].device_kind,
        'depth': model.spec.depth,
        'width': model.spec.width,
        'import_s': round(import_seconds, 1),
        'first_pass_s': round(compile_seconds, 1),
        'pass_s': [round(s, 2) for s in seconds],
        'images_per_pass': IMAGES,
        'peak_memory_gb': round(
          resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1
        ),
      }
    )
  )


if __name__ == '__main__':
  main()
