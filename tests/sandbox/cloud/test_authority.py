"""The twin's authority: certificates that clients accept, kept while they hold, and given anew otherwise."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from j2k_dev.sandbox.cloud.authority import Identity, provide_authority, provide_certificate

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def authority(tmp_path: Path) -> Identity:
    return provide_authority(tmp_path / "ca.pem", tmp_path / "ca.key")


def given(authority: Identity, folder: Path, *hosts: str) -> Identity:
    return provide_certificate(authority, folder / "server.pem", "server", hosts)


def shake_hands(folder: Path, authority: Identity, server: Identity, host: str) -> None:
    """Speak TLS from end to end in memory; raise what the client has against the server."""
    (folder / "both.pem").write_text(server.certificate + server.key)
    at_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    at_server.load_cert_chain(folder / "both.pem")
    at_client = ssl.create_default_context(cadata=authority.certificate)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = at_client.wrap_bio(down, up, server_hostname=host)
    answering = at_server.wrap_bio(up, down, server_side=True)
    for _ in range(4):
        for side in (client, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    client.do_handshake()


@pytest.mark.parametrize("host", ["registry.internal", "127.0.0.1"])
def test_clients_that_trust_it_accept_a_server_by_its_names(authority: Identity, tmp_path: Path, host: str) -> None:
    shake_hands(tmp_path, authority, given(authority, tmp_path, "registry.internal", "127.0.0.1"), host)


def test_clients_refuse_a_server_by_another_name(authority: Identity, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(tmp_path, authority, given(authority, tmp_path, "registry.internal"), "broker.internal")


def test_what_holds_is_kept(authority: Identity, tmp_path: Path) -> None:
    assert provide_authority(tmp_path / "ca.pem", tmp_path / "ca.key") == authority
    assert given(authority, tmp_path, "a", "b") == given(authority, tmp_path, "b", "a")


def test_other_names_or_another_authority_give_another_certificate(authority: Identity, tmp_path: Path) -> None:
    first = given(authority, tmp_path, "a")
    assert given(authority, tmp_path, "b") != first
    (tmp_path / "ca.key").unlink()
    other = provide_authority(tmp_path / "ca.pem", tmp_path / "ca.key")
    second = given(authority, tmp_path, "a")
    assert given(other, tmp_path, "a") != second


def test_a_damaged_file_is_made_anew(authority: Identity, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(authority.certificate[:100])
    assert provide_authority(tmp_path / "ca.pem", tmp_path / "ca.key") != authority


def test_keys_are_for_their_owner_only(authority: Identity, tmp_path: Path) -> None:
    given(authority, tmp_path, "a")
    assert {(tmp_path / name).stat().st_mode & 0o077 for name in ("ca.key", "server.pem")} == {0}
    assert authority.key not in repr(authority)
