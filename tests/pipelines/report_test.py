"""A report describes a dataset, and does not give away a private key."""

import base64
import dataclasses
import html
import pathlib
import re
import shutil
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.text import Text

from pipelines import verify
from pipelines.dataset.read_published import open_published
from pipelines.dataset.stored_examples import read_examples
from pipelines.files.tfrecord import read_records, write_records
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.private_key import ENVIRONMENT
from pipelines.plan.settings import Settings
from pipelines.report import main
from pipelines.reporting import charts, images, page, quality
from pipelines.reporting.contents import class_name, read_contents, shortened
from pipelines.reporting.pictures import picture
from pipelines.reporting.refits import refit
from tests.browser import browser
from tests.pipelines.private_key_test import KEY, plan_of, reveals

_SETTINGS = Settings(max_examples_per_split=9, examples_per_shard=5)
_PICTURES = {
  'best',
  'channel_zeros',
  'channels',
  'loss',
  'loss_by_class',
  'loss_curve',
  'other_channels',
  'other_seed',
  'psnr',
  'psnr_by_class',
  'reconstructions',
  'worst',
}


@pytest.fixture(scope='module')
def built(tmp_path_factory) -> pathlib.Path:
  """A folder that keeps the datasets that the tests of this module build."""
  return tmp_path_factory.mktemp('built')


def build_once(folder: pathlib.Path, lab, plan: DatasetPlan) -> pathlib.Path:
  """Builds a dataset and keeps a copy in `folder`, if there is none yet."""
  if not folder.exists():
    lab.run(plan)
    # The copies get new times, as after a download.
    shutil.copytree(lab.data_dir, folder, copy_function=shutil.copy)
  return folder / plan.directory.relative_to(lab.data_dir)


@pytest.fixture
def dataset(built, lab) -> pathlib.Path:
  """A dataset of 18 images in four shards, in float64."""
  return build_once(built / 'public', lab, lab.plan(_SETTINGS))


@pytest.fixture
def key_file(tmp_path) -> pathlib.Path:
  path = tmp_path / 'key'
  path.write_text(f'{KEY}\n')
  return path


@pytest.fixture
def private_dataset(built, lab, key_file) -> pathlib.Path:
  return build_once(built / 'private', lab, plan_of(lab, key_file))


@pytest.fixture
def page_dir(built, dataset) -> pathlib.Path:
  """A folder with the report of the dataset."""
  folder = built / 'page'
  if not folder.exists():
    assert main([str(dataset), f'--output={folder}']) == 0
  return folder


def words(folder: pathlib.Path) -> str:
  """The text of the page in a folder."""
  page_text = (folder / 'report.html').read_text()
  return ' '.join(html.unescape(re.sub('<[^>]*>', ' ', page_text)).split())


def pictures(folder: pathlib.Path) -> set[str]:
  """The names of the pictures beside the page in a folder."""
  return {path.stem for path in (folder / 'report').glob('*.png')}


def all_examples(directory: pathlib.Path) -> list[dict]:
  plan = open_published(directory).plan
  paths = [directory / plan.file_name(s) for s in plan.shards()]
  return [example for path in paths for example in read_examples(plan, path)]


def test_the_page_tells_what_the_dataset_is(dataset, page_dir):
  text = words(page_dir)
  name = dataset.parent.name
  files = dataset.glob('cifar10_linac-*')
  arithmetic = open_published(dataset).plan.config.arithmetic
  for fact in (
    f'Dataset cifar10_linac/{name} {dataset.name}',
    'Key seed 3, published derivation',
    'Source sample 1.0.0',
    'Images 18 (train 9, test 9)',
    'Representation [32, 32, 8] float16, hidden layer 1 of 0 to 1',
    "the paper's settings but num_layers 2, width 8, num_features 2",
    'Precision float64',
    f'Arithmetic {arithmetic}. The same seed gives',
    f'Files {sum(path.stat().st_size for path in files):,} bytes in 4 shards',
    'Speed not known',  # The dataset is a copy.
    open_published(dataset).metadata.fingerprint,
  ):
    assert fact in text
  psnr = [float(e['psnr']) for e in all_examples(dataset)]
  medians = [np.median(psnr[:9]), np.median(psnr[9:])]
  assert 'train {:.2f} dB, test {:.2f} dB'.format(*medians) in text
  assert pictures(page_dir) == _PICTURES
  # 16 that were drawn, four best, four worst, and some of them are the same.
  fits = re.search(r'(\d+) images were fitted again', text)[1]
  assert 16 <= int(fits) <= 18
  assert f'{fits} of the fits are the stored representations' in text


