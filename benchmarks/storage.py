"""Measures the writing and reading of examples by storage dtype and format.

  python -m benchmarks.storage

The benchmark runs as one process on one core. The column `cores` is the number
of cores that would write 1,000 examples/s. The examples are fitted from the
sample, so they have a realistic share of zeros, which ArrayRecord compresses.
"""

import dataclasses
import json
import os
import tempfile
import time

import tensorflow_datasets as tfds

from linac_tfds import Cifar10Linac
from pipelines.dataset import publish
from pipelines.plan.saved_plan import save_plan
from pipelines.plan.settings import Settings
from pipelines.preparation.make_plan import make_plan
from pipelines.worker.fit_examples import fit_examples
from pipelines.worker.read_source import read_source
from pipelines.worker.write_shard import write_shard

EXAMPLES = 512
FITTED = 16


def measure(data_dir: str, dtype: str, file_format: str) -> dict:
  """Measures one row: writes a dataset and reads it back."""
  builder = Cifar10Linac(
    config='sample_seed_7', data_dir=data_dir, file_format=file_format
  )
  plan = make_plan(
    builder,
    Settings(
      splits=('train',),
      max_examples_per_split=6 * FITTED,
      examples_per_shard=FITTED,
      storage_dtype=dtype,
      file_format=file_format,
      overwrite=True,
    ),
  )
  save_plan(plan)
  examples = list(fit_examples(plan, read_source(plan, 'train', 0, FITTED)))
  shards = plan.shards()
  count = EXAMPLES // FITTED
  # Every file is a new one, because replacing a file would take several times
  # as long.
  many = [
    dataclasses.replace(shards[0], index=i, count=999) for i in range(count)
  ]
  start = time.perf_counter()
  for shard in many:
    write_shard(plan, shard, iter(examples))
  written = EXAMPLES / (time.perf_counter() - start)
  size = (plan.staging / many[0].file_name(file_format)).stat().st_size
  for shard in many:
    (plan.staging / shard.file_name(file_format)).unlink()
  manifests = {s: write_shard(plan, s, iter(examples)) for s in shards}
  publish.publish(
    str(plan.staging), {s: m.sha256 for s, m in manifests.items()}
  )
  return {
    'storage_dtype': dtype,
    'file_format': file_format,
    'kib_per_example': round(size / FITTED / 1024),
    'gb_per_60000': round(size / FITTED * 60_000 / 1e9, 1),
    'written_per_s': round(written),
    'cores_for_1000_per_s': round(1000 / written, 1),
    'read_per_s': round(read_rate(plan)),
  }


def read_rate(plan) -> float:
  """Returns the examples per second of reading a dataset several times."""
  arguments = {
    'name': f'cifar10_linac/{plan.config_name}',
    'split': 'train',
    'data_dir': plan.data_dir,
  }
  if plan.settings.file_format == 'array_record':
    source = tfds.data_source(**arguments)
  else:
    # By default, TFDS would keep such a small dataset in memory.
    config = tfds.ReadConfig(try_autocache=False)
    source = tfds.as_numpy(tfds.load(**arguments, read_config=config))
  for _ in source:  # The first pass opens files and fills caches.
    pass
  start, count = time.perf_counter(), 0
  while time.perf_counter() - start < 2:
    count += sum(1 for _ in source)
  return count / (time.perf_counter() - start)


def main() -> None:
  os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
  rows = []
  for dtype in ('float16', 'float32'):
    for file_format in ('tfrecord', 'array_record'):
      with tempfile.TemporaryDirectory() as data_dir:
        rows.append(measure(data_dir, dtype, file_format))
  print('dtype    format        KiB/ex.  GB/60,000  written/s  cores  read/s')
  for r in rows:
    print(
      f'{r["storage_dtype"]:9}{r["file_format"]:14}{r["kib_per_example"]:7}'
      f'{r["gb_per_60000"]:11}{r["written_per_s"]:11}'
      f'{r["cores_for_1000_per_s"]:7}{r["read_per_s"]:8}'
    )
  print(json.dumps({'benchmark': 'storage', 'rows': rows}))


if __name__ == '__main__':
  main()
