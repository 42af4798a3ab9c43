"""A registry whose certificate is signed by an authority of its own, as ``ca`` names it."""

from __future__ import annotations

import ssl
import threading
from typing import TYPE_CHECKING

import pytest
import trustme

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.packaging.registry import Registry
from tests.packaging.small_registry import SmallRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with SmallRegistry() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Registry(server.address, ca=str(tmp_path / "ca.pem"))
        server.shutdown()
        thread.join()


def test_a_registry_with_an_authority_of_its_own_is_spoken_to_by_https_on_this_machine_too(registry: Registry) -> None:
    with registry.session() as session:
        assert not session.has("weather/manifests/none")


def test_what_the_environment_says_of_certificates_does_not_count_there(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(other))
    with registry.session() as session:
        assert not session.has("weather/manifests/none")


def test_another_authority_is_not_trusted(registry: Registry, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    with (
        pytest.raises(MachineryFailed, match="can't be used"),
        Registry(registry.address, ca=str(other)).session() as session,
    ):
        session.has("weather/manifests/none")