def test_the_best_and_the_worst_are_named(dataset):
  examples = sorted(all_examples(dataset), key=lambda e: e['psnr'])
  found = read_contents(open_published(dataset), 4, 3)
  ids = [example['id'] for example in examples]
  assert [e['id'] for e in found.worst] == ids[:4]
  assert [e['id'] for e in found.best] == ids[:-5:-1]


def test_zeros_are_counted(dataset):
  sampled = read_contents(open_published(dataset), 4, 3).sampled
  stored = np.stack([e['representation'] for e in all_examples(dataset)])
  np.testing.assert_allclose(sampled.zeros, np.mean(stored == 0, (1, 2, 3)))
  np.testing.assert_allclose(
    sampled.channel_zeros, np.mean(stored == 0, (0, 1, 2))
  )
  dead = np.sum(np.all(stored == 0, axis=(1, 2)), axis=-1)
  np.testing.assert_array_equal(sampled.dead, dead)
  assert 0 < np.mean(sampled.zeros) < 1


def test_a_sample_of_shards_and_no_fits(dataset, tmp_path):
  options = ('--shards=2', '--examples=0')
  assert main([str(dataset), f'--output={tmp_path}', *options]) == 0
  # The first of train and of test.
  assert '8 images, of 2 of the 4 shards, evenly spread' in words(tmp_path)
  assert 'Nothing was fitted again (as asked for)' in words(tmp_path)
  assert pictures(tmp_path) == {
    *('best', 'worst', 'channels', 'channel_zeros'),
    *('loss', 'loss_by_class', 'psnr', 'psnr_by_class'),
  }


def test_refits_repeat_the_dataset_and_another_seed_does_not(dataset):
  found = open_published(dataset)
  contents = read_contents(found, 1, 4)
  refits = refit(found.plan, contents.drawn, 3)
  assert len(refits.fits) == 4
  for example in contents.drawn:
    fit = refits.fits[example['place']]
    assert fit.identical
    assert fit.psnr == pytest.approx(float(example['psnr']), abs=1e-4)
    error = fit.reconstruction - example['image'] / 255
    assert -10 * np.log10(np.mean(error**2)) == pytest.approx(fit.psnr)
    assert fit.losses[-1] == pytest.approx(float(example['final_loss']))
  assert refits.other_seed == 4
  assert len(refits.others) == 3
  assert min(fit.distance for fit in refits.others.values()) > 0.5


def test_a_dataset_stays_as_verify_expects_it(dataset, page_dir, capsys):
  assert main([str(dataset), f'--output={dataset / "x"}']) == 2
  assert 'is inside the dataset' in capsys.readouterr().err
  assert verify.main([str(dataset), '--quick']) == 0


def test_without_its_key_a_private_dataset_is_not_refitted(
  private_dataset, tmp_path, monkeypatch
):
  monkeypatch.delenv(ENVIRONMENT, raising=False)
  assert main([str(private_dataset), f'--output={tmp_path}']) == 0
  assert 'its key is private; pass --private_key_file' in words(tmp_path)
  assert 'Key private, id ' in words(tmp_path)
  fitted = {'reconstructions', 'other_seed', 'other_channels', 'loss_curve'}
  assert pictures(tmp_path) == _PICTURES - fitted


def test_a_private_key_is_used_and_not_told(
  private_dataset, key_file, tmp_path
):
  options = [f'--output={tmp_path}', f'--private_key_file={key_file}']
  assert main([str(private_dataset), *options]) == 0
  fits = r'(\d+) images were fitted .* \1 of the fits are the stored'
  assert re.search(fits, words(tmp_path))
  assert 'keep it as private as the dataset' in words(tmp_path)
  assert pictures(tmp_path) == _PICTURES
  content = (tmp_path / 'report.html').read_bytes()
  embedded = re.findall(rb'base64,([\w+/=]+)', content)
  assert len(embedded) > len(_PICTURES)
  files = [path.read_bytes() for path in tmp_path.glob('report/*')]
  for data in (content, *map(base64.b64decode, embedded), *files):
    assert not reveals(data)


