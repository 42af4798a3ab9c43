"""The image registry beside the cluster: HTTP on loopback, its images in a volume that goes with the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from j2k_dev.sandbox.containers import Spec
from j2k_dev.sandbox.waiting import wait_for_answer

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from j2k_dev.sandbox.model import Image, Sandbox
    from j2k_dev.sandbox.network import Subnet

PORT = 5000
_READY_SECONDS = 30.0


def registry_spec(sandbox: Sandbox, image: Image, subnet: Subnet, ports: Mapping[int, int]) -> Spec:
    """Say what the registry is made from."""
    name = sandbox.container("registry")
    return Spec(
        role="registry",
        name=name,
        image=image.reference,
        network=sandbox.network,
        address=subnet.address("registry"),
        ports={PORT: ports.get(PORT, 0)},
        # Images that nobody needs any more can be deleted.
        environment={"REGISTRY_STORAGE_DELETE_ENABLED": "true", "REGISTRY_LOG_LEVEL": "warn"},
        volumes={name: "/var/lib/registry"},
        labels=sandbox.labels,
    )


def registry_address(spec: Spec) -> str:
    """Name the registry as images are called by it: the same here and in the cluster."""
    return f"localhost:{spec.ports[PORT]}"


def wait_for_registry(spec: Spec, stop: threading.Event) -> None:
    """Wait until it answers."""
    wait_for_answer(f"http://{registry_address(spec)}/v2/", _READY_SECONDS, "registry", spec.name, stop)


def hosts_toml(registry: str) -> str:
    """Write what leads a node's containerd from the registry's name here to its container."""
    url = f"http://{registry}:{PORT}"
    return f'server = "{url}"\n\n[host."{url}"]\n  capabilities = ["pull", "resolve"]\n'
