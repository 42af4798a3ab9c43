"""The twin's user: a certificate of the cluster's own authority, and a kubeconfig with nothing else in it."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.api import read_api
from j2k_dev.sandbox.cloud.authority import Identity, signed
from j2k_dev.sandbox.cloud.files import write_private
from j2k_dev.sandbox.cloud.model import GROUP, USER
from j2k_dev.sandbox.nodes import execute

if TYPE_CHECKING:
    from docker import DockerClient

    from j2k_dev.sandbox.cloud.model import Cloud

_PKI = "/etc/kubernetes/pki"


def provide_user(cloud: Cloud, client: DockerClient, control_plane: str) -> None:
    """Write the user's kubeconfig, unless the one that is there is good for this cluster."""
    admin = yaml.safe_load(cloud.sandbox.kubeconfig.read_text(encoding="utf-8"))
    server = admin["clusters"][0]["cluster"]
    if _is_good(cloud, server):
        return
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, GROUP), x509.NameAttribute(NameOID.COMMON_NAME, USER)]
    certificate, key = (execute(client, control_plane, f"cat {_PKI}/ca.{end}") for end in ("crt", "key"))
    user = signed(Identity(certificate, key), x509.Name(names))
    write_private(cloud.kubeconfig, yaml.safe_dump(user_kubeconfig(cloud, server, user), sort_keys=False))


def user_kubeconfig(cloud: Cloud, server: dict[str, Any], user: Identity) -> dict[str, Any]:
    """Write the kubeconfig: cluster, context and user have the same name."""
    name = cloud.context
    identity = {"client-certificate-data": _packed(user.certificate), "client-key-data": _packed(user.key)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": server}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [{"name": name, "user": identity}],
        "current-context": name,
    }


def _is_good(cloud: Cloud, server: dict[str, Any]) -> bool:
    """Whether the kubeconfig leads to this cluster, and the cluster knows its user."""
    with suppress(OSError, ValueError, LookupError, TypeError, yaml.YAMLError, MachineryFailed):
        kept = yaml.safe_load(cloud.kubeconfig.read_text(encoding="utf-8"))
        api = read_api(cloud.kubeconfig)
        if kept["clusters"][0]["cluster"] == server and api:
            api.get("/api")
            return True
    return False


def _packed(pem: str) -> str:
    return base64.b64encode(pem.encode()).decode()
