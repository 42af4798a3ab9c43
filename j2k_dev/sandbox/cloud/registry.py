"""The twin's registry: behind a certificate and a password, for whoever pushes and whoever pulls."""

from __future__ import annotations

import hashlib
import http.client
import re
import ssl
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.cloud.files import write_private
from j2k_dev.sandbox.commands import Command
from j2k_dev.sandbox.registry import registry_address, registry_spec
from j2k_dev.sandbox.waiting import wait_until

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping
    from pathlib import Path

    from j2k_dev.sandbox.cloud.authority import Identity
    from j2k_dev.sandbox.cloud.files import Login
    from j2k_dev.sandbox.cloud.model import Cloud
    from j2k_dev.sandbox.commands import Runner
    from j2k_dev.sandbox.containers import Spec
    from j2k_dev.sandbox.model import Image
    from j2k_dev.sandbox.network import Subnet

_CERTIFICATE, _KEY, _PASSWORDS = "/etc/registry/tls.crt", "/etc/registry/tls.key", "/etc/registry/htpasswd"
_READY_SECONDS = 30.0
_ANSWER_SECONDS = 5.0
_HASH = re.compile(r"(\S+):\$2[aby]\$\S+")


def cloud_registry_spec(
    cloud: Cloud, image: Image, identity: Identity, passwords: str, subnet: Subnet, ports: Mapping[int, int]
) -> Spec:
    """Say what the registry is made from: another certificate or password is another registry, on the same volume."""
    plain = registry_spec(cloud.sandbox, image, subnet, ports)
    folder = cloud.root.absolute()
    files = {"registry.crt": _CERTIFICATE, "registry.key": _KEY, "htpasswd": _PASSWORDS}
    digest = hashlib.sha256(f"{identity.certificate}{identity.key}{passwords}".encode()).hexdigest()
    settings = {
        "REGISTRY_HTTP_TLS_CERTIFICATE": _CERTIFICATE,
        "REGISTRY_HTTP_TLS_KEY": _KEY,
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_REALM": "twin",
        "REGISTRY_AUTH_HTPASSWD_PATH": _PASSWORDS,
        "J2K_FILES": digest[:16],
    }
    return replace(
        plain,
        environment={**plain.environment, **settings},
        files={str(folder / name): inside for name, inside in files.items()},
    )


def write_registry_files(cloud: Cloud, identity: Identity, login: Login, program: Path, runner: Runner) -> str:
    """Write what the registry reads; return its file of passwords, which is made anew only for another login."""
    for name, text in {"registry.crt": identity.certificate, "registry.key": identity.key}.items():
        file = cloud.root / name
        if not file.is_file() or file.read_text(encoding="ascii") != text:
            write_private(file, text)
    file, mark = cloud.root / "htpasswd", hashlib.sha256(f"{login.basic}".encode()).hexdigest()[:16]
    with suppress(OSError):
        kept = file.read_text(encoding="ascii")
        if _HASH.match(kept) and kept.endswith(f"# {mark}\n"):
            return kept
    hashed = runner.run(Command([program, "htpasswd", "-user", login.user], stdin=login.password.encode()))
    passwords = f"{hashed.strip()}\n# {mark}\n"
    write_private(file, passwords)
    return passwords


def wait_for_cloud_registry(cloud: Cloud, spec: Spec, stop: threading.Event) -> None:
    """Wait until it answers with its certificate and asks who is there."""
    address = registry_address(spec)

    def silent() -> MachineryFailed:
        told = f"the registry did not answer at https://{address}/v2/ within {_READY_SECONDS:g} seconds"
        return MachineryFailed(told, f"see what it says: docker logs {spec.name}")

    wait_until(lambda: _asks(address, cloud.authority), _READY_SECONDS, silent, stop)


def _asks(address: str, authority: Path) -> bool:
    trust = ssl.create_default_context(cafile=str(authority))
    try:
        with closing(http.client.HTTPSConnection(address, timeout=_ANSWER_SECONDS, context=trust)) as connection:
            connection.request("GET", "/v2/")
            return connection.getresponse().status == http.HTTPStatus.UNAUTHORIZED
    except (OSError, http.client.HTTPException):
        return False


def cloud_hosts_toml(registry: str, authority: str) -> str:
    """Write what a node's containerd is told of the registry: whose certificate it has."""
    url = f"https://{registry}"
    return f'server = "{url}"\n\n[host."{url}"]\n  capabilities = ["pull", "resolve"]\n  ca = "{authority}"\n'


def registry_hosts(cloud: Cloud) -> tuple[str, ...]:
    """Name the registry as this machine and the cluster call it."""
    return (cloud.registry.rpartition(":")[0], "localhost", "127.0.0.1")
