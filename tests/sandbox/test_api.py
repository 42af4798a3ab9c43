"""Asking a cluster's API: over HTTPS, each side with its certificate, and failures told in our words."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import trustme
import yaml

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.api import Api, read_api

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Server:
    """An API server that only its own users may ask: what it was asked, and what it answers."""

    address: str = ""
    status: int = 200
    answer: bytes = b"{}"
    asked: list[tuple[str, str, str | None, bytes]] = field(default_factory=list)


@contextmanager
def serving(authority: trustme.CA) -> Iterator[Server]:
    """Serve on a port of this machine."""

    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            server.asked.append((self.command, self.path, self.headers["Content-Type"], body))
            self.send_response(server.status)
            self.end_headers()
            self.wfile.write(server.answer)

        do_PATCH = do_GET  # noqa: N815 - the library's

        def log_message(self, *_arguments: Any) -> None: ...

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.handle_error = lambda *_arguments: None  # type: ignore[method-assign] # who is turned away is no news
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
        server.address = f"127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()


def kubeconfig_of(server: Server, authority: trustme.CA, user: trustme.CA, folder: Path) -> Path:
    """Write the kubeconfig of somebody whom ``user`` vouches for."""
    identity = user.issue_cert("ada@example.org")
    cluster = {
        "server": f"https://{server.address}",
        "certificate-authority-data": encoded(authority.cert_pem.bytes()),
    }
    certificate, key = identity.cert_chain_pems[0].bytes(), identity.private_key_pem.bytes()
    known = {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)}
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump({"clusters": [{"cluster": cluster}], "users": [{"user": known}]}))
    return path


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[Server]:
    with serving(authority) as server:
        yield server


@pytest.fixture
def api(server: Server, authority: trustme.CA, tmp_path: Path) -> Api:
    api = read_api(kubeconfig_of(server, authority, authority, tmp_path))
    assert api
    return api


def test_what_is_at_a_path_is_returned(api: Api, server: Server) -> None:
    server.answer = b'{"items": [1]}'
    assert api.get("/api/v1/nodes") == {"items": [1]}
    assert server.asked[0][:2] == ("GET", "/api/v1/nodes")


def test_an_object_is_applied_on_the_server_under_our_name(api: Api, server: Server) -> None:
    wanted = {"kind": "Namespace", "metadata": {"name": "ours"}}
    api.apply("/api/v1/namespaces/ours", wanted)
    ((method, path, kind, body),) = server.asked
    assert (method, path) == ("PATCH", "/api/v1/namespaces/ours?fieldManager=j2k&force=true")
    assert kind == "application/apply-patch+yaml"
    assert json.loads(body) == wanted


def test_a_refusal_says_what_was_asked_and_why_it_was_refused(api: Api, server: Server) -> None:
    server.status, server.answer = 404, b'{"message": "no such thing"}'
    with pytest.raises(MachineryFailed, match="answered 404") as refusal:
        api.get("/api/v1/nothing")
    assert refusal.value.detail == f"GET https://{server.address}/api/v1/nothing\nno such thing"


def test_an_answer_that_is_no_api_s_is_a_failure(api: Api, server: Server) -> None:
    server.answer = b"<html>"
    with pytest.raises(MachineryFailed, match="does not answer"):
        api.get("/")


def test_where_nobody_listens_nobody_answers(authority: trustme.CA, tmp_path: Path) -> None:
    with serving(authority) as server:
        api = read_api(kubeconfig_of(server, authority, authority, tmp_path))
    assert api
    with pytest.raises(MachineryFailed, match=f"API at {server.address} does not answer") as failure:
        api.get("/api/v1/nodes")
    assert "j2k sandbox up" in failure.value.way_out


def test_a_server_of_another_cluster_is_told_nothing(server: Server, authority: trustme.CA, tmp_path: Path) -> None:
    api = read_api(kubeconfig_of(server, trustme.CA(), authority, tmp_path))
    assert api
    with pytest.raises(MachineryFailed, match="does not answer"):
        api.get("/api/v1/nodes")
    assert server.asked == []


def test_a_user_of_another_cluster_is_told_nothing(server: Server, authority: trustme.CA, tmp_path: Path) -> None:
    api = read_api(kubeconfig_of(server, authority, trustme.CA(), tmp_path))
    assert api
    with pytest.raises(MachineryFailed, match="does not answer"):
        api.get("/api/v1/nodes")
    assert server.asked == []


@pytest.mark.parametrize(
    "content", ["", "no: kubeconfig", "{", "clusters: [{cluster: {server: 1}}]\nusers: [{user: {}}]"]
)
def test_a_damaged_kubeconfig_leads_nowhere(tmp_path: Path, content: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    assert read_api(path) is None
    path.unlink()
    assert read_api(path) is None


def test_the_key_is_not_shown(api: Api) -> None:
    assert "PRIVATE" not in repr(api)