def test_a_report_is_in_one_folder_that_can_be_written(
  dataset, tmp_path, monkeypatch, capsys
):
  monkeypatch.chdir(tmp_path)
  assert main([str(dataset), '--examples=0', '--shards=1']) == 0
  (folder,) = tmp_path.iterdir()
  config, version = dataset.parts[-2:]
  assert folder.name == f'cifar10_linac-{config}-{version}'
  assert capsys.readouterr().out == f'{folder}/report.html\n'
  (tmp_path / 'link').symlink_to('nowhere')
  assert main([str(dataset), '--output=link']) == 2
  error = capsys.readouterr().err
  assert 'link cannot be written: ' in error
  assert 'Pass another --output.' in error


def test_names_are_text(dataset):
  """Checks names of classes and examples, which a source can choose."""
  name = '<script>alert(1)</script> $\\frac$ \u202e\n☃ 猫'
  drawn = picture(
    'x',
    name,
    charts.intervals,
    {name: {name: np.arange(3.0)}},
    'PSNR',
  )
  rows = [(name, [np.ones((4, 4, 3))])]
  sheet = picture('y', name, images.sheet, [name], rows)
  content = page.render(
    open_published(dataset),
    [(name, name)],
    [page.Section(name, [name], [(drawn, name), (sheet, name)])],
  )
  assert '<script' not in content
  assert '&lt;script&gt;' in content


def test_long_names_and_many_splits_have_room(dataset):
  """Warnings of Matplotlib are errors, too."""
  # W is the widest letter.
  names = ['W' * 5000 + str(i) for i in range(10)]
  found = open_published(dataset)
  schema = dataclasses.replace(found.plan.source.schema, class_names=names)
  source = dataclasses.replace(found.plan.source, schema=schema)
  found = dataclasses.replace(
    found, plan=dataclasses.replace(found.plan, source=source)
  )
  contents = read_contents(found, 4, 3)
  splits = [f'{"W" * 90}_{i}' for i in range(60)]
  some = contents.measures['train']
  contents = dataclasses.replace(
    contents,
    measures=dict.fromkeys(splits, some),
    sampled=dataclasses.replace(
      contents.sampled,
      split=np.resize(splits, len(contents.sampled.split)),
    ),
  )
  section = quality.quality(contents)
  assert 'the charts show the first 4 of 60 splits' in section.text[0]
  assert len(section.tables[0].rows) == 60
  assert len(quality.classes(found, contents).tables[0].rows) > 10
  labels = {class_name(found, label) for label in range(10)}
  assert len(labels) == 10
  values = dict.fromkeys(splits[:4], np.arange(9.0))
  by_class = {split: dict.fromkeys(labels, np.arange(9.0)) for split in values}
  line = f'{shortened(names[0])} ({max(labels)}): 30.12 dB, loss 0.0123'
  with matplotlib.rc_context({'figure.constrained_layout.use': True}):
    for figure in (
      charts.histogram(values, 'PSNR'),
      charts.intervals(by_class, 'PSNR'),
      images.sheet(['original'], [(line, [np.ones((4, 40, 3))])] * 3),
    ):
      figure.draw_without_rendering()
      found = [t for t in figure.findobj(Text) if 'WWW' in t.get_text()]
      assert found
      for text in found:
        box = text.get_window_extent()
        assert figure.bbox.x0 <= box.x0, text
        assert box.x1 <= figure.bbox.x1, text
      for legend in figure.legends:
        assert not legend.get_window_extent().overlaps(figure.axes[0].bbox)


