"""A kernel of a language of its own, for tests: a cell is orders, one a line, and says what the kernel does."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel

Reply = dict[str, Any]


class OddKernel(Kernel):  # type: ignore[misc]  # ipykernel has no types
    """Does as it is told; ``set`` and ``get`` show that there is one process behind all cells."""

    implementation = banner = "odd"
    implementation_version = "1"
    language_info = {"name": "odd", "mimetype": "text/plain", "file_extension": ".odd"}  # noqa: RUF012 - as kernels do
    value = "nothing"

    def do_execute(self, code: str, *_more: Any, **_options: Any) -> Reply:
        """Obey every line; the first that gives a reply of its own ends the cell."""
        for line in code.splitlines():
            order, _, rest = line.partition(" ")
            reply: Reply | None = getattr(self, f"order_{order}")(rest)
            if reply is not None:
                return reply
        return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}

    def order_say(self, text: str) -> None:
        self._send("stream", name="stdout", text=f"{text}\n")

    def order_late(self, text: str) -> None:
        """Put something out once the cell is over."""
        parent = self.get_parent()
        content = {"name": "stdout", "text": f"{text}\n"}
        asyncio.get_event_loop().call_later(
            0.1, lambda: self.session.send(self.iopub_socket, "stream", content, parent=parent, ident=b"stream")
        )

    def order_set(self, text: str) -> None:
        self.value = text

    def order_get(self, _: str) -> None:
        self._send("execute_result", data={"text/plain": self.value}, execution_count=self.execution_count)

    def order_show(self, text: str) -> None:
        """Show something as kernels do that leave out what the protocol asks for, and add what it does not know."""
        self._send("display_data", data={"text/plain": text}, transient={"display_id": "d"}, own=1)

    def order_update(self, text: str) -> None:
        self._send("update_display_data", data={"text/plain": text}, transient={"display_id": "d"})

    def order_fail(self, text: str) -> Reply:
        self._send("error", ename="Failure", evalue=text, traceback=["line 1"], status="error")
        return {"status": "error", "ename": "Failure", "evalue": text, "traceback": ["line 1"]}

    def order_abort(self, _: str) -> Reply:
        return {"status": "abort"}

    def order_ask(self, _: str) -> None:
        """Ask although nobody may be asked, and wait."""
        self._allow_stdin = True
        self.raw_input("name?")

    def order_write(self, name: str) -> None:
        with open(name, "w") as file:  # noqa: PTH123 - that is the point: a path relative to where the kernel is
            file.write("odd")

    def order_pid(self, _: str) -> None:
        self.order_say(str(os.getpid()))

    def order_exit(self, status: str) -> None:
        os._exit(int(status))

    def order_die(self, number: str) -> None:
        os.kill(os.getpid(), getattr(signal, number))

    def _send(self, kind: str, **content: Any) -> None:
        self.send_response(self.iopub_socket, kind, content)


if __name__ == "__main__":
    if status := os.environ.get("ODD_ENDS_AT_ONCE"):
        os._exit(int(status))
    IPKernelApp.launch_instance(kernel_class=OddKernel)
