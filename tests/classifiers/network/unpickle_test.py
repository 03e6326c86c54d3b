"""Files of parameters are read, and nothing in a hostile one is run."""

import builtins
import collections
import functools
import importlib
import io
import operator
import os
import pickle
import pickletools
import subprocess
import sys

import numpy as np
import pytest

from classifiers.network.unpickle import (
  UnsafePickleError,
  load_params_and_state,
)

WEIGHTS = np.arange(6, dtype=np.float32).reshape(2, 3)


def write(path, content):
  """Writes a `.npy` whose pickle is `content`, bytes or an object."""
  if not isinstance(content, bytes):
    np.save(path, content, allow_pickle=True)
    return path
  header = io.BytesIO()
  np.lib.format.write_array_header_1_0(
    header, {'descr': '|O', 'fortran_order': False, 'shape': (2,)}
  )
  path.write_bytes(header.getvalue() + content)
  return path


def pair(params, state=None) -> np.ndarray:
  array = np.empty(2, object)
  array[:] = [params, {} if state is None else state]
  return array


def global_and_call(module: str, name: str, argument: str) -> bytes:
  """Returns a pickle, of protocol 4, that calls a name with one string."""
  text = lambda t: b'\x8c' + bytes([len(t)]) + t.encode()  # noqa: E731
  return (
    b'\x80\x04'
    + text(module)
    + text(name)
    + b'\x93'
    + text(argument)
    + b'\x85R.'
  )


@pytest.mark.parametrize('protocol', [3, 4])
def test_arrays_dicts_text_and_scalars_are_read(tmp_path, protocol):
  leaves = {
    'w': WEIGHTS,
    'fortran': np.asfortranarray(WEIGHTS),
    'big_endian': WEIGHTS.astype('>f8'),
    'empty': np.zeros((0, 3), np.float16),
    'scalar': np.float32(2.5),
    'counter': np.array(7, np.int32),
    'number': 3,
  }
  mapping = collections.OrderedDict(module=leaves)
  content = pickle.dumps(pair(mapping, {'s': {'average': WEIGHTS}}), protocol)
  params, state = load_params_and_state(write(tmp_path / 'p.npy', content))
  assert params.keys() == {'module'}
  for name, value in leaves.items():
    np.testing.assert_array_equal(params['module'][name], value)
  np.testing.assert_array_equal(state['s']['average'], WEIGHTS)


class Written:
  """An object whose pickle is a call of `called`."""

  def __init__(self, *args):
    self.args = args

  def __reduce__(self):
    return called, self.args


def called(*_):
  """A function whose name in a pickle is replaced with another name."""


def pickled_as(module: str, name: str, array: np.ndarray) -> bytes:
  """Returns the pickle of an array, with `called` replaced by another name."""
  content = pickle.dumps(array, 3)
  ours = f'c{called.__module__}\ncalled\n'.encode()
  assert ours in content
  return content.replace(ours, f'c{module}\n{name}\n'.encode())


@pytest.mark.parametrize('name', ['FlatMapping', 'FlatMap', 'frozendict'])
def test_haiku_mappings_are_dicts(tmp_path, name):
  params = Written({'module': Written({'w': WEIGHTS})})
  content = pickled_as('haiku._src.data_structures', name, pair(params))
  loaded, _ = load_params_and_state(write(tmp_path / 'p.npy', content))
  np.testing.assert_array_equal(loaded['module']['w'], WEIGHTS)
  assert 'haiku' not in sys.modules


@pytest.mark.parametrize(
  'names',
  [
    ('jax._src.device_array', 'reconstruct_device_array'),
    ('jax._src.array', '_reconstruct_array'),
  ],
)
def test_jax_arrays_are_arrays(tmp_path, names):
  array = Written(*WEIGHTS.__reduce__(), {'weak_type': False})
  content = pickled_as(*names, pair({'module': {'w': array}}))
  loaded, _ = load_params_and_state(write(tmp_path / 'p.npy', content))
  np.testing.assert_array_equal(loaded['module']['w'], WEIGHTS)


def test_files_written_before_numpy_2_are_read(tmp_path):
  content = pickle.dumps(pair({'m': {'w': WEIGHTS}}), 3)
  assert b'numpy._core.multiarray' in content
  old = content.replace(b'numpy._core.multiarray', b'numpy.core.multiarray')
  params, _ = load_params_and_state(write(tmp_path / 'p.npy', old))
  np.testing.assert_array_equal(params['m']['w'], WEIGHTS)


class Exploit:
  """An object that calls `function(*args)` when pickle unpickles it."""

  def __init__(self, function, *args):
    self.call = function, args

  def __reduce__(self):
    return self.call


EXPLOITS = {
  'os.system': lambda mark: Exploit(os.system, f'touch {mark}'),
  'eval': lambda mark: Exploit(builtins.eval, f'open({mark!r}, "w")'),
  'exec': lambda mark: Exploit(builtins.exec, f'open({mark!r}, "w").close()'),
  'open': lambda mark: Exploit(open, mark, 'w'),
  'popen': lambda mark: Exploit(subprocess.Popen, ['touch', mark]),
  'import': lambda mark: Exploit(importlib.import_module, 'antigravity'),
  'nested': lambda mark: Exploit(
    pickle.loads, pickle.dumps(Exploit(open, mark, 'w'))
  ),
  'partial': lambda mark: Exploit(functools.partial, open, mark, 'w'),
  'getter': lambda mark: Exploit(operator.attrgetter, '__class__'),
  'numpy.load': lambda mark: Exploit(np.load, mark),
  'fromfile': lambda mark: Exploit(np.fromfile, '/etc/hostname'),
}


