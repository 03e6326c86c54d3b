"""An iterator that makes its next item ahead, in a thread."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar('T')

_END = object()


def prefetch(items: Iterator[T]) -> Iterator[T]:
  """Yields items; while the caller uses one, a thread makes the next.

  Args:
    items: The items. Only the thread advances this iterator.

  Yields:
    The same items in the same order. An exception of `items` is raised after
    all items before it, as without the thread.
  """
  with contextlib.ExitStack() as stack:
    thread = ThreadPoolExecutor(1, thread_name_prefix='prefetch')
    # If the caller stops early, this waits for the item in the making, and the
    # thread makes no other.
    stack.callback(thread.shutdown, cancel_futures=True)
    pending = thread.submit(next, items, _END)
    while (item := pending.result()) is not _END:
      pending = thread.submit(next, items, _END)
      yield item
