"""Iterators whose items are made ahead, in threads.

With both of them, an exception of the items is raised after all items before
it, as without threads. If the caller stops early, they wait for the items in
the making, and make no others.
"""

from __future__ import annotations

import collections
import contextlib
import functools
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

S = TypeVar('S')
T = TypeVar('T')

_END = object()


def prefetch(items: Iterator[T], ahead: int = 1) -> Iterator[T]:
  """Yields items; while the caller uses one, a thread makes the next ones.

  Args:
    items: The items. Only the thread advances this iterator.
    ahead: The number of items that are made ahead.

  Yields:
    The same items in the same order.
  """
  with _threads(1) as thread:
    make = functools.partial(thread.submit, next, items, _END)
    pending = collections.deque(make() for _ in range(ahead))
    while (item := pending.popleft().result()) is not _END:
      pending.append(make())
      yield item


def map_ahead(
  function: Callable[[S], T], items: Iterator[S], num_threads: int
) -> Iterator[T]:
  """Yields `function(item)` for each item, in order; threads call it.

  Args:
    function: The function.
    items: The items. Only the caller's thread advances this iterator.
    num_threads: The number of threads. They make up to twice as many items
      ahead.
  """
  with _threads(num_threads) as threads:
    pending: collections.deque[Future[T]] = collections.deque()
    error = None
    while True:
      try:
        item = next(items, _END)
      except Exception as caught:
        error, item = caught, _END
      if item is not _END:
        pending.append(threads.submit(function, item))
      while pending and (item is _END or len(pending) > 2 * num_threads):
        yield pending.popleft().result()
      if error:
        raise error
      if item is _END:
        return


@contextlib.contextmanager
def _threads(number: int) -> Iterator[ThreadPoolExecutor]:
  """Threads that begin nothing more once the block has ended."""
  threads = ThreadPoolExecutor(number, thread_name_prefix='prefetch')
  try:
    yield threads
  finally:
    threads.shutdown(cancel_futures=True)
