"""The shell that Jupyter's Python kernel uses, without the kernel: its messages go to a collector instead of sockets.

Nothing is subclassed that a notebook can see: ``type(get_ipython())`` is ipykernel's ``ZMQInteractiveShell``. Cells run
inside a running asyncio loop, as they do in the kernel, so that tasks live on from cell to cell.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import ipykernel_launcher
from ipykernel import zmqshell
from ipykernel.compiler import XCachingCompiler
from ipykernel.zmqshell import ZMQInteractiveShell
from traitlets.config import Config

from j2k_dev.model.recording import CellError
from j2k_dev.worker.depth import like_the_kernel
from j2k_dev.worker.execution import CellRun
from j2k_dev.worker.journal import Journal, stream_files
from j2k_dev.worker.kernel import CollectingSession, IPythonKernel, answer, connect, deliver, request_for
from j2k_dev.worker.outputs import Collector
from j2k_dev.worker.streams import OutStream, Spool, redirect

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

T = TypeVar("T")
INLINE_BACKEND = "module://matplotlib_inline.backend_inline"


@dataclass(frozen=True)
class NotebookShell:
    """The shell of a notebook together with what collects its outputs, and the loop its cells run in."""

    ip: ZMQInteractiveShell
    collector: Collector
    loop: asyncio.AbstractEventLoop
    streams: tuple[OutStream, OutStream]
    context: contextvars.Context
    kernel: Any
    session: CollectingSession

    def within(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function where cells run: what a cell sets in a context variable lasts, as in the kernel."""
        return self.context.run(function, *args)

    def run(self, source: str, index: int, cell_id: str | None = None) -> CellRun:
        """Run a cell as Jupyter's kernel does and return its outputs."""
        self._begin(index)
        wall, cpu = time.perf_counter(), time.process_time()
        outcome = self._outcome(source, cell_id)
        self._end()
        return CellRun(
            outputs=self.collector.finished(index),
            execution_count=self.ip.execution_count - 1,
            wall_seconds=time.perf_counter() - wall,
            cpu_seconds=time.process_time() - cpu,
            error=self._error(index, outcome),
        )

    def _begin(self, index: int) -> None:
        self._flush()
        request = request_for(f"cell-{index}")
        self.within(answer, self.kernel, request)
        self.collector.start(index, request["msg_id"])
        self.kernel._forward_input(False)  # noqa: SLF001, FBT003 - as ipykernel does for each cell

    def _end(self) -> None:
        self.kernel._restore_input()  # noqa: SLF001 - as ipykernel does after each cell
        self._flush()
        self.collector.stop()
        self.ip.payload_manager.clear_payload()
        for reply in self.collector.displays.areas.replies():
            self.within(deliver, self.kernel, reply)

    def _flush(self) -> None:
        for stream in self.streams:
            stream.flush()
        self.session.take_in()

    def _outcome(self, source: str, cell_id: str | None) -> Any:
        """Follow ``IPythonKernel.do_execute``: top-level await in a task, all else as a plain call in the loop."""
        transformed, broken = self.within(self._transform, source)
        is_async = self.ip.should_run_async(source, transformed_cell=transformed, preprocessing_exc_tuple=broken)
        like_the_kernel(awaited=is_async)
        if is_async:
            awaited = self._awaited(source, transformed, broken, cell_id)
            return self.loop.run_until_complete(self.within(self.loop.create_task, awaited))
        outcomes: list[Any] = []

        def call() -> None:
            try:
                outcomes.append(self.ip.run_cell(source, store_history=True, cell_id=cell_id))
            finally:
                self.loop.stop()

        self.loop.call_soon(call, context=self.context)
        self.loop.run_forever()
        return outcomes[0]

    async def _awaited(self, source: str, transformed: str, broken: Any, cell_id: str | None) -> Any:
        running: Coroutine[Any, Any, Any] = self.ip.run_cell_async(
            source, store_history=True, transformed_cell=transformed, preprocessing_exc_tuple=broken, cell_id=cell_id
        )
        outcome = None
        try:
            outcome = await running
        finally:
            self.ip.events.trigger("post_execute")
            self.ip.events.trigger("post_run_cell", outcome)
        return outcome

    def _transform(self, source: str) -> tuple[str, Any]:
        try:
            return self.ip.transform_cell(source), None
        except Exception:  # noqa: BLE001 - whatever the user's input transformers raise becomes the cell's error
            return source, sys.exc_info()

    def _error(self, index: int, outcome: Any) -> CellError | None:
        raised = outcome.error_before_exec or outcome.error_in_exec
        if raised is None and not getattr(self.ip, "_last_traceback_during_displayhook", False):
            return None
        shown = [o for o in self.collector.finished(index) if o["output_type"] == "error"]
        if shown:
            last = shown[-1]
            return CellError(index, last["ename"], last["evalue"], tuple(last["traceback"]))
        return CellError(index, type(raised).__name__, str(raised), tuple(self.ip._last_traceback or ()))  # noqa: SLF001 - as ipykernel does


def start_shell(kept: Path | None = None) -> NotebookShell:
    """Turn this process into a notebook's: shell, streams, no stdin, inline plots, a running loop for tasks.

    ``kept`` is a folder for what the running cell puts out, where that shall outlive this process.
    """
    collector = Collector()
    collector.journal = Journal(kept) if kept else None
    session = CollectingSession(key=b"", username="j2k")
    session.collector, session.spool = collector, Spool()
    os.environ.setdefault("MPLBACKEND", INLINE_BACKEND)
    streams = redirect(
        lambda name, text, request: collector.message("stream", {"name": name, "text": text}, request),
        **(stream_files(kept) if kept else {}),
    )
    sys.stdout, sys.stderr = streams
    _close_stdin()
    kernel = IPythonKernel.instance(session=session, config=_config())
    ip = _instance(kernel, session)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    kernel.j2k_loop = loop
    return NotebookShell(ip, collector, loop, streams, contextvars.copy_context(), kernel, session)


def _config() -> Config:
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.IPKernelApp.connection_file = ""
    return config


def _instance(kernel: Any, session: CollectingSession) -> ZMQInteractiveShell:
    ip = ZMQInteractiveShell.instance(parent=kernel, kernel=kernel, compiler_class=XCachingCompiler)
    connect(kernel, ip, session)
    ip.extension_manager.load_extension("storemagic")  # as every IPython application does
    zmqshell.connect_qtconsole = lambda *_args, **_kwargs: None  # there is no desktop to open a window on
    sys.displayhook = ip.displayhook
    sys.argv[:] = [ipykernel_launcher.__file__, "-f", "kernel-j2k.json"]
    return ip


def _close_stdin() -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
