"""`pipelines.verify` passes sound datasets, and names damage in others."""

import hashlib
import json
import pathlib
import re
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds

from linac_tfds import Cifar10Linac
from linac_tfds.schema import MEASURES
from pipelines.dataset.read_published import open_published
from pipelines.dataset.stored_examples import read_examples
from pipelines.files.storage import file_sha256
from pipelines.files.tfrecord import read_records, write_records
from pipelines.plan.saved_plan import save_plan
from pipelines.plan.settings import Settings
from pipelines.verification.refit import refit_problems
from pipelines.verify import main
from pipelines.worker.write_shard import write_shard
from tests.pipelines.conftest import with_settings

KINDS = {
  'tfrecord': {},
  'array_record': {'file_format': 'array_record'},
  'float32': {'precision': 'float32'},
  'xla': {'arithmetic': 'xla'},
  'xla_float32': {'arithmetic': 'xla', 'precision': 'float32'},
}
SHARD = 'cifar10_linac-train.tfrecord-00001-of-00002'
MANIFEST = f'manifests/{SHARD}.json'


@pytest.fixture
def dataset(request, lab, tmp_path_factory) -> pathlib.Path:
  """A published dataset of one of the `KINDS`, beside its source, to damage."""
  kind = getattr(request, 'param', 'tfrecord')
  root = tmp_path_factory.getbasetemp() / f'verify_{kind}'
  if not root.exists():
    fields = dict(KINDS[kind])
    settings = Settings(
      max_examples_per_split=8,
      examples_per_shard=4,
      file_format=fields.pop('file_format', 'tfrecord'),
    )
    lab.run(lab.plan(settings, **fields))
    shutil.copytree(lab.data_dir, root)
  folder = tmp_path_factory.mktemp('verify')
  shutil.copytree(root, folder, dirs_exist_ok=True)
  (directory,) = folder.glob('cifar10_linac/*/[0-9]*')
  return directory


@pytest.fixture
def verify(dataset, capsys):
  """A function that runs the command.

  It returns the exit status, the result of each check and the whole output.
  """

  def run(*arguments):
    status = main([str(dataset), *arguments])
    output = capsys.readouterr().out
    results = dict(re.findall(r'^  (\w+) +(ok|FAILED|skipped)', output, re.M))
    return status, results, output

  return run


def forge(directory: pathlib.Path, alter) -> None:
  """Alters the examples of the first shard, and makes its manifest match."""
  dataset = open_published(directory)
  plan, shard = dataset.plan, dataset.plan.shards()[0]
  name = plan.file_name(shard)
  examples = list(read_examples(dataset.plan, dataset.directory / name))
  alter(examples)
  save_plan(plan)  # Without a plan, no shard is written.
  write_shard(plan, shard, iter(examples))
  (plan.staging / name).rename(directory / name)
  manifest = f'manifests/{name}.json'
  (plan.staging / manifest).rename(directory / manifest)


def edit(path: pathlib.Path, *keys, value) -> None:
  """Sets a value in a JSON file, and the checksum of a manifest to match."""
  content = json.loads(path.read_text())
  *parents, last = keys
  inner = content
  for key in parents:
    inner = inner[key]
  inner[last] = value
  if path.parent.name == 'manifests' and last != 'checksum':
    signed = {k: v for k, v in content.items() if k != 'schema'}
    text = json.dumps(signed | {'checksum': ''})
    content['checksum'] = hashlib.sha256(text.encode()).hexdigest()
  path.write_text(json.dumps(content))


@pytest.mark.parametrize('dataset', KINDS, indirect=True)
def test_a_sound_dataset(dataset, verify):
  # Operating systems leave such files.
  for name in ('.DS_Store', 'manifests/._x', 'Thumbs.db', '.nfs0000000000a1'):
    (dataset / name).touch()
  status, results, output = verify('--sample_seed=3', '--examples=100')
  assert results == dict.fromkeys(
    ('metadata', 'shards', 'examples', 'source', 'refit'), 'ok'
  )
  assert status == 0
  assert 'refit    ok       16 examples, drawn with --sample_seed=3' in output
  assert '  shards   ok       8 files' in output


def test_datasets_of_earlier_versions_need_no_croissant_description(
  lab, monkeypatch, capsys
):
  monkeypatch.setattr(Cifar10Linac, 'VERSION', tfds.core.Version('1.0.1'))
  plan = lab.plan(Settings(max_examples_per_split=4))
  lab.run(plan)
  (plan.directory / 'croissant.json').unlink()
  assert main([str(plan.directory), '--quick']) == 0, capsys.readouterr()


