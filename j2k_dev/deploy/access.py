"""Reaching the services of a pipeline from here: their addresses, and calls to them through the API server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from j2k_dev.model.errors import BadInput, MachineryFailed

if TYPE_CHECKING:
    from j2k_dev.deploy.kubectl import Kubectl
    from j2k_dev.deploy.manifests import Object

CALL_SECONDS = 10.0


def service_ip(kubectl: Kubectl, namespace: str, name: str) -> str:
    """Return the address of a service within its cluster."""
    address: str = _service(kubectl, namespace, name)["spec"]["clusterIP"]
    return address


def call_service(kubectl: Kubectl, namespace: str, name: str, path: str, timeout: float = CALL_SECONDS) -> str:
    """Ask a service for a path, and return what it answered; raise MachineryFailed if it does not."""
    service = _service(kubectl, namespace, name)
    port = service["spec"]["ports"][0]["port"]
    found = f"/api/v1/namespaces/{namespace}/services/{service['metadata']['name']}:{port}/proxy/{path.lstrip('/')}"
    try:
        return kubectl.call("get", "--raw", found, timeout=timeout)
    except MachineryFailed as error:
        told = error.detail.strip().rpartition("\n")[2] or error.message
        way_out = "/healthz, /readiness and /metrics are answered; j2k status shows the pods"
        raise MachineryFailed(f"{service['metadata']['name']} did not answer {path}: {told}", way_out) from error


def _service(kubectl: Kubectl, namespace: str, name: str) -> Object:
    """Find a service by its own name, the stage's name or its number."""
    services = kubectl.get("services", namespace, timeout=CALL_SECONDS)
    for service in services:
        own = service["metadata"]["name"]
        if name == own or name in _aliases(own):
            return service
    there = ", ".join(service["metadata"]["name"] for service in services) or "none"
    raise BadInput(f"there is no service {name} in {namespace}", f"there are: {there}")


def _aliases(own: str) -> tuple[str, ...]:
    parts = own.split("-", 2)
    return tuple(parts[1:]) if len(parts) > 2 else ()  # noqa: PLR2004 - stage, number, name
