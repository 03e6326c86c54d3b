"""Work done ahead, in a thread of its own."""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar('T')

_END = object()


def prefetch(items: Iterator[T], ahead: int = 1) -> Iterator[T]:
  """Yields `items`, made in a thread up to `ahead` before they are asked for.

  An exception comes where it would have come without the thread, after all
  items before it.
  """
  with contextlib.ExitStack() as stack:
    thread = ThreadPoolExecutor(1, thread_name_prefix='prefetch')
    # Whoever stops early waits for the item in the making, no further one.
    stack.callback(thread.shutdown, cancel_futures=True)
    pending = collections.deque(
      thread.submit(next, items, _END) for _ in range(ahead)
    )
    while (item := pending.popleft().result()) is not _END:
      pending.append(thread.submit(next, items, _END))
      yield item
