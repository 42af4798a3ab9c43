"""Room to pickle what is nested deeply: a linked list of thousands of nodes overruns Python's limit for recursion.

Pickling happens in a thread with a stack of its own, where the limit can be high. Only where the usual way failed.
"""

from __future__ import annotations

import contextvars
import sys
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
STACK_BYTES = 1 << 29  # reserved, not used: memory is taken as the recursion gets there
LEVELS = 250_000


def with_deep_stack(call: Callable[[], T]) -> T:
    """Call with room for deep recursion, in the context of the caller."""
    results: list[T] = []
    errors: list[BaseException] = []
    context = contextvars.copy_context()

    def run() -> None:
        try:
            results.append(context.run(call))
        except BaseException as error:  # noqa: BLE001 - raised again by the caller's thread
            errors.append(error)

    _in_deep_thread(run)
    if errors:
        raise errors[0]
    return results[0]


def _in_deep_thread(run: Callable[[], None]) -> None:
    limit, stack = sys.getrecursionlimit(), threading.stack_size(STACK_BYTES)
    sys.setrecursionlimit(max(limit, LEVELS))
    try:
        thread: Any = threading.Thread(target=run, name="j2k-deep")
        thread.start()
        thread.join()
    finally:
        threading.stack_size(stack)
        sys.setrecursionlimit(limit)


def with_room(call: Callable[[], T]) -> T:
    """Call as usual, and once more with room where that recursed too deeply; ``call`` starts anew each time."""
    try:
        return call()
    except RecursionError:
        return with_deep_stack(call)
