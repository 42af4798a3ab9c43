"""The shell that Jupyter's Python kernel uses, without the kernel: its messages go to a collector instead of sockets.

Nothing is subclassed that a notebook can see: ``type(get_ipython())`` is ipykernel's ``ZMQInteractiveShell``. Cells run
inside a running asyncio loop, as they do in the kernel, so that tasks live on from cell to cell.
"""

from __future__ import annotations

import asyncio
import builtins
import contextvars
import functools
import getpass
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import ipykernel_launcher
from ipykernel import eventloops, zmqshell
from ipykernel.compiler import XCachingCompiler
from ipykernel.kernelbase import Kernel
from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core.error import UsageError
from jupyter_client.session import Session
from traitlets.config import Config

from j2k_dev.model.recording import CellError
from j2k_dev.worker.outputs import Collector, Output
from j2k_dev.worker.streams import Descriptor, OutStream

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")
INLINE_BACKEND = "module://matplotlib_inline.backend_inline"


@dataclass(frozen=True)
class CellRun:
    """What running one cell gave; seconds of wall clock and of processor time."""

    outputs: tuple[Output, ...]
    execution_count: int
    wall_seconds: float
    cpu_seconds: float
    error: CellError | None


class CollectingSession(Session):  # type: ignore[misc]  # jupyter_client has no types
    """A Jupyter session whose messages end in a collector."""

    collector: Collector

    def send(self, _socket: Any, message: Any, content: Any = None, *_args: Any, **_kwargs: Any) -> Any:
        """Hand a message of the kernel protocol to the collector."""
        if not isinstance(message, dict):
            message = self.msg(message, content)
        # As it would arrive: bytes (of images) in base64, dates as text.
        self.collector.message(message["header"]["msg_type"], self.unpack(self.pack(message["content"])))
        return message


class KernelStandIn:
    """What notebooks and libraries ask of ``get_ipython().kernel``."""

    eventloop = None
    iopub_socket = None
    _allow_stdin = False
    raw_input = Kernel.raw_input
    getpass = Kernel.getpass

    def __init__(self, session: CollectingSession) -> None:
        self.session = session
        self.shell: ZMQInteractiveShell | None = None
        self.exit_asked = False

    def get_parent(self, _channel: str = "shell") -> dict[str, Any]:
        """Return the header of the request that the running cell stands for."""
        return {"header": {"msg_id": "j2k", "msg_type": "execute_request", "session": "j2k"}}

    @property
    def comm_manager(self) -> Any:
        """Return the manager of widgets' channels, which lead nowhere here."""
        import comm  # noqa: PLC0415 - only where a widget asks for it

        return comm.get_comm_manager()


@dataclass(frozen=True)
class NotebookShell:
    """The shell of a notebook together with what collects its outputs, and the loop its cells run in."""

    ip: ZMQInteractiveShell
    collector: Collector
    loop: asyncio.AbstractEventLoop
    streams: tuple[OutStream, OutStream]
    context: contextvars.Context

    def within(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function where cells run: what a cell sets in a context variable lasts, as in the kernel."""
        return self.context.run(function, *args)

    def run(self, source: str, index: int, cell_id: str | None = None) -> CellRun:
        """Run a cell as Jupyter's kernel does and return its outputs."""
        self._flush()
        self.collector.start(index)
        wall, cpu = time.perf_counter(), time.process_time()
        outcome = self._outcome(source, cell_id)
        self._flush()
        self.ip.payload_manager.clear_payload()
        return CellRun(
            outputs=self.collector.finished(index),
            execution_count=self.ip.execution_count - 1,
            wall_seconds=time.perf_counter() - wall,
            cpu_seconds=time.process_time() - cpu,
            error=self._error(index, outcome),
        )

    def _flush(self) -> None:
        for stream in self.streams:
            stream.flush()

    def _outcome(self, source: str, cell_id: str | None) -> Any:
        """Follow ``IPythonKernel.do_execute``: top-level await in a task, all else as a plain call in the loop."""
        transformed, broken = self.within(self._transform, source)
        if self.ip.should_run_async(source, transformed_cell=transformed, preprocessing_exc_tuple=broken):
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


def start_shell() -> NotebookShell:
    """Turn this process into a notebook's: shell, streams, no stdin, inline plots, a running loop for tasks."""
    collector = Collector()
    session = CollectingSession(key=b"", username="j2k")
    session.collector = collector
    os.environ.setdefault("MPLBACKEND", INLINE_BACKEND)
    ip = _instance(session)
    streams = _redirect(collector)
    _refuse_stdin(ip.kernel)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return NotebookShell(ip, collector, loop, streams, contextvars.copy_context())


def _instance(session: CollectingSession) -> ZMQInteractiveShell:
    kernel = KernelStandIn(session)
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.IPKernelApp.connection_file = ""
    ip = ZMQInteractiveShell.instance(config=config, kernel=kernel, compiler_class=XCachingCompiler)
    kernel.shell = ip
    ip.displayhook.session = session
    ip.displayhook.topic = b"execute_result"
    ip.display_pub.session = session
    ip.enable_gui = functools.partial(_enable_gui, ip, kernel)
    zmqshell.connect_qtconsole = lambda *_args, **_kwargs: None  # there is no desktop to open a window on
    sys.displayhook = ip.displayhook
    sys.argv[:] = [ipykernel_launcher.__file__, "-f", "kernel-j2k.json"]
    return ip


def _enable_gui(ip: ZMQInteractiveShell, kernel: KernelStandIn, gui: str | None = None) -> None:
    """Do what the shell's own method does, which finds its kernel through an application that is not there."""
    try:
        eventloops.enable_gui(gui, kernel)
    except ValueError as error:
        raise UsageError(str(error)) from error
    ip.active_eventloop = gui


def _redirect(collector: Collector) -> tuple[OutStream, OutStream]:
    streams = (
        OutStream("stdout", collector.stream, Descriptor(1)),
        OutStream("stderr", collector.stream, Descriptor(2)),
    )
    sys.stdout, sys.stderr = streams
    return streams


def _refuse_stdin(kernel: KernelStandIn) -> None:
    """Answer ``input()`` as the kernel does when nobody can be asked."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    builtins.input = kernel.raw_input
    getpass.getpass = kernel.getpass
