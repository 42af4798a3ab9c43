"""A kernel of another language: a program of its own, which runs cells and is spoken to as Jupyter does.

Runs in j2k's own interpreter. A process that speaks to a kernel ends as its kernel ends, so whoever looks after it
knows what to do: a kernel that is killed is a process that was killed.
"""

from __future__ import annotations

import functools
import os
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty
from typing import TYPE_CHECKING, Any

from jupyter_client.manager import KernelManager
from jupyter_core.utils import run_sync

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.recording import CellError
from j2k_dev.worker import processes, usage
from j2k_dev.worker.execution import CellRun
from j2k_dev.worker.outputs import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

START_SECONDS = 120.0
REPLY_SECONDS = 30.0
SETTLE_SECONDS = 2.0
LOOK_SECONDS = 0.5
ASKED = "StdinNotImplementedError"
_SEE_LOG = "its log says why; `jupyter console --kernel NAME` starts it without j2k"

# What nbformat knows of each message, and what stands for what a kernel left out.
_FIELDS: dict[str, dict[str, Any]] = {
    "stream": {"name": "stdout", "text": ""},
    "display_data": {"data": {}, "metadata": {}, "transient": {}},
    "update_display_data": {"data": {}, "metadata": {}, "transient": {}},
    "execute_result": {"data": {}, "metadata": {}, "execution_count": None},
    "error": {"ename": "", "evalue": "", "traceback": []},
}


class _Asked(Exception):  # noqa: N818 - says what the cell did
    """The cell asks for input."""


@dataclass(frozen=True)
class ForeignKernel:
    """A running kernel, and what collects its outputs; ``requests`` are the cells so far by the ids of their messages.

    Some kernels (deno) go on sending outputs of a cell after they said that they are idle: these are still the cell's.
    """

    manager: Any
    client: Any
    collector: Collector
    requests: dict[str, int] = field(default_factory=dict)

    @property
    def process(self) -> int:
        """Return the process that the kernelspec's command is."""
        return int(self.manager.provisioner.pid)

    def run(self, source: str, index: int, _cell_id: str | None = None) -> CellRun:
        """Run a cell and return its outputs; its error is what the kernel answers."""
        wall, cpu = time.perf_counter(), usage.cpu_seconds(self.process)
        request = self.client.execute(source, allow_stdin=False, stop_on_error=False)
        self.requests[request] = index
        self.collector.start(index, request)
        try:
            self._collect(request)
            reply = self._next(self.client.get_shell_msg, request, time.monotonic() + REPLY_SECONDS)["content"]
        except _Asked:
            evalue = "the cell asks for input, and nobody is there to answer: set the value in the notebook"
            reply = {"status": "error", "ename": ASKED, "evalue": evalue}
        self.collector.stop()
        return CellRun(
            outputs=self.collector.finished(index),
            execution_count=reply.get("execution_count"),
            wall_seconds=time.perf_counter() - wall,
            cpu_seconds=usage.cpu_seconds(self.process) - cpu,
            error=_error(index, reply),
        )

    def settle(self) -> None:
        """Collect what comes late, until nothing has come for a moment, or it does not end."""
        until = time.monotonic() + SETTLE_SECONDS
        with suppress(Empty):
            while time.monotonic() < until:
                self._take(self.client.get_iopub_msg(timeout=LOOK_SECONDS))

    def reset_peak(self) -> None:
        """Make ``peak_bytes`` count from now on."""
        usage.reset_peaks(self.process)

    def peak_bytes(self) -> int:
        """Return the peak memory of the kernel and the programs that it started, as far as they are alive."""
        return usage.peak_bytes(self.process)

    def _collect(self, request: str) -> None:
        """Collect what the kernel puts out for a request, until it says that it is idle."""
        while True:
            message = self._next(self.client.get_iopub_msg, request)
            if message["header"]["msg_type"] == "status" and message["content"].get("execution_state") == "idle":
                return
            self._take(message)

    def _take(self, message: Any) -> None:
        kind, content, request = (
            message["header"]["msg_type"],
            message["content"],
            message["parent_header"].get("msg_id"),
        )
        if request in self.requests:
            fields = _FIELDS.get(kind)
            content = {name: content.get(name, other) for name, other in fields.items()} if fields else content
            self.collector.message_of(self.requests[request], kind, content, request)

    def _next(self, get: Callable[..., Any], request: str, until: float = float("inf")) -> Any:
        """Wait for the next message that belongs to a request; look now and then whether the kernel is there."""
        while True:
            if time.monotonic() > until:
                raise MachineryFailed(f"the kernel {self.manager.kernel_name!r} is idle and gave no answer", _SEE_LOG)
            try:
                message = get(timeout=LOOK_SECONDS)
            except Empty:
                self._look()
                continue
            if message["parent_header"].get("msg_id") == request:
                return message
            self._take(message)

    def _look(self) -> None:
        code = run_sync(self.manager.provisioner.poll)()
        if code is not None:
            processes.log(f"the kernel {self.manager.kernel_name!r} has ended\n")
            processes.end_as(code)
        if self.client.stdin_channel.msg_ready():
            raise _Asked


def _error(index: int, reply: dict[str, Any]) -> CellError | None:
    if reply["status"] == "ok":
        return None
    # Some kernels (bash_kernel) give their errors no name, or answer 'abort' and nothing more.
    ename, evalue = reply.get("ename") or "Error", reply.get("evalue") or f"the kernel answers {reply['status']!r}"
    return CellError(index, str(ename), str(evalue), tuple(map(str, reply.get("traceback") or ())))


@contextmanager
def running(name: str, work: Path, connection: Path) -> Iterator[ForeignKernel]:
    """Start the kernel of a kernelspec in a working directory, and end it and its process group on the way out.

    ``connection`` is the file that tells the kernel where to listen. Raises MachineryFailed where it does not start.
    """
    manager = KernelManager(kernel_name=name, connection_file=str(connection))
    with ExitStack() as stack:
        stack.callback(manager.shutdown_kernel, now=True)
        # If this process is killed, so is the kernel.
        manager.start_kernel(cwd=str(work), preexec_fn=functools.partial(processes.die_with, os.getpid()))
        client = manager.blocking_client()
        stack.callback(client.stop_channels)
        client.start_channels(hb=False)
        _wait_until_ready(manager, client)
        yield ForeignKernel(manager, client, Collector())


def _wait_until_ready(manager: Any, client: Any) -> None:
    try:
        client.wait_for_ready(timeout=START_SECONDS)
    except RuntimeError as error:
        code = run_sync(manager.provisioner.poll)()
        if code is not None and code < 0:
            processes.end_as(code)
        how = f"said nothing within {START_SECONDS:g} s" if code is None else f"ended at once with exit status {code}"
        raise MachineryFailed(f"the kernel {manager.kernel_name!r} {how}", _SEE_LOG) from error