def test_channels_are_tiles_in_the_colours_of_three_images():
  red, green, blue = np.zeros((3, 2, 2, 4), np.float16)
  red[..., 1] = 0.5  # Less than 1: as it is.
  green[0, 1, 2] = 3  # The largest of its channel.
  green[1, 1, 2] = 1.5
  blue[..., 3] = -1
  grid = images.channel_grid([red, green, blue])
  assert grid.shape == (7, 7, 3)
  assert (grid[::3] == 255).all()
  assert (grid[:, ::3] == 255).all()
  tiles = [grid[y : y + 2, x : x + 2] for y in (1, 4) for x in (1, 4)]
  assert not tiles[0].any()
  assert (tiles[1] == [128, 0, 0]).all()
  np.testing.assert_array_equal(tiles[2][..., 1], [[0, 255], [0, 128]])
  assert not tiles[3].any()


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['{}/sample/1.0.0'], 'sample/1.0.0 is no published LINAC dataset'),
    (['{}/nowhere'], 'it has no dataset_info.json'),
    (['{}', '--shards=0'], 'shards=0 must be at least 1'),
    (['{}', '--examples=-1'], 'examples=-1 must be at least 0'),
  ],
)
def test_bad_arguments_are_named(sample_dir, capsys, arguments, message):
  assert main([a.format(sample_dir) for a in arguments]) == 2
  assert message in capsys.readouterr().err


@pytest.mark.parametrize(
  ('name', 'message'),
  [
    ('cifar10_linac-test.tfrecord-00001-of-00002', 'ends before its record 0'),
    (
      'manifests/cifar10_linac-test.tfrecord-00001-of-00002.json',
      'is not valid',
    ),
  ],
)
def test_damage_is_named(dataset, tmp_path, capsys, name, message):
  copy = tmp_path / dataset.relative_to(dataset.parents[3])
  shutil.copytree(dataset, copy)
  (copy / name).write_bytes(b'x')
  assert main([str(copy), f'--output={tmp_path}', '--examples=0']) == 2
  assert message in capsys.readouterr().err


def test_a_shard_with_too_few_examples_is_named(dataset, tmp_path, capsys):
  copy = tmp_path / dataset.relative_to(dataset.parents[3])
  shutil.copytree(dataset, copy)
  path = copy / 'cifar10_linac-test.tfrecord-00001-of-00002'
  write_records(path, list(read_records(path))[:1])
  assert main([str(copy), f'--output={tmp_path}', '--examples=0']) == 2
  assert f'{path} has fewer examples than its' in capsys.readouterr().err


def test_only_a_report_needs_its_packages(sample_dir):
  code = (
    'import sys, pipelines.build, pipelines.status, pipelines.report\n'
    'assert not {"matplotlib", "jinja2"} & sys.modules.keys()\n'
    'sys.modules["matplotlib"] = None\n'
    'sys.exit(pipelines.report.main(["nowhere"]))'
  )
  process = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True
  )
  assert process.returncode == 2
  assert process.stderr == (
    "error: matplotlib is missing; pip install -e '.[viz]'.\n"
  )


def test_a_browser_shows_the_page(page_dir, tmp_path):
  path = page_dir / 'report.html'
  backgrounds = set()
  for width, scheme in ((390, 'dark'), (1280, 'light')):
    with browser(tmp_path / scheme) as shown:
      shown.open(path, width, scheme)
      broken = '[...document.images].filter(i => !i.naturalWidth).length'
      assert shown.evaluate(broken) == 0
      assert shown.evaluate('document.images.length') == len(_PICTURES)
      without = '[...document.images].filter(i => i.alt.length < 20).length'
      assert shown.evaluate(without) == 0
      # Nothing sticks out to the side.
      assert shown.evaluate('document.documentElement.scrollWidth') <= width
      is_dark = shown.evaluate(
        'document.images[0].currentSrc !== document.images[0].src'
      )
      assert is_dark == (scheme == 'dark')
      backgrounds.add(
        shown.evaluate('getComputedStyle(document.body).backgroundColor')
      )
      assert not shown.named('Runtime.consoleAPICalled')
      assert not shown.named('Runtime.exceptionThrown')
      assert not shown.named('Log.entryAdded')
      requests = shown.named('Network.requestWillBeSent')
      urls = {request['request']['url'] for request in requests}
      assert path.as_uri() in urls
      assert {url.partition(':')[0] for url in urls} <= {'file', 'data'}
      assert len([url for url in urls if url.startswith('file')]) == 1
  assert len(backgrounds) == 2
