"""Runs all parsers of files and names on mutated inputs.

  python -m benchmarks.fuzz [NUM_INPUTS]

There are 100,000 inputs by default, made from a fixed seed. A parser must
return a valid result or raise its documented error. Anything else is printed
with its input and makes the exit status 1. So does an input that makes a parser
take more than 4 GiB of memory. Whole commands, on the files of a dataset and of
its source, get one input in 70 for each file, because a run takes longer.
"""

import collections
import contextlib
import dataclasses
import functools
import hashlib
import json
import pathlib
import random
import re
import resource
import sys
import tempfile
import time
from collections.abc import Iterator

from google.protobuf import json_format

from benchmarks import fuzz_datasets, mutations
from linac_config import KeylessConfig, config_names
from linac_config.config import LinacConfig
from linac_tfds.schema import ImageSchema, example_features
from pipelines.dataset import metadata, publish
from pipelines.dataset.features_file import feature_types
from pipelines.dataset.manifest import (
  BadExample,
  Manifest,
  manifest_path,
  read_manifest,
  write_manifest,
)
from pipelines.dataset.metadata import FEATURES_FILE, LABELS_FILE
from pipelines.dataset.read_published import open_published
from pipelines.errors import BuildError
from pipelines.plan.dataset_plan import DatasetPlan, SourceSpec
from pipelines.plan.saved_plan import PLAN_FILE, load_plan, save_plan
from pipelines.plan.settings import Settings
from pipelines.plan.shards import DATASET

_MEMORY = 2**32


