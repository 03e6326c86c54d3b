"""A reader of the published `.npy` file, which runs nothing from the file.

The file is a pickle of `[params, state]`, and an ordinary unpickler calls every
function that a pickle names. This one imports nothing that the file names. The
few names that NumPy, Haiku and JAX write into a file of parameters stand for
functions of this module, which only unpack arrays and dictionaries. Every other
name is refused. NumPy's own unpickling is not used either, because it allocates
as much memory as the file asks for.
"""

from __future__ import annotations

import math
import os
import pickle
import pickletools
import re

import numpy as np

# The arrays of each module, such as {'w': array}, by the name of the module.
Entries = dict[str, dict[str, np.ndarray]]

_NUMBER = re.compile(r'f[248]|[iu][1248]|b1')
_OBJECT = re.compile(r'O8?')


class UnsafePickleError(ValueError):
  """An error about a file with something that no file of parameters needs."""


class _Dtype:
  """A pickled `numpy.dtype`, either of numbers or of objects."""

  __slots__ = ('code', 'order')

  def __init__(self, code, *_):
    if not isinstance(code, str) or not (
      _NUMBER.fullmatch(code) or _OBJECT.fullmatch(code)
    ):
      raise UnsafePickleError(f'It holds an array of dtype {code!r:.40}.')
    self.code, self.order = code, '='

  def __setstate__(self, state):
    _, order, *structure = state
    # These are set for structured types and dates, which no parameters have.
    if order not in ('<', '>', '|', '=') or any(structure[:3]):
      raise UnsafePickleError('It holds an array of a structured dtype.')
    self.order = order

  @property
  def holds_objects(self) -> bool:
    return bool(_OBJECT.fullmatch(self.code))

  def numbers(self, data, shape, order='C') -> np.ndarray:
    """Returns the array of the bytes `data`, and checks their number."""
    dtype = np.dtype(self.order + self.code)
    if not isinstance(data, bytes) or self.holds_objects:
      raise UnsafePickleError('It holds an array whose data are not bytes.')
    if len(data) != math.prod(shape) * dtype.itemsize:
      raise ValueError(
        f'An array of shape {shape} and dtype {dtype} cannot have {len(data)} '
        'bytes.'
      )
    return np.frombuffer(data, dtype).reshape(shape, order=order)


class _Array:
  """A pickled `numpy.ndarray`.

  Its `value` is an array of numbers, or a list if the elements are objects.
  """

  __slots__ = ('value',)

  def __init__(self, *_):
    self.value = None

  def __setstate__(self, state):
    _, shape, dtype, fortran_order, data = state
    if not isinstance(dtype, _Dtype) or not all(
      isinstance(size, int) and size >= 0 for size in shape
    ):
      raise ValueError(f'An array has the impossible shape {shape!r:.80}.')
    if dtype.holds_objects:
      if not isinstance(data, list) or len(data) != math.prod(shape):
        raise ValueError(
          f'An array of objects of shape {shape!r:.80} does not hold as many '
          'objects.'
        )
      self.value = data
    else:
      self.value = dtype.numbers(data, shape, 'F' if fortran_order else 'C')


class _StandIn:
  """A function that stands for a name in the file.

  The file can call it, but cannot change it.
  """

  __slots__ = ('_function',)

  def __init__(self, function):
    self._function = function

  def __call__(self, *args):
    return self._function(*args)

  def __setstate__(self, state):
    raise UnsafePickleError('It changes a function or a class.')


def _mapping(*args) -> dict:
  if len(args) > 1 or not all(isinstance(arg, dict) for arg in args):
    raise UnsafePickleError('It makes a mapping from what is not a mapping.')
  return args[0] if args else {}


def _scalar(dtype, data) -> np.ndarray:
  if not isinstance(dtype, _Dtype):
    raise UnsafePickleError('It holds a scalar without a dtype.')
  return dtype.numbers(data, ())


def _no_instances(*_):
  raise UnsafePickleError('It makes an array in a way that NumPy never does.')


_new_array = _StandIn(_Array)


def _jax_array(function, args, state, _) -> _Array:
  if function is not _new_array:
    raise UnsafePickleError('It makes a JAX array from what is not an array.')
  array = _Array(*args)
  array.__setstate__(state)
  return array


_STAND_INS = {
  ('numpy', 'dtype'): _StandIn(_Dtype),
  # NumPy passes this class to `_reconstruct` and never calls it.
  ('numpy', 'ndarray'): _StandIn(_no_instances),
  ('collections', 'OrderedDict'): _StandIn(_mapping),
}
# NumPy 2 renamed the module.
for _core in ('numpy.core', 'numpy._core'):
  _STAND_INS[f'{_core}.multiarray', '_reconstruct'] = _new_array
  _STAND_INS[f'{_core}.multiarray', 'scalar'] = _StandIn(_scalar)
