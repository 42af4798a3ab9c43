"""Toxiproxy between clients and the broker: where network faults are made, by its HTTP interface."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from j2k_dev.sandbox.containers import Spec
from j2k_dev.sandbox.model import KAFKA_PROXIED_PORT, KAFKA_PROXIED_SERVICE, KAFKA_SERVICE
from j2k_dev.sandbox.waiting import wait_for_answer

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from j2k_dev.sandbox.model import Image, Sandbox
    from j2k_dev.sandbox.network import Subnet

API_PORT = 8474
# The broker's listener for clients on this machine that come through the proxy.
HOST_PORT = 9095
# What the proxies are called in the HTTP interface: for pods, and for this machine.
PODS, HOST = "kafka", "kafka-host"

_READY_SECONDS = 30.0


def proxy_spec(sandbox: Sandbox, image: Image, subnet: Subnet, ports: Mapping[int, int]) -> Spec:
    """Say what the proxy is made from; ``write_proxies`` writes its configuration."""
    return Spec(
        role="proxy",
        name=sandbox.container("proxy"),
        image=image.reference,
        network=sandbox.network,
        address=subnet.address("proxy"),
        ports={API_PORT: ports.get(API_PORT, 0), HOST_PORT: ports.get(HOST_PORT, 0)},
        command=("-host=0.0.0.0", "-config=/etc/toxiproxy.json"),
        files={str(sandbox.root.absolute() / "toxiproxy.json"): "/etc/toxiproxy.json"},
        aliases=(KAFKA_PROXIED_SERVICE,),
        labels=sandbox.labels,
    )


def proxy_address(spec: Spec) -> str:
    """Name the HTTP interface."""
    return f"http://localhost:{spec.ports[API_PORT]}"


def wait_for_proxy(spec: Spec, stop: threading.Event) -> None:
    """Wait until it answers."""
    wait_for_answer(f"{proxy_address(spec)}/version", _READY_SECONDS, "proxy", spec.name, stop)


def proxies() -> str:
    """Write the proxy's configuration: which of its ports leads to which of the broker's."""
    routes = {PODS: KAFKA_PROXIED_PORT, HOST: HOST_PORT}
    listed = [
        {"name": name, "listen": f"0.0.0.0:{port}", "upstream": f"{KAFKA_SERVICE}:{port}", "enabled": True}
        for name, port in routes.items()
    ]
    return json.dumps(listed, indent=2) + "\n"
