"""Taking a sandbox down: exactly what it labelled, and its files; also where what it told of itself is lost."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker.errors import NotFound

from j2k_dev.sandbox.cluster import end_orphan
from j2k_dev.sandbox.containers import remove_container
from j2k_dev.sandbox.inventory import KIND_CLUSTER
from j2k_dev.sandbox.model import LABEL
from j2k_dev.sandbox.state import sole_use
from j2k_dev.sandbox.up import engine_errors

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.networks import Network

    from j2k_dev.sandbox.model import Sandbox
    from j2k_dev.sandbox.progress import Progress


@dataclass(frozen=True)
class TakenDown:
    """What was removed, by name; ``files`` is the folder that was, or nothing."""

    containers: tuple[str, ...]
    networks: tuple[str, ...]
    volumes: tuple[str, ...]
    files: str

    def __bool__(self) -> bool:
        return bool(self.containers or self.networks or self.volumes or self.files)


def take_down(sandbox: Sandbox, client: DockerClient, progress: Progress) -> TakenDown:
    """Remove the sandbox's containers, networks, volumes and files; what a killed one left goes the same way."""
    if not _is_anywhere(sandbox, client):
        return TakenDown((), (), (), "")
    with sole_use(sandbox, progress.note), engine_errors():
        with progress.step("removing the sandbox"):
            end_orphan(sandbox, client, progress.note)
            removed = TakenDown(
                containers=_remove_containers(sandbox, client),
                networks=_remove_networks(sandbox, client),
                volumes=_remove_volumes(sandbox, client),
                files=_remove_files(sandbox),
            )
        _remove_if_last(sandbox)
    return removed


def _is_anywhere(sandbox: Sandbox, client: DockerClient) -> bool:
    with engine_errors():
        ours = {"label": f"{LABEL}={sandbox.cluster}"}
        return bool(
            sandbox.root.exists()
            or _containers(sandbox, client)
            or client.networks.list(filters=ours)
            or client.volumes.list(filters=ours)
        )


def _remove_containers(sandbox: Sandbox, client: DockerClient) -> tuple[str, ...]:
    names = _containers(sandbox, client)
    for name in names:
        remove_container(client, name)
    return names


def _containers(sandbox: Sandbox, client: DockerClient) -> tuple[str, ...]:
    """Name what carries our label, and the nodes, which carry kind's."""
    listed = [
        client.api.containers(all=True, filters={"label": f"{label}={sandbox.cluster}"})
        for label in (LABEL, KIND_CLUSTER)
    ]
    return tuple(sorted(told["Names"][0].lstrip("/") for one in listed for told in one))


def _remove_networks(sandbox: Sandbox, client: DockerClient) -> tuple[str, ...]:
    networks = client.networks.list(filters={"label": f"{LABEL}={sandbox.cluster}"})
    for network in networks:
        _remove_network(network)
    return tuple(str(network.name) for network in networks)


def _remove_network(network: Network) -> None:
    """Remove a network of ours; containers of others that joined it stay, without it."""
    with suppress(NotFound):
        network.reload()
        for container in network.attrs["Containers"] or {}:
            network.disconnect(container, force=True)
        network.remove()


def _remove_volumes(sandbox: Sandbox, client: DockerClient) -> tuple[str, ...]:
    volumes = client.volumes.list(filters={"label": f"{LABEL}={sandbox.cluster}"})
    for volume in volumes:
        with suppress(NotFound):
            volume.remove(force=True)
    return tuple(str(volume.name) for volume in volumes)


def _remove_files(sandbox: Sandbox) -> str:
    (sandbox.exchange / sandbox.token).unlink(missing_ok=True)
    if not sandbox.root.exists():
        return ""
    shutil.rmtree(sandbox.root)
    return str(sandbox.root)


def _remove_if_last(sandbox: Sandbox) -> None:
    """Remove the folder above too where no other sandbox is in it, and the exchange folder where it is empty."""
    above = sandbox.root.parent
    if [entry.name for entry in above.iterdir()] == ["lock"]:
        (above / "lock").unlink()
        with suppress(OSError):  # another command has just begun there
            above.rmdir()
    with suppress(OSError):  # not empty, or not there
        sandbox.exchange.rmdir()
