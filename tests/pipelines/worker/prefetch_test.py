"""Items that are made ahead come in order, errors too, and only a few."""

import itertools
import threading

import pytest

from pipelines.worker.prefetch import map_ahead, prefetch


def test_items_come_in_order():
  assert list(prefetch(iter(range(100)))) == list(range(100))
  assert list(prefetch(iter(()))) == []


def test_items_are_made_in_another_thread_while_the_caller_works():
  making = threading.Event()

  def items():
    yield 0
    making.set()
    yield 1

  ahead = prefetch(items())
  assert next(ahead) == 0
  # Without a thread, nothing would make the second item now.
  assert making.wait(timeout=60)
  assert next(ahead) == 1


def test_an_error_comes_after_the_items_before_it():
  def items():
    yield from range(3)
    raise ValueError('no more')

  ahead = prefetch(items())
  assert list(itertools.islice(ahead, 3)) == [0, 1, 2]
  with pytest.raises(ValueError, match='no more'):
    next(ahead)


def test_a_caller_that_stops_early_leaves_no_thread_and_few_items():
  items = itertools.count()
  ahead = prefetch(items)
  assert next(ahead) == 0
  ahead.close()
  assert next(items) <= 3
  names = [thread.name for thread in threading.enumerate()]
  assert not [name for name in names if name.startswith('prefetch')]


def test_results_of_threads_come_in_order():
  waiting = threading.Barrier(2, timeout=60)

  def double(number: int) -> int:
    if number < 2:
      waiting.wait()  # Only another thread can end this.
    return 2 * number

  assert list(map_ahead(double, iter(range(50)), 2)) == list(range(0, 100, 2))
  assert list(map_ahead(double, iter(()), 2)) == []


def test_an_error_comes_after_the_results_before_it():
  def items():
    yield from range(3)
    raise ValueError('no more')

  ahead = map_ahead(str, items(), 2)
  assert list(itertools.islice(ahead, 3)) == ['0', '1', '2']
  with pytest.raises(ValueError, match='no more'):
    next(ahead)


def test_few_results_are_made_ahead():
  items = itertools.count()
  ahead = map_ahead(str, items, 2)
  assert next(ahead) == '0'
  ahead.close()
  assert next(items) <= 5
  names = [thread.name for thread in threading.enumerate()]
  assert not [name for name in names if name.startswith('prefetch')]
