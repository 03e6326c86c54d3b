"""Checks the shards of a published dataset: their files and their examples."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Iterator

from tqdm import tqdm

from linac_tfds.schema import MEASURES
from pipelines.dataset.manifest import (
  BadExample,
  Manifest,
  array_sha256,
  expected_facts,
  parse_manifest,
  recorded_facts,
)
from pipelines.dataset.metadata import BAD_EXAMPLES_FILE, METADATA_FILES
from pipelines.dataset.read_published import PublishedDataset
from pipelines.dataset.stored_examples import MAX_DISTANCE, read_examples
from pipelines.files import listing, storage
from pipelines.plan.saved_plan import MANIFESTS
from pipelines.plan.shards import ShardSpec
from pipelines.verification.checks import Check, differences
from pipelines.verification.refit import is_exact, refit_problems
from pipelines.verification.sample import draw_sample
from pipelines.worker.read_source import read_source


class Contents:
  """Four checks of a dataset's shards, which are read one example at a time.

  Attributes:
    checks: The checks of the shards' files; of their examples; of the examples
      against the source; and of a sample of them against new fits.
  """

  def __init__(
    self,
    dataset: PublishedDataset,
    source: Check,
    num_refits: int,
    sample_seed: int,
    no_refits: str,
  ):
    """Prepares the checks; `check` makes them.

    Args:
      dataset: The dataset to check.
      source: The check of the source, to which examples are added.
      num_refits: The number of examples to fit again.
      sample_seed: The seed that draws these examples.
      no_refits: The reason why no example can be fitted again, or ''.
    """
    self._dataset = dataset
    self._plan = dataset.plan
    self._shards = Check('shards', 'files')
    self._examples = Check('examples', 'examples')
    self._source = source
    self._refit = Check('refit', 'examples')
    if not num_refits:
      no_refits = 'by --quick'
    self._refit.skipped = no_refits
    self._refit.note = f', drawn with --sample_seed={sample_seed}'
    if not is_exact(self._plan.config):
      self._refit.note += f', at most {MAX_DISTANCE} from fits here'
    self._sample = (
      set() if no_refits else draw_sample(dataset, num_refits, sample_seed)
    )
    self.checks = [self._shards, self._examples, self._source, self._refit]

  def check(self) -> dict[str, list[Manifest]]:
    """Makes the checks.

    Returns:
      The valid manifests of each split. To save memory, lists with an item per
      example are empty in them, except for the PSNR.
    """
    by_split = {split: [] for split, _ in self._plan.splits}
    self._check_names()
    # With `disable=None` there is a progress bar on a terminal only.
    with tqdm(
      total=self._plan.num_examples,
      desc='Checking',
      unit=' images',
      disable=None,
    ) as bar:
      for shard in self._plan.shards():
        manifest = self._check_shard(shard)
        bar.update(shard.size)
        if manifest:
          by_split[shard.split].append(
            dataclasses.replace(
              manifest,
              ids=[],
              measures={'psnr': manifest.measures['psnr']},
              representation_sha256=[],
            )
          )
    self._check_refits()
    return by_split

  def _check_refits(self) -> None:
    """Adds a problem if not all examples of the sample were fitted again."""
    missing = max(len(self._sample), 1) - self._refit.num_checked
    if missing > 0 and not self._refit.skipped:
      problem = f'{missing} examples of it cannot be read'
      self._refit.add('sample', [problem], missing)

  def _check_names(self) -> None:
    """Adds a problem for each file that should not be there."""
    names = {self._file_name(shard) for shard in self._plan.shards()}
    others = {MANIFESTS, BAD_EXAMPLES_FILE, *METADATA_FILES}
    for folder, expected in (
      (self._dataset.directory, names | others),
      (self._dataset.directory / MANIFESTS, {f'{n}.json' for n in names}),
    ):
      for path in listing.entries(folder):
        if path.name not in expected:
          self._shards.add(path.name, ['no file of this dataset; remove it'])

  def _file_name(self, shard: ShardSpec) -> str:
    return shard.file_name(self._plan.settings.file_format)

  def _check_shard(self, shard: ShardSpec) -> Manifest | None:
    """Checks a shard. Returns its manifest, or None if that is not valid."""
    name = self._file_name(shard)
    try:
      manifest = self._check_manifest(shard)
    except (OSError, ValueError) as error:
      self._shards.add(f'{MANIFESTS}/{name}.json', [_reason(error)])
      self._examples.add(name, ['its manifest is not valid'], shard.size)
      return None
    self._shards.add(f'{MANIFESTS}/{name}.json', [])
    try:
      with storage.local_copy(self._dataset.directory / name) as path:
        self._shards.add(name, _file_problems(path, manifest))
        self._check_examples(shard, manifest, path)
    except FileNotFoundError:  # Only a copy of a file in a bucket raises this.
      self._shards.add(name, ['it is not there'])
      self._examples.add(name, ['its file is not there'], shard.size)
    return manifest

  def _check_manifest(self, shard: ShardSpec) -> Manifest:
    """Reads a shard's manifest and checks it.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is damaged, or not the manifest of the shard.
    """
    name = self._file_name(shard)
    path = self._dataset.directory / MANIFESTS / f'{name}.json'
    manifest = parse_manifest(path)
    expected = expected_facts(self._plan, shard) | {
      'fingerprint': self._dataset.metadata.fingerprint
    }
    found = {key: getattr(manifest, key) for key in expected}
    found['measures'], expected['measures'] = (
      sorted(manifest.measures),
      sorted(MEASURES),
    )
    for key, values in (
      ('ids', manifest.ids),
      *manifest.measures.items(),
      ('representation_sha256', manifest.representation_sha256),
    ):
      found[f'number of {key}'] = len(values)
      expected[f'number of {key}'] = manifest.num_examples
    # No range of indices is made: metadata may claim any size of a shard.
    bad = {example.index for example in manifest.bad_examples}
    found['bad examples'] = sum(shard.start <= i < shard.stop for i in bad)
    expected['bad examples'] = len(manifest.bad_examples)
    found['checksum'] = manifest.checksum
    expected['checksum'] = manifest.signed().checksum
    found['libraries'] = sorted(manifest.versions)
    expected['libraries'] = sorted(self._dataset.metadata.library_versions)
    if problems := differences(found, expected):
      raise ValueError('; '.join(problems))
    return manifest

  def _check_examples(
    self, shard: ShardSpec, manifest: Manifest, path: pathlib.Path
  ) -> None:
    """Checks the examples in a shard's file.

    Args:
      shard: The shard.
      manifest: The shard's manifest, which is valid.
      path: The path of the file, or of a local copy.
    """
    name = self._file_name(shard)
    bad = {example.index for example in manifest.bad_examples}
    indices = [i for i in range(shard.start, shard.stop) if i not in bad]
    originals = self._originals(shard, bad)
    num_checked = 0
    try:
      for example in read_examples(self._plan, path):
        if num_checked == len(indices):
          raise ValueError('there are more examples than recorded')
        index = indices[num_checked]
        where = f'{shard.split}[{index}] {example["id"]!r:.80}'
        self._examples.add(
          where,
          differences(recorded_facts(example), manifest.example(num_checked)),
        )
        if original := next(originals):
          self._source.add(where, _source_problems(example, original))
        if (shard, num_checked) in self._sample:
          problems = refit_problems(self._plan, example | {'index': index})
          self._refit.add(where, problems)
        num_checked += 1
      if num_checked < len(indices):
        raise ValueError('there are fewer examples than recorded')
    except (OSError, ValueError) as error:
      where = f'{shard.split}[{[*indices, shard.stop][num_checked]}] in {name}'
      missing = max(len(indices) - num_checked, 1)
      self._examples.add(where, [_reason(error)], missing)

  def _originals(
    self, shard: ShardSpec, bad: set[int]
  ) -> Iterator[dict | BadExample | None]:
    """The source's examples of a shard, less the bad ones, and then None.

    There are none if the source is not there, and no more after an error.
    """
    if self._plan.source.directory:
      examples = read_source(self._plan, shard.split, shard.start, shard.stop)
      try:
        for index, example in enumerate(examples, shard.start):
          if index not in bad:
            yield example
      except ValueError as error:
        self._source.add(self._file_name(shard), [str(error)])
    yield from itertools.repeat(None)


def _file_problems(path: pathlib.Path, manifest: Manifest) -> list[str]:
  """The differences of a shard's file from its manifest: in size and hash."""
  try:
    found = {'bytes': path.stat().st_size, 'sha256': storage.file_sha256(path)}
  except OSError as error:
    return [_reason(error)]
  return differences(
    found, {'bytes': manifest.file_bytes, 'sha256': manifest.sha256}
  )


def _reason(error: Exception) -> str:
  """The reason of an error, without the file that the line names already."""
  return getattr(error, 'strerror', None) or str(error)


def _source_problems(example: dict, original: dict | BadExample) -> list[str]:
  """The differences of a stored example from that of the source."""
  if isinstance(original, BadExample):
    return [f"the source's example is bad: {original.reason}"]
  return differences(_given(example), _given(original))


def _given(example: dict) -> dict:
  """The facts of an example that come from the source."""
  return {
    'id': example['id'],
    'label': example['label'],
    'image sha256': array_sha256(example['image']),
  }