def failed_of(results: dict[str, str]) -> set[str]:
  return {name for name, result in results.items() if result == 'FAILED'}


def flip(path):
  data = bytearray(path.read_bytes())
  data[-1000] ^= 1
  path.write_bytes(data)


def rewrite(directory, count):
  """Keeps `count` records of a shard or repeats some.

  Its manifest then matches the file, but not the number of its examples.
  """
  path = directory / SHARD
  records = list(read_records(path))
  write_records(path, [*records, *records][:count])
  edit(directory / MANIFEST, 'file_bytes', value=path.stat().st_size)
  edit(directory / MANIFEST, 'sha256', value=file_sha256(path))


HARMS = {
  'flip': (lambda d: flip(d / SHARD), {'shards', 'examples'}, 'sha256 is'),
  'cut': (
    lambda d: (d / SHARD).write_bytes((d / SHARD).read_bytes()[:-1]),
    {'shards', 'examples'},
    'train[7] in cifar10_linac-train.tfrecord-00001-of-00002: ',
  ),
  'fewer': (
    lambda d: rewrite(d, 3),
    {'examples'},
    'train[7] in cifar10_linac-train.tfrecord-00001-of-00002: there are fewer',
  ),
  'more': (lambda d: rewrite(d, 5), {'examples'}, 'there are more examples'),
  'remove': (lambda d: (d / SHARD).unlink(), {'shards', 'examples'}, 'No such'),
  'foreign': (
    lambda d: (d / 'thesis.tex').write_text('years of work'),
    {'shards'},
    'thesis.tex: no file of this dataset',
  ),
  'psnr': (
    lambda d: edit(d / MANIFEST, 'measures', 'psnr', 2, value=60.5),
    {'metadata', 'examples'},
    "train[6] 'train_00006': psnr is ",
  ),
  'other_fingerprint': (
    lambda d: edit(d / MANIFEST, 'fingerprint', value='0' * 64),
    {'shards', 'examples'},
    f'{SHARD}.json: fingerprint is ',
  ),
  'no_manifest': (
    lambda d: (d / MANIFEST).unlink(),
    {'shards', 'examples'},
    'No such file',
  ),
  'metadata_fingerprint': (
    lambda d: edit(d / 'metadata.json', 'fingerprint', value='0' * 64),
    {'metadata', 'shards', 'examples'},
    'metadata.json: fingerprint is ',
  ),
  'metadata_config': (
    lambda d: edit(d / 'metadata.json', 'config', 'seed', value=4),
    {'metadata'},
    'metadata.json: folder is ',
  ),
  'metadata_field': (
    lambda d: edit(d / 'metadata.json', 'config', 'depth', value=4),
    {'metadata'},
    'metadata.json describes no build: ',
  ),
  'metadata_setting': (
    lambda d: edit(
      d / 'metadata.json', 'settings', 'compilation_cache', value='gs://x/y'
    ),
    {'metadata'},
    "settings=['compilation_cache'] are not recorded there",
  ),
  'metadata_min_psnr': (
    lambda d: edit(d / 'metadata.json', 'settings', 'min_psnr', value=10**400),
    {'metadata'},
    'metadata.json',
  ),
  'metadata_split': (
    lambda d: edit(d / 'metadata.json', 'shard_stops', 0, 0, value='../x'),
    {'metadata'},
    "name the split '../x'",
  ),
  'metadata_source': (
    lambda d: edit(d / 'metadata.json', 'source', 'version', value='9.9.9'),
    {'metadata'},
    'metadata.json: fingerprint is ',
  ),
  'metadata_psnr': (
    lambda d: edit(d / 'metadata.json', 'psnr', 'test', 'median', value=60.5),
    {'metadata'},
    'psnr.test.median is 60.5, expected ',
  ),
  'metadata_devices': (
    lambda d: edit(d / 'metadata.json', 'devices', value=['gpu:H200']),
    {'metadata'},
    "devices is ['gpu:H200'], expected ['cpu']",
  ),
  'layout': (
    lambda d: edit(d / 'metadata.json', 'shard_stops', 0, 1, value=[1, 8]),
    {'metadata'},
    'no build cuts splits at these shard_stops',
  ),
  'shard_lengths': (
    lambda d: edit(
      d / 'dataset_info.json', 'splits', 0, 'shardLengths', value=['4', '3']
    ),
    {'metadata'},
    'splits.train.shardLengths.1 is 3, expected 4',
  ),
  'info': (
    lambda d: (d / 'dataset_info.json').write_text('{]'),
    {'metadata'},
    'dataset_info.json: TFDS cannot load it',
  ),
  'croissant': (
    lambda d: edit(d / 'croissant.json', 'version', value='3.0.0'),
    {'metadata'},
    "croissant.json: version is '3.0.0', expected '2.0.0'",
  ),
  'croissant_gone': (
    lambda d: (d / 'croissant.json').unlink(),
    {'metadata'},
    'croissant.json: it cannot be compared: FileNotFoundError',
  ),
  'features': (
    lambda d: edit(
      d / 'features.json',
      *('featuresDict', 'features', 'representation', 'tensor', 'dtype'),
      value='bfloat16',
    ),
    {'metadata'},
    "representation.tensor.dtype is 'bfloat16', expected 'float16'",
  ),
}