class Files:
  """A plan, a manifest, metadata and features on disk, to parse mutations of.

  Attributes:
    plan: The plan of the dataset.
    shard: The shard of the manifest.
    paths: The path of each file by its name.
  """

  def __init__(self, data_dir: str):
    self.plan = DatasetPlan(
      config=KeylessConfig(),
      seed=7,
      private_key=None,
      source=SourceSpec(
        name='sample',
        version='1.0.0',
        data_dir='/source',
        directory='/source/sample/1.0.0',
        schema=ImageSchema((32, 32, 3), ('a', 'b'), has_id=False),
      ),
      splits=(('train', 6), ('test', 2)),
      data_dir=data_dir,
      version='1.1.0',
      settings=Settings(examples_per_shard=3),
    )
    save_plan(self.plan)
    self.shard = self.plan.shards()[1]
    write_manifest(self.plan, self.shard, _manifest_of(self.plan, self.shard))
    self.plan.directory.mkdir()
    (self.plan.directory / metadata.INFO_FILE).touch()
    folder = self.plan.directory
    self.paths = {
      'manifest': manifest_path(self.plan, self.shard),
      'plan': self.plan.staging / PLAN_FILE,
      'metadata': folder / metadata.METADATA_FILE,
      'features': folder / FEATURES_FILE,
    }
    manifests = [_manifest_of(self.plan, s) for s in self.plan.shards()]
    by_split = {
      split: [m for m in manifests if m.split == split]
      for split, _ in self.plan.splits
    }
    self.paths['metadata'].write_text(
      json.dumps(metadata.dataset_metadata(self.plan, by_split))
    )
    features = example_features(self.plan.source.schema, self.plan.config)
    text = json_format.MessageToJson(features.to_proto())
    self.paths['features'].write_text(text)
    (folder / LABELS_FILE).write_text('a\nb\n')

  def parse_manifest(self, data: bytes) -> bool:
    """Whether the bytes are a manifest; checks types and lengths if so."""
    self.paths['manifest'].write_bytes(_signed(data))
    manifest = read_manifest(self.plan, self.shard)
    if manifest is None:
      return False
    expected = _manifest_of(self.plan, self.shard)
    for field in dataclasses.fields(Manifest):
      value, other = (
        getattr(manifest, field.name),
        getattr(expected, field.name),
      )
      assert type(value) is type(other), field.name
      if isinstance(value, list):
        assert {type(v) for v in value} <= {type(other[0])}, field.name
        if field.name != 'bad_examples':
          assert len(value) == manifest.num_examples, field.name
    assert manifest.file_name == expected.file_name
    bad = [example.index for example in manifest.bad_examples]
    assert len(set(bad)) == len(bad) <= self.shard.size
    json.dumps(dataclasses.asdict(manifest), allow_nan=False)
    return True

  def parse_plan(self, data: bytes) -> bool:
    """Whether the bytes are a plan; checks that its folder is the same."""
    self.paths['plan'].write_bytes(data)
    try:
      plan = load_plan(str(self.plan.staging))
    except BuildError:
      return False
    assert plan.directory == self.plan.directory
    assert plan.shards() == self.plan.shards()
    assert all('/' not in plan.file_name(s) for s in plan.shards())
    assert {type(size) for size in plan.source.schema.shape} == {int}
    return True

  def parse_metadata(self, data: bytes) -> bool:
    """Whether the bytes are metadata with a fingerprint; checks its form."""
    with self._holding('metadata', data):
      found = publish.published_fingerprint(self.plan)
    assert re.fullmatch('[0-9a-f]{64}|unknown', found)
    return found != 'unknown'

  def parse_published(self, data: bytes) -> bool:
    """Whether `verify` accepts the bytes as metadata; checks the folder."""
    return self._open('metadata', data)

  def parse_features(self, data: bytes) -> bool:
    """Whether `verify` accepts the bytes as features."""
    return self._open('features', data)

  @contextlib.contextmanager
  def _holding(self, name: str, data: bytes):
    original = self.paths[name].read_bytes()
    self.paths[name].write_bytes(data)
    try:
      yield
    finally:
      self.paths[name].write_bytes(original)

  def _open(self, name: str, data: bytes) -> bool:
    try:
      with self._holding(name, data):
        dataset = open_published(self.plan.directory)
        feature_types(dataset.directory, dataset.features)
    except ValueError:
      return False
    plan = dataset.plan
    folder = pathlib.Path(plan.data_dir) / DATASET
    assert plan.directory.parents[1] == folder, plan.directory
    assert plan.directory.parent.name == plan.config_name
    assert all(shard.size > 0 for shard in plan.shards())
    assert all('/' not in plan.file_name(s) for s in plan.shards())
    assert all(type(size) is int for size in plan.source.schema.shape)
    json.dumps(dataclasses.asdict(dataset.metadata), allow_nan=False)
    return True


def _signed(data: bytes) -> bytes:
  """Corrects the checksum of a manifest, so that its fields are parsed too."""
  try:
    fields = json.loads(data) | {'checksum': ''}
    # Files of version 1.0 have no schema.
    signed = {k: v for k, v in fields.items() if k != 'schema'}
    text = json.dumps(signed)
  except (ValueError, TypeError, RecursionError):
    return data
  fields['checksum'] = hashlib.sha256(text.encode()).hexdigest()
  return json.dumps(fields).encode()


def _manifest_of(plan, shard) -> Manifest:
  good = range(shard.start, shard.stop - 1)
  return Manifest(
    split=shard.split,
    index=shard.index,
    start=shard.start,
    stop=shard.stop,
    fingerprint=shard.fingerprint,
    file_name=plan.file_name(shard),
    file_bytes=1000,
    example_bytes=900,
    sha256='0' * 64,
    ids=[f'train_{i:05d}' for i in good],
    bad_examples=[BadExample(shard.stop - 1, 'train_00005', 'no image')],
    measures={
      'psnr': [30.0] * len(good),
      'final_loss': [0.1] * len(good),
    },
    representation_sha256=['0' * 16] * len(good),
    device='cpu:cpu',
    versions={'jax': '0.10.2', 'numpy': '2.0.0'},
  )


