"""A registry in a few lines: what pushing and pulling need of the OCI distribution specification, checked strictly."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class SmallRegistry(ThreadingHTTPServer):
    """Blobs and manifests by digest; ``closed`` makes it ask who is there; ``broken`` answers are never given."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.sent: list[str] = []
        self.closed = False
        self.broken = 0

    @property
    def address(self) -> str:
        return f"localhost:{self.server_port}"


@contextmanager
def small_registry() -> Iterator[SmallRegistry]:
    with SmallRegistry() as registry:
        thread = threading.Thread(target=registry.serve_forever)
        thread.start()
        try:
            yield registry
        finally:
            registry.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: SmallRegistry

    def do_HEAD(self) -> None:
        kind, _, name = self.path.rpartition("/")
        there = self.server.manifests if kind.endswith("/manifests") else self.server.blobs
        self._answer(401 if self.server.closed else 200 if name in there else 404)

    def do_GET(self) -> None:
        kind, _, name = self.path.rpartition("/")
        there = self.server.manifests if kind.endswith("/manifests") else self.server.blobs
        if not self._breaks():
            self._answer(200 if name in there else 404, there.get(name, b""))

    def do_POST(self) -> None:
        self._answer(202, Location=f"{self.path}1?state=a")

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self._breaks():
            return
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if "/manifests/" in self.path:
            needed = [json.loads(data)["config"], *json.loads(data)["layers"]]
            fine = all(len(self.server.blobs.get(each["digest"], b"")) == each["size"] for each in needed)
            self.server.manifests |= {digest: data, self.path.rpartition("/")[2]: data}
        else:
            asked = re.search(r"[?&]digest=(sha256:\w+)", self.path)
            fine = asked is not None and asked[1] == digest
            self.server.blobs[digest] = data
            self.server.sent.append(digest)
        self._answer(201 if fine else 400)

    def _breaks(self) -> bool:
        """Close the connection without an answer, as often as that is asked for."""
        breaks = self.server.broken > 0
        self.server.broken -= breaks
        self.close_connection = self.close_connection or breaks
        return breaks

    def _answer(self, code: int, data: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
