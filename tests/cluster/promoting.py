"""A notebook that is proven on the sandbox and promoted to the twin, in the hands of a test."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from j2k_dev.promote.release import read_records, selector
from tests.e2e.desk import Told

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from j2k_dev.deploy.kubectl import Kubectl
    from j2k_dev.promote.model import Release
    from tests.e2e.desk import Desk

PIPELINE = "weather"
NAMESPACE = f"j2k-{PIPELINE}"
SECONDS = 500.0
LOAD = """# j2k: stage load
import pathlib
rows = [line.split(',') for line in pathlib.Path('weather.csv').read_text().split()]"""
FIT = "# j2k: stage fit\nmean = sum(float(row[1]) for row in rows) / len(rows)\nprint(round(mean, 3))"
REPORT = "# j2k: stage report\nopen('report.txt', 'w').write(f'{mean:.3f}')\nprint('written')"


@dataclass(frozen=True)
class Promoting:
    """A folder with the notebook and its target file, the twin's context, and its administrator."""

    desk: Desk
    context: str
    admin: Kubectl

    @property
    def target(self) -> dict[str, Any]:
        """Read the target file."""
        told: dict[str, Any] = yaml.safe_load(self._target.read_text())
        return told

    @contextmanager
    def other_target(self, **changes: Any) -> Iterator[None]:
        """Have other values in the target file while the block runs."""
        before = self._target.read_text()
        self._target.write_text(yaml.safe_dump({**self.target, **changes}))
        try:
            yield
        finally:
            self._target.write_text(before)

    def notebook(self, load: str = LOAD, fit: str = FIT, report: str = REPORT) -> Path:
        """Write the notebook."""
        return self.desk.notebook("weather.ipynb", load, fit, report)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a promotion."""
        return self.desk.start("promote", "--context", self.context, "--json", *arguments)

    def promote(self, *arguments: str) -> Told:
        """Promote, and wait for the end."""
        return self.end(self.start(*arguments))

    def end(self, process: subprocess.Popen[str]) -> Told:
        """Wait for the end of a command, which shows no traceback of ours."""
        began = time.monotonic()
        stdout, stderr = process.communicate(timeout=SECONDS)
        told = Told(process.returncode, stdout, stderr, time.monotonic() - began)
        assert "Traceback" not in told.stderr, told.stderr
        return told

    def until(self, process: subprocess.Popen[str], doing: str) -> None:
        """Wait until a command says that it does something."""
        assert process.stderr is not None
        seen = []
        for line in process.stderr:
            seen.append(line)
            if doing in line:
                return
        said = process.stdout.read() if process.stdout else ""
        raise AssertionError(f"it never was {doing}: {''.join(seen)}{said}")

    # --- what is on the twin ------------------------------------------------------------------------------------------

    def releases(self) -> tuple[Release, ...]:
        """Read the records."""
        return read_records(self.admin.get("configmaps", NAMESPACE, selector(PIPELINE)))

    def states(self) -> list[str]:
        """Tell what became of the releases, the earliest first."""
        return [release.state for release in self.releases()]

    def pods(self) -> dict[str, set[str]]:
        """Name the pods of each stage that are not leaving."""
        found: dict[str, set[str]] = {}
        for pod in self.admin.get("pods", NAMESPACE, f"j2k.dev/pipeline={PIPELINE}"):
            if "deletionTimestamp" not in pod["metadata"]:
                found.setdefault(pod["metadata"]["labels"]["j2k.dev/stage"], set()).add(pod["metadata"]["name"])
        return found

    def resource_versions(self) -> dict[str, str]:
        """Tell the versions of all Deployments' specifications."""
        found = self.admin.get("deployments", NAMESPACE)
        return {each["metadata"]["name"]: str(each["metadata"]["generation"]) for each in found}

    def patch(self, what: str, change: Any, kind: str = "merge") -> None:
        """Change something as the administrator."""
        options = ("--namespace", NAMESPACE, f"--type={kind}", "--field-manager", "somebody")
        self.admin.call("patch", *what.split("/"), *options, "--patch", json.dumps(change))

    @property
    def _target(self) -> Path:
        return self.desk.folder / "targets" / f"{self.context}.yaml"


class Line(socketserver.ThreadingTCPServer):
    """A way to the twin's API server that can be cut: whatever goes over it breaks, and nothing new gets through."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, server: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Through)
        self.server = server
        self.whole = True
        self.through: list[socket.socket] = []

    def cut(self) -> None:
        """Break all connections, and let none through from now on."""
        self.whole = False
        for each in self.through:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let connections through again."""
        self.whole = True


class _Through(socketserver.BaseRequestHandler):
    server: Line

    def handle(self) -> None:
        if not self.server.whole:
            return
        with socket.create_connection(self.server.server) as there:
            self.server.through += [self.request, there]
            back = threading.Thread(target=_carry, args=(there, self.request), daemon=True)
            back.start()
            _carry(self.request, there)
            back.join()


def _carry(here: socket.socket, there: socket.socket) -> None:
    with suppress(OSError):
        while data := here.recv(1 << 16):
            there.sendall(data)
    with suppress(OSError):
        there.shutdown(socket.SHUT_WR)


@contextmanager
def line_to(kubeconfig: Path, copy: Path) -> Iterator[Line]:
    """Give a line to the API server of a kubeconfig, and write one that goes over it."""
    told = yaml.safe_load(kubeconfig.read_text())
    address = told["clusters"][0]["cluster"]["server"].rpartition("//")[2]
    host, _, port = address.partition(":")
    with Line((host, int(port))) as line:
        told["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{line.server_address[1]}"
        copy.write_text(yaml.safe_dump(told))
        thread = threading.Thread(target=line.serve_forever, daemon=True)
        thread.start()
        try:
            yield line
        finally:
            line.cut()
            line.shutdown()
            thread.join()
