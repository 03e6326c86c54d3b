"""A trial fits so many images that its time is that of a build."""

import pytest

from pipelines.runners.local import devices, trial

GPU = devices.Gpu('GPU-5e1f', 'Tesla T4', (7, 5))


@pytest.mark.parametrize(('gpus', 'count'), [((), 2), ((GPU,), 512)])
def test_a_gpu_fits_about_a_batch(monkeypatch, gpus, count):
  monkeypatch.setattr(devices, 'gpus', lambda: gpus)
  assert trial.num_images() == count
