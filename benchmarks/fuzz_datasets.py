"""A built dataset and its source, whose files `benchmarks.fuzz` mutates."""

import contextlib
import io
import json
import pathlib
import platform

from linac_config import KeylessConfig
from linac_tfds import Sample
from pipelines import status, verify
from pipelines.command_line.command import Command
from pipelines.dataset.read_published import open_published
from pipelines.errors import BuildError
from pipelines.files.build_process import BUILD_PROCESS_FILE
from pipelines.files.lock import describe_build
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.saved_plan import MANIFESTS, save_plan
from pipelines.plan.settings import Settings
from pipelines.preparation.make_plan import make_plan
from pipelines.reporting.contents import read_contents
from pipelines.runners.pipeline import finalise
from pipelines.worker.task import finish_shards

_TINY = KeylessConfig(
  num_layers=2,
  width=8,
  num_features=2,
  representation_layer=1,
  num_epochs=1,
  batch_size=128,
)
_SETTINGS = Settings(max_examples_per_split=4)


class Dataset:
  """A published dataset of eight images, to run whole commands on.

  Attributes:
    paths: The path of each file to mutate, by its name.
  """

  def __init__(self, data_dir: str):
    self._data_dir = data_dir
    Sample(data_dir=data_dir).download_and_prepare()
    plan = self._plan(3)
    save_plan(plan)
    records = [r for shard in plan.shards() for r in finish_shards((shard,))]
    finalise(str(plan.staging), records)
    self._directory = plan.directory
    source = pathlib.Path(plan.source.directory)
    process = {'pid': 1, 'host': platform.node(), 'since': 'today'}
    building = plan.directory.parent / BUILD_PROCESS_FILE
    building.write_text(json.dumps(process))
    manifest = f'{plan.file_name(plan.shards()[1])}.json'
    self.paths = {
      'manifest': plan.directory / MANIFESTS / manifest,
      'metadata': plan.directory / 'metadata.json',
      'info': plan.directory / 'dataset_info.json',
      'features': plan.directory / 'features.json',
      'source info': source / 'dataset_info.json',
      'source features': source / 'features.json',
      'building': building,
    }
    for name, path in self.paths.items():
      assert self.check(name, path.read_bytes()), name

  def _plan(self, seed: int) -> DatasetPlan:
    command = Command(
      data_dir=self._data_dir,
      source='sample',
      source_data_dir=self._data_dir,
      seeds=(seed,),
      transform=_TINY,
      settings=_SETTINGS,
    )
    (config,) = command.configs
    return make_plan(command.builder(config), command.settings)

  def check(self, name: str, data: bytes) -> bool:
    """Whether all that reads a file takes the bytes for a sound one.

    Args:
      name: The name of the file.
      data: The bytes in place of its contents.
    """
    path = self.paths[name]
    original = path.read_bytes()
    path.write_bytes(data)
    silence = contextlib.redirect_stdout(io.StringIO())
    try:
      with silence, contextlib.redirect_stderr(io.StringIO()):
        if name == 'building':
          return bool(describe_build(path.parent))
        if name.startswith('source'):
          return self._is_planned()
        return self._is_sound()
    finally:
      path.write_bytes(original)

  def _is_planned(self) -> bool:
    """Whether a build of another seed could start."""
    try:
      self._plan(4)
    except (BuildError, ValueError):
      return False
    return True

  def _is_sound(self) -> bool:
    """Whether `verify` finds no fault; also runs the other commands."""
    folder = str(self._directory)
    found = verify.main([folder, '--quick']), status.main([folder])
    assert set(found) <= {0, 1, 2}, found
    with contextlib.suppress(OSError, ValueError):
      read_contents(open_published(self._directory), 2, 3)
    with contextlib.suppress(BuildError, ValueError):
      self._plan(3)
    return found[0] == 0
