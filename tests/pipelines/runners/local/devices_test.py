import dataclasses
import os

import pytest

from pipelines.runners.local import devices, parent

# As nvidia-smi prints it.
TABLE = """\
0, GPU-5e1f, 9.0, NVIDIA H200
1, GPU-77aa, 9.0, NVIDIA H200
"""


@pytest.mark.parametrize(
  ('visible', 'uuids'),
  [
    (None, ['GPU-5e1f', 'GPU-77aa']),
    ('1,0', ['GPU-77aa', 'GPU-5e1f']),
    ('GPU-77aa', ['GPU-77aa']),
    ('1,7,0', ['GPU-77aa']),
    ('', []),
    ('-1', []),
  ],
)
def test_gpus_are_those_that_cuda_would_show(visible, uuids):
  gpus = list(devices.parse_gpus(TABLE, visible))
  assert [gpu.uuid for gpu in gpus] == uuids
  assert all(
    gpu[1:] == ('NVIDIA H200', (9, 0)) for gpu in map(dataclasses.astuple, gpus)
  )


def test_a_worker_takes_the_gpu_of_its_number(monkeypatch):
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
  monkeypatch.setenv(parent.GPUS, 'GPU-5e1f,GPU-77aa')
  cores = os.sched_getaffinity(0)
  devices.take_device(1)
  assert os.environ['CUDA_VISIBLE_DEVICES'] == 'GPU-77aa'
  assert os.sched_getaffinity(0) == cores