@pytest.mark.parametrize('harm', HARMS)
def test_what_is_wrong_is_named(dataset, verify, harm):
  do, failed, message = HARMS[harm]
  do(dataset)
  status, results, output = verify('--quick')
  assert failed_of(results) == failed
  assert message in output
  assert status == 1
  assert len(output.splitlines()) < 30


def swap(examples):
  examples[1], examples[2] = examples[2], examples[1]


def relabel(examples):
  examples[3]['label'] += 1


def repaint(examples):
  examples[3]['image'] = examples[3]['image'] ^ np.uint8(128)


def scale(factor):
  def alter(examples):
    stored = examples[3]['representation']
    examples[3]['representation'] = stored * np.float16(factor)

  return alter


FORGERIES = {
  'swapped': (swap, {'source'}, "train[2] 'train_00001': id is "),
  'relabelled': (relabel, {'source'}, "train[3] 'train_00003': label is "),
  'repainted': (
    repaint,
    {'metadata', 'source', 'refit'},  # Other images have another size.
    'refit: train[3]',
  ),
  'scaled': (scale(1.01), {'refit'}, "refit: train[3] 'train_00003': repre"),
}


@pytest.mark.parametrize('forgery', FORGERIES)
@pytest.mark.parametrize('dataset', ['tfrecord', 'array_record'], indirect=True)
def test_a_forgery_whose_manifest_holds_is_named(dataset, verify, forgery):
  alter, failed, message = FORGERIES[forgery]
  forge(dataset, alter)
  status, results, output = verify()
  assert failed_of(results) == failed
  assert message in output
  assert status == 1


def nudge(examples):
  """Changes the last bit of one stored number."""
  stored = np.array(examples[3]['representation'])
  stored[0, 0, 0] = np.nextafter(stored[0, 0, 0], np.float16(np.inf))
  examples[3]['representation'] = stored


@pytest.mark.parametrize(
  ('dataset', 'alter', 'failed'),
  [
    ('float32', nudge, {'refit'}),
    ('tfrecord', nudge, {'refit'}),
    ('xla', nudge, {'refit'}),
    ('xla_float32', nudge, set()),
    ('xla_float32', scale(1.01), set()),
    ('xla_float32', scale(1.5), {'refit'}),
    ('xla_float32', scale(np.nan), {'refit'}),
  ],
  indirect=['dataset'],
)
def test_only_float32_fits_by_xla_may_have_other_bits(
  dataset, verify, alter, failed
):
  forge(dataset, alter)
  # Another device is no excuse.
  for path in dataset.glob('manifests/*'):
    edit(path, 'device', value='gpu:H200')
  edit(dataset / 'metadata.json', 'devices', value=['gpu:H200'])
  _, results, output = verify()
  assert failed_of(results) == failed
  assert ('train[3]' in output) == bool(failed)
  assert ('at most 0.35 from fits here' in output) == (
    'arithmetic_xla' in str(dataset) and '_f64' not in str(dataset)
  )


@pytest.mark.parametrize(
  ('dataset', 'bits', 'failed'),
  [
    ('float32', 1, True),
    ('tfrecord', 1, True),
    ('xla', 1, False),
    ('xla', 9, True),
  ],
  indirect=['dataset'],
)
@pytest.mark.parametrize('measure', MEASURES)
def test_a_measure_may_be_rounded_otherwise_by_xla(
  dataset, verify, bits, failed, measure
):
  def alter(examples):
    value = np.array([examples[3][measure]], np.float32)
    examples[3][measure] = (value.view(np.int32) + bits).view(np.float32)[0]

  forge(dataset, alter)
  results = verify()[1]
  assert (results['refit'] == 'FAILED') == failed


