"""Pools of workers, tasks and futures that have nothing left to do: ``with … as pool`` leaves them in the namespace.

What still has work can't go to another process and is refused by name.
"""

from __future__ import annotations

import asyncio
import pickle
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import threading

Reduced = tuple[Any, ...]
Outcome = tuple[str, Any]


def job_reducers() -> dict[type, Any]:
    """Return reducers for the kinds of pools whose modules are loaded, and for asyncio's objects."""
    reducers: dict[type, Any] = {asyncio.Task: reduce_task, asyncio.Future: reduce_future}
    reducers[asyncio.SelectorEventLoop] = reduce_loop
    if threads := sys.modules.get("concurrent.futures.thread"):
        reducers[threads.ThreadPoolExecutor] = reduce_thread_pool
    if processes := sys.modules.get("concurrent.futures.process"):
        reducers[processes.ProcessPoolExecutor] = reduce_process_pool
    if pool := sys.modules.get("multiprocessing.pool"):
        reducers |= {pool.Pool: reduce_pool, pool.ThreadPool: reduce_pool}
    if futures := sys.modules.get("concurrent.futures._base"):
        reducers[futures.Future] = reduce_done
    return reducers


def reduce_loop(loop: asyncio.AbstractEventLoop) -> Reduced:
    """Reduce the loop that cells run in to whatever that is there; another one only if it is closed."""
    if loop is notebook_loop():
        return notebook_loop, ()
    if loop.is_closed():
        return make_closed_loop, ()
    raise pickle.PicklingError("cannot hand over an event loop of the notebook's own: close it in its cell")


def notebook_loop() -> asyncio.AbstractEventLoop:
    """Return the loop that cells run in."""
    from IPython import get_ipython  # noqa: PLC0415 - resolved where the state is loaded

    loop: asyncio.AbstractEventLoop = get_ipython().kernel.j2k_loop
    return loop


def make_closed_loop() -> asyncio.AbstractEventLoop:
    """Make an event loop that is closed."""
    loop = asyncio.SelectorEventLoop()
    loop.close()
    return loop


def _outcome(future: Any) -> Outcome:
    if not future.done():
        kind = type(future).__name__
        raise pickle.PicklingError(f"cannot hand over a {kind} that is not done: wait for it in its cell")
    if future.cancelled():
        return "cancelled", None
    error = future.exception()
    return ("result", future.result()) if error is None else ("exception", error)


def reduce_task(task: asyncio.Task[Any]) -> Reduced:
    """Reduce a task that is done to its name, its coroutine's name and its outcome."""
    return make_task, (task.get_name(), getattr(task.get_coro(), "__qualname__", ""), _outcome(task))


def make_task(name: str, qualname: str, outcome: Outcome) -> asyncio.Task[Any]:
    """Make a task that is done."""
    loop = notebook_loop()

    async def over() -> Any:
        if outcome[0] == "cancelled":
            raise asyncio.CancelledError
        if outcome[0] == "exception":
            raise outcome[1]
        return outcome[1]

    over.__name__, over.__qualname__ = qualname.rpartition(".")[2], qualname
    task = loop.create_task(over(), name=name)
    loop.run_until_complete(asyncio.wait([task]))
    if outcome[0] == "exception":
        task.exception()  # or the loop complains that nobody asked for it
    return task


def reduce_future(future: asyncio.Future[Any]) -> Reduced:
    """Reduce an asyncio future to its outcome, or to one that nobody has set yet."""
    return make_future, (_outcome(future) if future.done() else None,)


def make_future(outcome: Outcome | None) -> asyncio.Future[Any]:
    """Make an asyncio future."""
    future: asyncio.Future[Any] = notebook_loop().create_future()
    _settle(future, outcome)
    return future


def reduce_done(future: Any) -> Reduced:
    """Reduce a future of a pool that is done to its outcome."""
    return make_done, (type(future), _outcome(future))


def make_done(kind: Any, outcome: Outcome) -> Any:
    """Make a future of a pool that is done."""
    future = kind()
    _settle(future, outcome)
    return future


def _settle(future: Any, outcome: Outcome | None) -> None:
    if outcome is None:
        return
    if outcome[0] == "cancelled":
        future.cancel()
    elif outcome[0] == "exception":
        future.set_exception(outcome[1])
        future.exception()
    else:
        future.set_result(outcome[1])


def reduce_thread_pool(pool: Any) -> Reduced:
    """Reduce a pool of threads that has nothing to do to its settings."""
    if not pool._work_queue.empty() or not all(_waits(thread) for thread in pool._threads):  # noqa: SLF001 - no public way
        raise pickle.PicklingError("cannot hand over a ThreadPoolExecutor that still has work: wait for it in its cell")
    settings = (pool._max_workers, pool._thread_name_prefix, *_initialiser(pool))  # noqa: SLF001 - no public way
    return make_thread_pool, (type(pool), settings, pool._shutdown)  # noqa: SLF001 - no public way


def _initialiser(pool: Any) -> tuple[Any, Any]:
    """Return what each thread begins with; Python 3.14 keeps it where it can't be read, and has none most times."""
    if hasattr(pool, "_initializer"):
        return pool._initializer, pool._initargs  # noqa: SLF001 - no public way
    return None, ()


def _waits(thread: threading.Thread) -> bool:
    """Tell a thread that has ended or waits for work: its innermost frame is that of the pool's loop."""
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 - the only way to see what a thread is doing
    return frame is None or not thread.is_alive() or frame.f_code.co_name == "_worker"


def make_thread_pool(kind: Any, settings: tuple[Any, ...], over: bool) -> Any:  # noqa: FBT001 - a pickle passes it by place
    """Make a pool of threads, shut down if it was."""
    pool = kind(*settings)
    if over:
        pool.shutdown()
    return pool


def reduce_process_pool(pool: Any) -> Reduced:
    """Reduce a pool of processes that was shut down."""
    if pool._executor_manager_thread is not None and pool._executor_manager_thread.is_alive():  # noqa: SLF001 - no public way
        raise pickle.PicklingError("cannot hand over a running ProcessPoolExecutor: shut it down in its cell")
    return make_process_pool, (type(pool), pool._max_workers)  # noqa: SLF001 - no public way


def make_process_pool(kind: Any, workers: int) -> Any:
    """Make a pool of processes that was shut down."""
    pool = kind(workers)
    pool.shutdown()
    return pool


def reduce_pool(pool: Any) -> Reduced:
    """Reduce a multiprocessing pool that was closed or terminated to how it looks."""
    if pool._state == "RUN" or pool._worker_handler.is_alive():  # noqa: SLF001 - no public way
        raise pickle.PicklingError(f"cannot hand over a running {type(pool).__name__}: close and join it in its cell")
    return make_pool, (type(pool), pool._state, len(pool._pool))  # noqa: SLF001 - no public way


def make_pool(kind: Any, state: str, size: int) -> Any:
    """Make a multiprocessing pool that is over: all it can do is to say so."""
    pool = kind.__new__(kind)
    pool._state, pool._pool = state, [None] * size  # noqa: SLF001 - no public way
    return pool
