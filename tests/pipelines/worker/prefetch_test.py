"""Items that are made ahead come in order, errors too, and only a few."""

import itertools
import threading

import pytest

from pipelines.worker.prefetch import prefetch


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