@pytest.mark.parametrize(
  ('dataset', 'refused'),
  [('float32', True), ('xla', False), ('xla_float32', False)],
  indirect=['dataset'],
)
def test_a_fit_by_xla_may_have_had_a_higher_psnr_elsewhere(dataset, refused):
  plan = open_published(dataset).plan
  path = dataset / plan.file_name(plan.shards()[0])
  example = next(read_examples(plan, path)) | {'index': 0}
  psnr = float(example['psnr'])
  problems = refit_problems(with_settings(plan, min_psnr=psnr + 0.1), example)
  assert bool(problems) == refused


def test_a_sample_is_drawn_again_by_its_seed(dataset, verify):
  forge(dataset, scale(1.01))
  seeds = range(20)
  first, again = (
    [verify('--examples=4', f'--sample_seed={seed}')[0] for seed in seeds]
    for _ in range(2)
  )
  assert first == again
  assert set(first) == {0, 1}


@pytest.mark.parametrize(
  ('harm', 'missing'),
  [
    (lambda d: flip(d / SHARD), 1),  # The last record of the shard.
    (lambda d: (d / MANIFEST).unlink(), 0),  # It shows what else to draw.
    (lambda d: edit(d / 'metadata.json', 'config', 'num_epochs', value=9), 1),
  ],
)
def test_less_refits_than_asked_for_are_a_failure(
  dataset, verify, harm, missing
):
  harm(dataset)
  _, results, output = verify('--examples=16')
  assert results['refit'] == ('FAILED' if missing else 'ok')
  assert (f'{missing} examples of it cannot be read' in output) == (missing > 0)


def test_without_its_source_a_dataset_is_checked_for_the_rest(
  dataset, verify, monkeypatch
):
  monkeypatch.setattr(tfds.core.constants, 'DATA_DIR', '/nowhere')
  forge(dataset, swap)
  sample = dataset.parents[2] / 'sample'
  sample.rename(dataset.parents[3] / 'elsewhere')
  status, results, output = verify()
  assert results['source'] == 'skipped'
  assert '--source_data_dir' in output
  assert status == 0


WRONG = [None, -1, 10**30, 'x\0', [[]], {}, float('nan')]


@pytest.mark.parametrize(
  'name',
  [
    MANIFEST,
    'metadata.json',
    'features.json',
    'dataset_info.json',
    'croissant.json',
  ],
)
def test_malformed_files_are_failures(dataset, verify, name):
  path = dataset / name
  text = path.read_text()
  for field in json.loads(text):
    # A build without them records None.
    for value in WRONG[field in ('min_psnr', 'private_key') :]:
      edit(path, field, value=value)
      status = verify('--quick')[0]
      assert status == 1 or name == 'dataset_info.json', (field, value)
    path.write_text(text)
  for content in (b'', b'[]', b'{"a":', b'\xff', b'[' * 100_000):
    path.write_bytes(content)
    assert verify('--quick')[0] == 1


@pytest.mark.parametrize('size', ['Infinity', '"-1"', '"x"', '32.0'])
def test_an_impossible_shape_is_a_failure(dataset, verify, size):
  path = dataset / 'features.json'
  path.write_text(path.read_text().replace('"32"', size, 1))
  assert verify('--quick')[0] == 1


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['{}/sample/1.0.0'], 'sample/1.0.0 is no published LINAC dataset'),
    (['{}/nowhere'], 'it has no dataset_info.json'),
    ([], 'dataset_dir'),
    (['{}', '--examples=0'], 'examples=0 must be at least 1'),
    (
      ['{}', '--exampels=1'],
      'unknown option --exampels. Did you mean --examples',
    ),
  ],
)
def test_bad_arguments_are_told_in_a_line(dataset, capsys, arguments, message):
  data_dir = str(dataset.parents[2])
  assert main([text.replace('{}', data_dir) for text in arguments]) == 2
  errors = capsys.readouterr().err
  assert message in errors
  assert len(errors.splitlines()) == 1


def test_a_source_that_is_not_where_it_is_said_to_be(dataset, capsys, tmp_path):
  assert main([str(dataset), f'--source_data_dir={tmp_path}']) == 2
  assert f'{tmp_path} does not hold sample' in capsys.readouterr().err