for _name in ('FlatMapping', 'FlatMap', 'frozendict'):
  _STAND_INS['haiku._src.data_structures', _name] = _StandIn(_mapping)
for _name in (
  ('jax._src.device_array', 'reconstruct_device_array'),
  ('jax._src.array', '_reconstruct_array'),
):
  _STAND_INS[_name] = _StandIn(_jax_array)


# These opcodes give an object a number. Real files number objects in order.
_PUTS = ('PUT', 'BINPUT', 'LONG_BINPUT')
_TUPLES = ('TUPLE', 'TUPLE1', 'TUPLE2', 'TUPLE3')
# Python hashes nested tuples by recursion, so very deep ones would overflow the
# stack. The published file has only a few tuples for each of its 800 arrays.
_MOST_TUPLES = 20_000


class _Unpickler(pickle.Unpickler):
  """An unpickler that replaces or refuses every name."""

  def find_class(self, module, name):
    if (module, name) not in _STAND_INS:
      raise UnsafePickleError(
        f'It names {module!r:.80} {name!r:.80}, which is no part of a file of '
        'parameters.'
      )
    return _STAND_INS[module, name]


def load_params_and_state(path: str | os.PathLike) -> tuple[Entries, Entries]:
  """Reads the published format, an object array of two nested dictionaries.

  Returns:
    The parameters and the state. Both are dictionaries from the name of a
    module to its arrays, which are a dictionary by their own names.

  Raises:
    UnsafePickleError: If the file has a name, a call or a type that a file of
      parameters does not need. Nothing in the file has been run.
    ValueError: If the file is damaged, or of another kind.
    OSError: If the file cannot be read.
  """
  with open(path, 'rb') as file:
    try:
      _check_header(file)
      _check_opcodes(file)
      loaded = _Unpickler(file, fix_imports=False).load()
    except UnsafePickleError as error:
      raise UnsafePickleError(
        f'{path} is refused: {error} Nothing in it was run.'
      ) from None
    # A damaged pickle can make the unpickler raise any exception.
    except Exception as error:
      raise ValueError(
        f'{path} is damaged or no NumPy file of [params, state]: '
        f'{type(error).__name__}: {error}'
      ) from error
  if not isinstance(loaded, _Array) or not isinstance(loaded.value, list):
    raise ValueError(f'{path} holds no array of objects.')
  if len(loaded.value) != 2:
    raise ValueError(
      f'{path} holds {len(loaded.value)} objects instead of [params, state].'
    )
  params, state = loaded.value
  return _entries(params, 'params'), _entries(state, 'state')


def _check_header(file) -> None:
  version = np.lib.format.read_magic(file)
  if version == (1, 0):
    header = np.lib.format.read_array_header_1_0(file)
  else:
    header = np.lib.format.read_array_header_2_0(file)
  if header[2] != np.dtype(object):
    raise ValueError(f'it is an array of {header[2]}, not of objects')


def _check_opcodes(file) -> None:
  """Refuses opcodes that would exhaust the unpickler's memory or stack."""
  start, tuples = file.tell(), 0
  for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
    if opcode.name in _PUTS and int(argument) > count:
      raise UnsafePickleError(f'It numbers an object {argument}.')
    tuples += opcode.name in _TUPLES
    if tuples > _MOST_TUPLES:
      raise UnsafePickleError(f'It has more than {_MOST_TUPLES:,} tuples.')
  file.seek(start)


def _entries(tree, what: str) -> Entries:
  """Returns the arrays of `params` or `state`, with every type checked."""
  if not isinstance(tree, dict):
    raise ValueError(f'{what} is no dictionary but a {type(tree).__name__}.')
  return {
    _name(module, what): {
      _name(entry, module): _leaf(value, f'{module} {entry}')
      for entry, value in _pairs(entries, module)
    }
    for module, entries in tree.items()
  }


def _pairs(entries, module: str):
  if not isinstance(entries, dict):
    raise ValueError(f'{module!r} holds no dictionary of arrays.')
  return entries.items()


def _name(name, where: str) -> str:
  if not isinstance(name, str):
    raise ValueError(
      f'{where!r} holds a name that is no text but a {type(name).__name__}.'
    )
  return name


def _leaf(value, name: str) -> np.ndarray:
  if isinstance(value, _Array):
    value = value.value
  if isinstance(value, (bool, int, float)):
    value = np.asarray(value)
  if not isinstance(value, np.ndarray):
    raise ValueError(f'{name!r} is a {type(value).__name__} and no array.')
  return value