def parse_config_name(data: bytes) -> bool:
  """Whether the bytes are a config's name; checks it as a folder's name."""
  name = data.decode(errors='surrogateescape')
  try:
    source, config = config_names.parse_config_name(name)
  except ValueError:
    return False
  again = config_names.config_name(source, config)
  assert config_names.parse_config_name(again) == (source, config)
  assert again == name
  assert pathlib.PurePath(name).parts == (name,)
  assert name not in ('.', '..')
  assert name.isprintable()
  assert len(name.encode()) <= 255
  return True


def parse_field(data: bytes) -> bool:
  """Whether the bytes are a field and a value; checks that they are kept."""
  field, _, text = data.decode(errors='surrogateescape').partition('=')
  try:
    value = config_names.parse_field(field, text)
    config = LinacConfig(**{field: value})
  except ValueError:
    return False
  written = config_names.format_field(getattr(config, field))
  assert config_names.parse_field(field, written) == getattr(config, field)
  return True


def fuzz(name: str, parse, inputs) -> dict:
  """Counts the outcomes of a parser; prints the first inputs that break it.

  Args:
    name: The name of the parser.
    parse: A function of the bytes, which says whether they are valid.
    inputs: The inputs.
  """
  counts, start = collections.Counter(), time.perf_counter()
  for data in inputs:
    try:
      counts['valid' if parse(data) else 'refused'] += 1
    except Exception as error:
      counts['broken'] += 1
      if counts['broken'] <= 5:
        print(f'{name}({data!r:.2000}): {error!r:.500}')
  seconds = time.perf_counter() - start
  return {
    'parser': name,
    **{name: counts[name] for name in ('valid', 'refused', 'broken')},
    'seconds': round(seconds, 1),
  }


def _on_files(number: int, rng: random.Random) -> Iterator[dict]:
  """Yields the outcomes of the parsers of single files."""
  with tempfile.TemporaryDirectory() as data_dir:
    files = Files(data_dir)
    data = {name: path.read_bytes() for name, path in files.paths.items()}
    for parse, file in (
      (files.parse_manifest, 'manifest'),
      (files.parse_plan, 'plan'),
      (files.parse_metadata, 'metadata'),
      (files.parse_published, 'metadata'),
      (files.parse_features, 'features'),
    ):
      name = parse.__name__.removeprefix('parse_')
      inputs = mutations.mutated_json(data[file], number, rng)
      yield fuzz(name, parse, inputs)
  for name, parse, inputs in (
    ('config_name', parse_config_name, mutations.mutated_names(number, rng)),
    ('field', parse_field, mutations.mutated_fields(number, rng)),
  ):
    yield fuzz(name, parse, inputs)


def _on_datasets(number: int, rng: random.Random) -> Iterator[dict]:
  """Yields the outcomes of whole commands."""
  with tempfile.TemporaryDirectory() as data_dir:
    dataset = fuzz_datasets.Dataset(data_dir)
    for name, path in dataset.paths.items():
      inputs = mutations.mutated_json(path.read_bytes(), number, rng)
      if name == 'manifest':
        inputs = map(_signed, inputs)
      parse = functools.partial(dataset.check, name)
      yield fuzz(f'of {name}', parse, inputs)


def main(num_inputs: int) -> int:
  """Runs the benchmark; returns the exit status."""
  _, most = resource.getrlimit(resource.RLIMIT_DATA)
  resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, most))
  rng = random.Random(0)
  rows = [
    *_on_files(num_inputs // 7, rng),
    *_on_datasets(num_inputs // 70, rng),
  ]
  print('parser                valid  refused  broken  seconds')
  for r in rows:
    print(
      f'{r["parser"]:20}{r["valid"]:7,}{r["refused"]:9,}{r["broken"]:8,}'
      f'{r["seconds"]:9}'
    )
  print(json.dumps({'benchmark': 'fuzz', 'rows': rows}))
  return 1 if any(r['broken'] for r in rows) else 0


if __name__ == '__main__':
  sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 100_000))
