"""The containers beside the cluster (registry, broker, proxy): kept where they are as they should be, else made anew.

What must survive is in volumes, so that a container that is stopped, gone or out of date is simply replaced.
"""

from __future__ import annotations

import hashlib
import json
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from docker.errors import APIError, ImageNotFound, NotFound

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.inventory import PORTS, ROLE, SPEC, of_role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from docker import DockerClient
    from docker.types import EndpointConfig

    from j2k_dev.sandbox.inventory import Part

LOOPBACK = "127.0.0.1"
_PORT_ATTEMPTS = 3
_PORT_TAKEN = ("port is already allocated", "address already in use")


@dataclass(frozen=True)
class Spec:
    """What a container is made from.

    ``ports`` maps its ports to ports of this machine (loopback only), ``volumes`` names of volumes to its folders,
    ``files`` files of this machine to its paths. ``aliases`` are further names for it on the network.
    """

    role: str
    name: str
    image: str
    network: str
    address: str
    ports: Mapping[int, int]
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Tell this specification from every other one."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def all_labels(self) -> dict[str, str]:
        """Everything that the container is labelled with."""
        return {
            **self.labels,
            ROLE: self.role,
            SPEC: self.digest,
            PORTS: json.dumps(dict(self.ports)),
        }

    @property
    def binds(self) -> dict[str, dict[str, str]]:
        """The volumes and files, as Docker wants them."""
        volumes = {name: {"bind": path, "mode": "rw"} for name, path in self.volumes.items()}
        return volumes | {file: {"bind": path, "mode": "ro"} for file, path in self.files.items()}


def provide(
    client: DockerClient,
    parts: tuple[Part, ...],
    spec: Callable[[Mapping[int, int]], Spec],
    ports: Mapping[int, int],
    start: Callable[[DockerClient, Spec], None],
) -> Spec:
    """Keep the container that fits, or make one; return what it is made from.

    ``spec`` makes the specification from ports of this machine, of which ``ports`` are tried first; where another
    program holds one of them, others are taken.
    """
    wanted = spec(ports)
    found = of_role(parts, wanted.role)
    if found and found.running and found.spec == wanted.digest:
        return wanted
    for attempt in range(_PORT_ATTEMPTS):
        remove_container(client, wanted.name)
        _provide_volumes(client, wanted)
        wanted = spec(free_ports(wanted.ports))
        try:
            start(client, wanted)
        except APIError as error:
            if not _is_port_taken(error) or attempt == _PORT_ATTEMPTS - 1:
                raise _not_started(wanted, error) from error
            wanted = replace(wanted, ports=dict.fromkeys(wanted.ports, 0))
        else:
            return wanted
    raise AssertionError("unreachable")


def run(client: DockerClient, spec: Spec) -> None:
    """Start a container."""
    client.containers.run(
        spec.image,
        list(spec.command) or None,
        name=spec.name,
        detach=True,
        environment=dict(spec.environment),
        labels=spec.all_labels,
        ports={f"{port}/tcp": (LOOPBACK, host) for port, host in spec.ports.items()},
        volumes=spec.binds,
        network=spec.network,
        networking_config={spec.network: endpoint(client, spec)},
    )


def endpoint(client: DockerClient, spec: Spec) -> EndpointConfig:
    """Say how the container is reached on the network."""
    return client.api.create_endpoint_config(aliases=list(spec.aliases), ipv4_address=spec.address)


def remove_container(client: DockerClient, name: str) -> None:
    """Remove a container, with the volumes that have no name."""
    with suppress(NotFound):
        client.api.remove_container(name, v=True, force=True)


def free_ports(wanted: Mapping[int, int]) -> dict[int, int]:
    """Keep the ports that are free on this machine, and choose others for the rest."""
    return {port: host if host and _is_free(host) else free_port() for port, host in wanted.items()}


def free_port() -> int:
    """Choose a port that is free on this machine."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _provide_volumes(client: DockerClient, spec: Spec) -> None:
    for name in spec.volumes:
        client.volumes.create(name, labels=dict(spec.labels))  # one that is there already stays as it is


def _is_port_taken(error: APIError) -> bool:
    return any(told in str(error.explanation) for told in _PORT_TAKEN)


def _not_started(spec: Spec, error: APIError) -> MachineryFailed:
    way_out = "run `j2k doctor`"
    if isinstance(error, ImageNotFound):
        way_out = "run the same command again: it makes the image anew"
    told = f"the {spec.role} did not start: {error.explanation or error}"
    return MachineryFailed(told, way_out, detail=f"$ docker run --name {spec.name} {spec.image}")
