"""Secrets are known by their names and by private keys in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from j2k_dev.packaging.secrets import holds_private_key, is_secret

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "path",
    [
        "/home/me/.ssh/id_ed25519",
        "/home/me/.ssh/config",
        "/home/me/.netrc",
        "/home/me/.aws/credentials",
        "/home/me/.config/gcloud/application_default_credentials.json",
        "/home/me/.kube/config",
        "/srv/app/.env",
        "/srv/app/.env.production",
        "/etc/shadow",
        "/etc/ssh/ssh_host_rsa_key",
        "/env/pip.conf",
        "/env/lib/python3.11/site-packages/x-1.dist-info/direct_url.json",
    ],
)
def test_a_file_that_holds_secrets_is_known_by_its_name(path: str) -> None:
    assert is_secret(path)


@pytest.mark.parametrize(
    "path",
    [
        "/env/lib/python3.11/secrets.py",
        "/env/lib/python3.11/site-packages/certifi/cacert.pem",
        "/env/lib/python3.11/site-packages/botocore/credentials.py",
        "/env/lib/python3.11/site-packages/dotenv/__init__.py",
        "/usr/lib/x86_64-linux-gnu/libkrb5.so.3",
    ],
)
def test_a_module_about_secrets_holds_none(path: str) -> None:
    assert not is_secret(path)


def test_a_private_key_is_found_in_a_file_of_any_name(tmp_path: Path) -> None:
    for name, found in (("server.txt", True), ("keys.py", False)):
        file = tmp_path / name
        file.write_text("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n")
        assert holds_private_key(str(file), file.stat().st_size) is found
