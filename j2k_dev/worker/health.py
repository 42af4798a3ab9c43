"""A worker's health, told on a port.

``/healthz`` while its loop beats, ``/readiness`` once it can take messages, ``/metrics`` for Prometheus. The broker has
no say in any of it: where it is away, killing workers helps nobody.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SILENCE_SECONDS = 30.0


@dataclass
class Health:
    """What is known of the worker; written by one thread, read by those that answer."""

    stage: str
    heard: float = field(default_factory=time.monotonic)
    ready: bool = False
    counts: dict[str, int] = field(default_factory=lambda: {"taken": 0, "forwarded": 0, "lost": 0})

    def begin(self) -> None:
        """Note that a worker begins, which is not ready yet."""
        self.ready = False
        self.beat()

    def beat(self) -> None:
        """Note that the worker's loop is alive."""
        self.heard = time.monotonic()

    @property
    def silent_seconds(self) -> float:
        """Say how long ago the worker's loop was heard of."""
        return time.monotonic() - self.heard

    @property
    def alive(self) -> bool:
        """Say whether the worker's loop was heard of lately."""
        return self.silent_seconds < SILENCE_SECONDS

    def metrics(self) -> str:
        """Write everything in Prometheus's text format."""
        label = f'{{stage="{self.stage}"}}'
        counters = [
            f"# TYPE j2k_messages_{name}_total counter\nj2k_messages_{name}_total{label} {count}\n"
            for name, count in self.counts.items()
        ]
        gauges = [
            f"# TYPE j2k_worker_{name} gauge\nj2k_worker_{name}{label} {value:g}\n"
            for name, value in (("ready", self.ready), ("silent_seconds", self.silent_seconds))
        ]
        return "".join([*counters, *gauges])


def serve(health: Health, port: int) -> ThreadingHTTPServer:
    """Answer on ``port`` (0: any) from a thread of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = _answer(health, self.path)
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_details: object) -> None:
            """Say nothing: probes ask every second."""

    server = ThreadingHTTPServer(("", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _answer(health: Health, path: str) -> tuple[HTTPStatus, str]:
    if path == "/metrics":
        return HTTPStatus.OK, health.metrics()
    checks = {"/healthz": health.alive, "/readiness": health.alive and health.ready}
    if path not in checks:
        return HTTPStatus.NOT_FOUND, "there are /healthz, /readiness and /metrics\n"
    return (HTTPStatus.OK, "ok\n") if checks[path] else (HTTPStatus.SERVICE_UNAVAILABLE, "not now\n")
