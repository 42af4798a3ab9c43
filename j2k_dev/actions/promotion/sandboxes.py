"""Whether a context leads to a sandbox of this machine, whatever it is called: things are proven there."""

from __future__ import annotations

import contextlib
import ipaddress
import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import yaml

from j2k_dev.engine.workspace import workspace_at
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.docker_engine.engine import NoEngine, connect
from j2k_dev.sandbox.model import LABEL, WORKSPACE_LABEL, Sandbox
from j2k_dev.sandbox.state import read_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from j2k_dev.actions.promotion.context import PromoteOptions
    from j2k_dev.deploy.kubectl import Kubectl


def sandbox_at(calls: Kubectl, options: PromoteOptions) -> str:
    """Name the sandbox that a context leads to; nothing where it is none, or the twin of a cloud."""
    server = _server(calls)
    if not _is_here(server):
        return ""
    own = workspace_at(options.notebook, options.workspace).root
    return plain_sandbox(server, (*_of_workspace(own), *_of_engine()))


def plain_sandbox(server: str, sandboxes: Iterable[Sandbox]) -> str:
    """Name the one of these whose API server this is, but for twins of clouds."""
    for sandbox in sandboxes:
        if _server_in(sandbox.kubeconfig) == server:
            state = read_state(sandbox)
            return "" if state is not None and state.cloud else sandbox.cluster
    return ""


def _server(calls: Kubectl) -> str:
    """Return the address of a context's API server, as the kubeconfig has it; nothing where there is none."""
    with contextlib.suppress(MachineryFailed, LookupError, ValueError):
        told = json.loads(calls.call("config", "view", "--minify", "--output", "json"))
        return str(told["clusters"][0]["cluster"]["server"])
    return ""


def _is_here(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _of_workspace(root: Path) -> Iterator[Sandbox]:
    first = Sandbox(root)
    folder = first.root.parent
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        if entry.is_dir():
            yield Sandbox(root, "" if entry.name == "default" else entry.name)


def _of_engine() -> Iterator[Sandbox]:
    """Find the sandboxes of other workspaces by the labels of their containers; none where no engine answers."""
    with contextlib.suppress(NoEngine), contextlib.closing(connect()) as client:
        listed = client.api.containers(all=True, filters={"label": WORKSPACE_LABEL})
        for cluster, place in {(told["Labels"][LABEL], told["Labels"][WORKSPACE_LABEL]) for told in listed}:
            first = Sandbox(Path(place))
            yield Sandbox(Path(place), cluster.removeprefix(first.cluster).removeprefix("-"))


def _server_in(kubeconfig: Path) -> str:
    with contextlib.suppress(OSError, yaml.YAMLError, LookupError, TypeError):
        told = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        return str(told["clusters"][0]["cluster"]["server"])
    return ""