@pytest.mark.parametrize('protocol', [2, 3, 4])
@pytest.mark.parametrize('exploit', EXPLOITS)
def test_exploits_are_refused_and_not_run(tmp_path, exploit, protocol):
  mark = tmp_path / 'was_run'
  bomb = EXPLOITS[exploit](str(mark))
  content = pickle.dumps(pair({'module': {'w': bomb}}), protocol)
  path = write(tmp_path / 'p.npy', content)
  with pytest.raises(UnsafePickleError, match='Nothing in it was run'):
    load_params_and_state(path)
  assert not mark.exists()
  assert 'antigravity' not in sys.modules


def test_the_exploits_would_work(tmp_path):
  mark = tmp_path / 'was_run'
  path = write(tmp_path / 'p.npy', pair(EXPLOITS['exec'](str(mark))))
  np.load(path, allow_pickle=True)
  assert mark.exists()


@pytest.mark.parametrize(
  ('module', 'name'),
  [
    # An ordinary unpickler looks up a dotted name attribute by attribute.
    ('numpy._core.multiarray', '_reconstruct.__globals__'),
    ('numpy', 'dtype.__class__'),
    ('numpy.core.multiarray', 'fromstring'),
    ('numpy.testing._private.utils', 'runstring'),
    ('classifiers.network.unpickle', 'load_params_and_state'),
    ('collections', 'OrderedDict.__init__.__globals__'),
    ('builtins', 'getattr'),
    ('', ''),
  ],
)
def test_names_beyond_the_list_are_refused(tmp_path, module, name):
  content = global_and_call(module, name, 'x')
  assert list(pickletools.genops(content))  # The content is a valid pickle.
  with pytest.raises(UnsafePickleError, match='names'):
    load_params_and_state(write(tmp_path / 'p.npy', content))


@pytest.mark.parametrize(
  'content',
  [
    # These use the opcode BUILD to change the function of a stand-in.
    b'\x80\x04\x8c\x05numpy\x8c\x05dtype\x93}\x8c\x09_function\x8c\x01xsb.',
    b'\x80\x04\x8c\x05numpy\x8c\x05dtype\x93N}\x8c\x01a\x8c\x01xs\x86b.',
    # These make a mapping, a dtype or an array from unsuitable arguments.
    global_and_call('collections', 'OrderedDict', 'x'),
    global_and_call('numpy', 'ndarray', 'x'),
    global_and_call('numpy', 'dtype', 'V8'),
    global_and_call('numpy', 'dtype', 'f4,f4'),
    b'\x80\x04\x8c\x0ejax._src.array\x8c\x12_reconstruct_array\x93'
    b'(\x8c\x05numpy\x8c\x05dtype\x93NNNtR.',
  ],
)
def test_stand_ins_take_nothing_else(tmp_path, content):
  with pytest.raises(UnsafePickleError):
    load_params_and_state(write(tmp_path / 'p.npy', content))


def array_with(state) -> bytes:
  """Returns the pickle of a float32 array with a replaced state."""
  function, args, (version, shape, dtype, order, data) = WEIGHTS.__reduce__()
  default = {'shape': shape, 'data': data}
  new = default | state

  class Forged:
    def __reduce__(self):
      return function, args, (version, new['shape'], dtype, order, new['data'])

  return pickle.dumps(pair({'m': {'w': Forged()}}), 4)


@pytest.mark.parametrize(
  'state',
  [
    {'shape': (10**12,)},
    {'shape': (-2, -3)},
    {'shape': (2.0, 3)},
    {'data': b''},
    {'data': [1] * 6},
  ],
)
def test_arrays_are_as_large_as_their_bytes(tmp_path, state):
  with pytest.raises(ValueError, match='p.npy'):
    load_params_and_state(write(tmp_path / 'p.npy', array_with(state)))


@pytest.mark.parametrize(
  'content',
  [
    # This gives an object the number 100,000,000.
    b'\x80\x04Nr\x00\xe1\xf5\x05.',
    # This has a dictionary key of deeply nested tuples.
    b'\x80\x04})' + b'\x85' * 3_000_000 + b'Ks.',
  ],
  ids=['numbers', 'depth'],
)
def test_what_takes_memory_or_stack_is_refused(tmp_path, content):
  with pytest.raises(UnsafePickleError, match='numbers an object|tuples'):
    load_params_and_state(write(tmp_path / 'file.npy', content))


def test_damage_is_told(tmp_path):
  path = write(tmp_path / 'p.npy', pair({'m': {'w': WEIGHTS}}))
  whole = path.read_bytes()
  for size in range(0, len(whole), 7):
    path.write_bytes(whole[:size])
    with pytest.raises(ValueError, match='damaged'):
      load_params_and_state(path)


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (WEIGHTS, 'not of objects'),
    (pair(3), 'params is no dictionary'),
    (pair({'m': WEIGHTS}), "'m' holds no dictionary"),
    (pair({'m': {'w': 'text'}}), 'is a str and no array'),
    (pair({'m': {'w': pair(1)}}), 'is a list and no array'),
    (pair({3: {}}), 'holds a name that is no text but a int'),
    (np.array([{}, {}, {}]), '3 objects'),
    (pickle.dumps({}), 'no array of objects'),
  ],
)
def test_other_files_are_refused(tmp_path, content, message):
  with pytest.raises(ValueError, match=message):
    load_params_and_state(write(tmp_path / 'p.npy', content))
