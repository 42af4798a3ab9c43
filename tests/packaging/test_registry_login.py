"""Registries that ask who pushes: the login of docker's file or helper, and tokens."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
import requests

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.packaging.layer import write_layer
from j2k_dev.packaging.oci import Image, Settings
from j2k_dev.packaging.registry import Registry
from j2k_dev.packaging.registry_login import RegistryLogin, login_for
from j2k_dev.packaging.tree import text_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADA = f"Basic {base64.b64encode(b'ada:secret').decode()}"


class Asking(ThreadingHTTPServer):
    """A registry without anything in it that asks who is there; ``bearer``: with a token, which it hands out."""

    def __init__(self, *, bearer: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bearer = bearer
        self.scopes: list[str] = []
        self.bodies: list[bytes] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Asking

    def do_HEAD(self) -> None:
        self._answer(401, b"", 'Basic realm="small"')

    def do_GET(self) -> None:
        self.server.scopes.append(self.path)
        fine = self.headers.get("Authorization") == ADA
        self._answer(200 if fine else 401, json.dumps({"token": "a-token"}).encode())

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        wanted = "Bearer a-token" if self.server.bearer else ADA
        if self.headers.get("Authorization") == wanted:
            self.server.bodies.append(body)
            self._answer(201, b"")
            return
        realm = f'realm="http://{self.server.address}/token",service="small",scope="repository:x:push"'
        self._answer(401, b"", f"Bearer {realm}" if self.server.bearer else 'Basic realm="small"')

    def _answer(self, code: int, body: bytes, asks: str = "") -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        if asks:
            self.send_header("WWW-Authenticate", asks)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def asking(*, bearer: bool) -> Iterator[Asking]:
    with Asking(bearer=bearer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


def logged_in(config: Path, host: str) -> None:
    config.write_text(json.dumps({"auths": {host: {"auth": base64.b64encode(b"ada:secret").decode()}}}))


@pytest.mark.parametrize("bearer", [False, True])
def test_a_file_is_sent_again_with_the_login(config: Path, tmp_path: Path, bearer: bool) -> None:
    (tmp_path / "layer").write_bytes(b"x" * 100_000)
    with asking(bearer=bearer) as server, requests.Session() as session, (tmp_path / "layer").open("rb") as file:
        logged_in(config, server.address)
        session.auth = RegistryLogin(login_for(server.address))
        assert session.put(f"http://{server.address}/v2/x", data=file, timeout=5).status_code == 201
        assert server.bodies == [b"x" * 100_000]
        assert server.scopes == (["/token?service=small&scope=repository%3Ax%3Apush"] if bearer else [])


def test_what_is_known_is_sent_at_once(config: Path) -> None:
    with asking(bearer=True) as server, requests.Session() as session:
        logged_in(config, f"https://{server.address}")
        session.auth = RegistryLogin(login_for(server.address))
        for _ in range(2):
            assert session.put(f"http://{server.address}/v2/x", data=b"1", timeout=5).ok
        assert len(server.scopes) == 1


def test_who_is_not_logged_in_is_told_how(config: Path, tmp_path: Path) -> None:
    image = Image((write_layer([text_file("/x", b"x")], tmp_path / "x.tar"),), Settings(("/x",), {}, {}, 1))
    with asking(bearer=False) as server:
        with pytest.raises(MachineryFailed, match="wants to know who pushes: 401") as caught:
            Registry(server.address).push(image, "x", "y")
        assert caught.value.way_out == f"docker login {server.address}"


def test_a_helper_is_asked_as_docker_asks_it(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = tmp_path / "docker-credential-mine"
    helper.write_text('#!/bin/sh\nread name\necho "{\\"Username\\": \\"ada\\", \\"Secret\\": \\"for $name\\"}"\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    config.write_text(json.dumps({"credHelpers": {"registry.example.org": "mine"}}))
    assert login_for("registry.example.org") == ("ada", "for registry.example.org")
    assert login_for("other.example.org") is None


def test_a_file_that_is_damaged_knows_nobody(config: Path) -> None:
    assert login_for("registry.example.org") is None
    config.write_text("{")
    assert login_for("registry.example.org") is None
