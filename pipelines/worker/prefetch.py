"""Work done ahead, in a thread of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar('T')

_END = object()


def prefetch(items: Iterator[T]) -> Iterator[T]:
  """Yields `items`, each made in a thread while the one before is in use.

  An exception comes where it would have come without the thread, after all
  items before it.
  """
  with contextlib.ExitStack() as stack:
    thread = ThreadPoolExecutor(1, thread_name_prefix='prefetch')
    # Whoever stops early waits for the item in the making, no further one.
    stack.callback(thread.shutdown, cancel_futures=True)
    pending = thread.submit(next, items, _END)
    while (item := pending.result()) is not _END:
      pending = thread.submit(next, items, _END)
      yield item
