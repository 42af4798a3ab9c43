"""What notebooks and libraries find as ``get_ipython().kernel``: ipykernel's own kernel, without sockets and debugger.

Its messages go to a collector. ``input``, ``getpass``, widgets' channels and the header that each output belongs to are
the kernel's own doing, so they behave, and fail, as they do in Jupyter.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import comm
from ipykernel import eventloops, ipkernel
from ipykernel.kernelbase import Kernel
from IPython.core.error import UsageError
from jupyter_client.session import Session

if TYPE_CHECKING:
    from ipykernel.zmqshell import ZMQInteractiveShell

    from j2k_dev.worker.outputs import Collector
    from j2k_dev.worker.streams import Spool
    from j2k_dev.worker.widgets import Reply


class CollectingSession(Session):  # type: ignore[misc]  # jupyter_client has no types
    """A Jupyter session whose messages end in a collector; those of a forked child get there through a file."""

    collector: Collector
    spool: Spool

    def send(
        self, _socket: Any, message: Any, content: Any = None, parent: Any = None, *_args: Any, **_kwargs: Any
    ) -> Any:
        """Hand a message of the kernel protocol to the collector."""
        if not isinstance(message, dict):
            message = self.msg(message, content, parent=parent)
        # As it would arrive: bytes (of images) in base64, dates as text.
        packed = self.pack([message["header"]["msg_type"], message["content"], message["parent_header"].get("msg_id")])
        if self.spool.is_ours():
            self.take_in()
            self.collector.message(*self.unpack(packed))
        else:
            self.spool.append(packed + b"\n")
        return message

    def take_in(self) -> None:
        """Collect what forked children sent since the last call."""
        for line in self.spool.drain().splitlines():
            self.collector.message(*self.unpack(line))


class IPythonKernel(ipkernel.IPythonKernel):  # type: ignore[misc]  # ipykernel has no types
    """The kernel; what its own class would start (a debugger, a shell on sockets) is left out."""

    def __init__(self, **options: Any) -> None:
        Kernel.__init__(self, **options)
        self.comm_manager = comm.get_comm_manager()
        self._new_threads_parent_header: dict[str, Any] = {}
        if hasattr(self, "_initialize_thread_hooks"):  # ipykernel 6: what a thread prints belongs to its starter's cell
            self._initialize_thread_hooks()


IPythonKernel.__module__ = ipkernel.__name__


def request_for(name: str, kind: str = "execute_request") -> dict[str, Any]:
    """Return the message that what runs next answers."""
    header = {"msg_id": name, "msg_type": kind, "session": "j2k", "username": "j2k", "version": "5.4"}
    return {"header": header, "msg_id": name, "msg_type": kind, "parent_header": {}, "metadata": {}, "content": {}}


def answer(kernel: Any, request: dict[str, Any]) -> None:
    """Make all that is shown from now on belong to a request."""
    kernel.set_parent([b"j2k"], request)
    if hasattr(kernel, "_associate_new_top_level_threads_with"):
        kernel._associate_new_top_level_threads_with(request["header"])  # noqa: SLF001 - as its execute_request does


def deliver(kernel: Any, reply: Reply) -> None:
    """Give the kernel what a front end sent over a widget's channel."""
    request = request_for(f"comm-{os.urandom(4).hex()}", "comm_msg")
    answer(kernel, request)
    data = {"method": "update", "state": reply.state, "buffer_paths": []}
    content = {"comm_id": reply.comm, "data": data}
    kernel.comm_manager.comm_msg(None, None, {**request, "content": content, "buffers": []})


def connect(kernel: Any, shell: ZMQInteractiveShell, session: CollectingSession) -> None:
    """Do what the kernel's own class does with the shell it makes."""
    kernel.shell = shell
    shell.displayhook.session = shell.display_pub.session = session
    shell.displayhook.topic = b"execute_result"
    shell.configurables.append(kernel.comm_manager)
    shell.enable_gui = functools.partial(_enable_gui, shell, kernel)


def _enable_gui(shell: ZMQInteractiveShell, kernel: Any, gui: str | None = None) -> None:
    """Do what the shell's own method does, which finds its kernel through an application that is not there."""
    try:
        eventloops.enable_gui(gui, kernel)
    except ValueError as error:
        raise UsageError(str(error)) from error
    shell.active_eventloop = gui
