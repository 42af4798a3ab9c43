"""Which sandboxes a workspace has: from its files and, where those are lost, from the labels in the Docker engine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from j2k_dev.model.errors import BadInput
from j2k_dev.sandbox.model import LABEL, WORKSPACE_LABEL, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker import DockerClient

# The name is a part of host names, of at most 63 characters: j2k-12345678-NAME-control-plane.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?")
_TAKEN = ("default", "lock")


def named_sandbox(workspace: Path, name: str) -> Sandbox:
    """Name a sandbox of a workspace; raise BadInput where the name can't be a part of host names."""
    if name and (not _NAME.fullmatch(name) or name in _TAKEN):
        rule = f"up to 30 small letters, digits and hyphens, not {' or '.join(_TAKEN)}"
        raise BadInput(f"--name {name}: {rule}", "leave it out for the workspace's first sandbox")
    return Sandbox(workspace, name)


def sandboxes_of(workspace: Path, client: DockerClient) -> tuple[Sandbox, ...]:
    """Find all sandboxes of a workspace, those that are half made or half removed too."""
    first = Sandbox(workspace)
    folder = first.root.parent
    names = {entry.name for entry in folder.iterdir() if entry.is_dir()} if folder.is_dir() else set()
    names |= {
        cluster.removeprefix(first.cluster).removeprefix("-") or "default" for cluster in _labelled(first, client)
    }
    return tuple(Sandbox(workspace, "" if name == "default" else name) for name in sorted(names))


def _labelled(first: Sandbox, client: DockerClient) -> Iterator[str]:
    """Give the clusters that anything of this workspace is labelled with."""
    ours = {"label": f"{WORKSPACE_LABEL}={first.labels[WORKSPACE_LABEL]}"}
    yield from (told["Labels"][LABEL] for told in client.api.containers(all=True, filters=ours))
    yield from (network.attrs["Labels"][LABEL] for network in client.networks.list(filters=ours))
    yield from (volume.attrs["Labels"][LABEL] for volume in client.volumes.list(filters=ours))
