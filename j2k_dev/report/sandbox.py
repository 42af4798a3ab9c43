"""A sandbox on a terminal: its parts with their addresses, and what to type next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from j2k_dev.report.units import human_seconds, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.console import Console

    from j2k_dev.sandbox.down import TakenDown
    from j2k_dev.sandbox.model import CloudState, SandboxState
    from j2k_dev.sandbox.status import SandboxStatus

_COLOURS = {"running": "green", "not ready": "yellow", "stopped": "yellow", "missing": "red"}


def print_sandbox(console: Console, state: SandboxState) -> None:
    """Print a sandbox that is up: the address of every part, and how long it took."""
    source = state.images["node"].source
    facts = f"Kubernetes {state.kubernetes}, {plural(state.nodes, 'node')}, images from {source}"
    took = human_seconds(state.seconds.get("total", 0.0))
    _line(console, Text.assemble((state.cluster, "bold"), "  is up  ", (f"{facts}, {took}", "dim")))
    _print_table(console, ("part", "address", "took"), _rows(state))
    if state.cloud:
        _print_cloud(console, state, state.cloud)
    else:
        _line(console, Text.assemble(("next  ", "dim"), _kubectl(state.kubeconfig)))


def _print_cloud(console: Console, state: SandboxState, cloud: CloudState) -> None:
    """Print what a scientist is told of a cloud, and how to go on."""
    facts = {
        "zones": ", ".join(cloud.zones),
        "kubeconfig": f"{state.kubeconfig} (its administrator's: {cloud.admin_kubeconfig})",
        "EFS": f"{cloud.file_system}, access point {cloud.access_point}",
        "registry": f"pulled from as {cloud.registry}; its authority, and the broker's: {cloud.ca}",
        "namespaces": ", ".join(cloud.pipelines.values()) or "none; --for NOTEBOOK prepares one",
    }
    _print_table(console, ("cloud", ""), facts.items())
    login = f"export DOCKER_CONFIG={shlex.quote(cloud.docker_config)}"
    _line(console, Text.assemble(("next  ", "dim"), f"{login}; j2k promote --context {state.context} --plan"))


def print_status(console: Console, status: SandboxStatus) -> None:
    """Print every part of a sandbox, and how it is brought up where it is not."""
    how = "is up" if status.up else "is not up"
    _line(console, Text.assemble((status.cluster, "bold"), f"  {how}"))
    rows = [
        (part.name, Text(part.state, style=_COLOURS[part.state]), part.address, _age(part.age)) for part in status.parts
    ]
    _print_table(console, ("part", "state", "address", "age"), rows)
    told = status.told
    _line(
        console, Text.assemble(("next  ", "dim"), _kubectl(told.kubeconfig) if told and status.up else "j2k sandbox up")
    )


def print_removed(console: Console, removed: Mapping[str, TakenDown]) -> None:
    """Print what of each sandbox was removed."""
    for cluster, what in removed.items():
        counts = {"container": what.containers, "network": what.networks, "volume": what.volumes}
        parts = [plural(len(names), kind) for kind, names in counts.items() if names]
        parts += [what.files] if what.files else []
        _line(console, Text(f"{cluster}: {'removed ' + ', '.join(parts) if parts else 'nothing is there'}"))
    if not removed:
        _line(console, Text("no sandbox is there"))


def _rows(state: SandboxState) -> Iterable[tuple[str, str, str]]:
    addresses = {
        "cluster": state.context,
        "registry": state.registry,
        "kafka": f"{state.kafka} (in pods: {state.kafka_in_cluster})",
        "proxy": f"{state.kafka_proxied} (its switches: {state.proxy})",
    }
    for part, address in addresses.items():
        seconds = state.seconds.get(part)
        yield part, address, human_seconds(seconds) if seconds is not None else ""


def _kubectl(kubeconfig: str) -> str:
    return f"kubectl --kubeconfig {shlex.quote(kubeconfig)} get nodes"


def _age(seconds: float | None) -> str:
    return human_seconds(round(seconds)) if seconds is not None else ""


def _print_table(console: Console, columns: Iterable[str], rows: Iterable[Iterable[str | Text]]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    console.print(table)


def _line(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True)
