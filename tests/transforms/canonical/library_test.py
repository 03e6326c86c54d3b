"""Tests that the library is loaded only where it fits."""

import importlib
import pathlib
import shutil

import jax
import jax.ffi
import jax.numpy as jnp
import pytest

from transforms.canonical import library as installed


@pytest.fixture
def library(tmp_path, monkeypatch):
  """A copy of the module, beside a copy of the sources and the library."""
  shutil.copytree(installed.path().parent, tmp_path / 'copied_canonical')
  monkeypatch.syspath_prepend(tmp_path)
  for name in ('', '.compile', '.library'):
    monkeypatch.delitem(
      importlib.sys.modules, f'copied_canonical{name}', raising=False
    )
  return importlib.import_module('copied_canonical.library')


def folder_of(library) -> pathlib.Path:
  return pathlib.Path(library.__file__).parent


def test_the_library_is_loaded_once(library):
  assert library.load().linac_fit_1
  assert library.load() is library.load()


def test_a_missing_library_must_be_installed(library):
  (path,) = folder_of(library).glob('liblinac.*')
  path.unlink()
  with pytest.raises(RuntimeError, match=r'is missing\. Run `pip install -e'):
    library.load()


def test_a_library_of_another_machine_must_be_installed(library):
  (path,) = folder_of(library).glob('liblinac.*')
  path.write_bytes(b'no library')
  with pytest.raises(RuntimeError, match=r'loaded here.*Run `pip install -e'):
    library.load()


def test_a_library_of_other_sources_must_be_installed(library):
  with (folder_of(library) / 'source' / 'fit.h').open('a') as file:
    file.write('// Changed.\n')
  with pytest.raises(RuntimeError, match=r'other sources.*Run `pip install -e'):
    library.load()


@pytest.mark.parametrize(
  ('version', 'fits'),
  [('0.2', False), ('0.3', True), ('0.4', True), ('1.3', False)],
)
def test_an_older_jax_is_named_and_stays_usable(
  library, tmp_path, monkeypatch, version, fits
):
  name = 'xla/ffi/api/c_api.h'
  header = (pathlib.Path(jax.ffi.include_dir()) / name).read_text()
  major, minor = version.split('.')
  header = header.replace('API_MAJOR 0\n', f'API_MAJOR {major}\n')
  header = header.replace('API_MINOR 3\n', f'API_MINOR {minor}\n')
  (tmp_path / name).parent.mkdir(parents=True)
  (tmp_path / name).write_text(header)
  monkeypatch.setattr(jax.ffi, 'include_dir', lambda: str(tmp_path))
  if fits:
    assert library.load()
  else:
    with pytest.raises(RuntimeError, match=f'version 0.3 of .*{version}'):
      library.load()
  assert jax.jit(lambda x: x + 1)(jnp.int32(1)) == 2
