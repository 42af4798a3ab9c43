"""The commands about pipelines on a cluster: render, service-ip, call; and what status, logs and down say of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from j2k_dev.cli.command import add
from j2k_dev.cli.make import up_options
from j2k_dev.engine.workspace import CLUSTERS

if TYPE_CHECKING:
    import typer

    from j2k_dev.actions.cluster.deployed import Deployment
    from j2k_dev.actions.cluster.record import Placed
    from j2k_dev.cli.session import Session
    from j2k_dev.engine.workspace import RunPaths, Workspace

_RENDER = "notebook split parameters python timeout data fresh package base replicas memory context target"


def register(app: typer.Typer) -> None:
    """Add these commands."""
    add(app, render, _RENDER, ("analysis.ipynb", "analysis.ipynb --replicas 3 --json"))
    add(app, service_ip, "service beside on_context", ("fit", "2 --notebook analysis.ipynb"))
    add(app, target, "cluster", ("prod",))
    add(app, call, "service path beside on_context", ("fit", "fit /metrics", "2 /readiness --json"))


def render(session: Session, values: dict[str, Any]) -> int:
    """Write the manifests of the pipeline for the sandbox, or a cluster of yours, and apply nothing."""
    from j2k_dev.actions.cluster.deployed import render as action  # noqa: PLC0415 - help and completion do not need it

    options = up_options(session, {**values, "engine": "kind"})
    overlay, *files = action(options, session.ui)
    if session.as_json:
        session.emit({"overlay": str(overlay.parent), "files": list(map(str, files)), "exit_code": 0})
    else:
        session.say(f"{len(files)} files; kubectl apply --server-side -k {overlay.parent}  applies them")
    return 0


def target(session: Session, values: dict[str, Any]) -> int:
    """Write a target file to fill in, targets/CONTEXT.yaml in this folder; one that is there stays as it is."""
    return write_target(session, values["cluster"], f"j2k up NOTEBOOK --context {values['cluster']}")


def write_target(session: Session, context: str, then: str) -> int:
    """Write a target file to fill in; ``then`` is the command that reads it."""
    from pathlib import Path  # noqa: PLC0415 - see render

    from j2k_dev.deploy.target_file import write_new_target  # noqa: PLC0415 - see render

    file = write_new_target(context, Path.cwd())
    if session.as_json:
        session.emit({"target": str(file), "exit_code": 0})
    else:
        session.say(f"{file}: fill it in, then {then}")
    return 0


def service_ip(session: Session, values: dict[str, Any]) -> int:
    """Show the address of a stage's service within its cluster."""
    from j2k_dev.actions.cluster.deployed import address_of  # noqa: PLC0415 - see render

    address = address_of(session.workspace(), values["beside"], values["service"], values["on_context"] or "")
    if session.as_json:
        session.emit({"service": values["service"], "ip": address, "exit_code": 0})
    else:
        session.say(address)
    return 0


def call(session: Session, values: dict[str, Any]) -> int:
    """Ask a stage's service for a path, through the cluster's API server, and show what it answers."""
    from j2k_dev.actions.cluster.deployed import answer_of  # noqa: PLC0415 - see render

    where = values["on_context"] or ""
    answer = answer_of(session.workspace(), values["beside"], values["service"], values["path"], where)
    if session.as_json:
        session.emit({"service": values["service"], "path": values["path"], "answer": answer, "exit_code": 0})
    else:
        session.write(answer if answer.endswith("\n") else f"{answer}\n")
    return 0


# --- what other commands say of clusters ------------------------------------------------------------------------------


def deployments(workspace: Workspace, context: str = "") -> tuple[Deployment, ...]:
    """Look at what of a workspace is on a cluster; nothing is imported where nothing was brought there."""
    if not (workspace.root / CLUSTERS).exists():
        return ()
    from j2k_dev.actions.cluster.deployed import deployments as action  # noqa: PLC0415 - see render

    return action(workspace, context)


def plain_deployments(workspace: Workspace, context: str = "") -> list[dict[str, Any]]:
    """Tell programs what of a workspace is on a cluster."""
    return [asdict(found) for found in deployments(workspace, context)]


def show_deployments(session: Session, workspace: Workspace, context: str = "") -> None:
    """Tell people what of a workspace is on a cluster."""
    for found in deployments(workspace, context):
        session.say(f"{found.pipeline} on {found.context}, namespace {found.namespace}")
        if found.trouble:
            session.say(f"  {found.trouble}")
        _show_pods(session, found)


def _show_pods(session: Session, found: Deployment) -> None:
    from rich.table import Column, Table  # noqa: PLC0415 - see render

    table = Table(
        "stage", Column("pod", no_wrap=True), "phase", "restarts", "why", box=None, pad_edge=False, header_style="dim"
    )
    for stage in found.stages:
        for pod in stage.pods:
            table.add_row(stage.stage, pod.name, pod.phase, str(pod.restarts), pod.why or pod.killed)
        if not stage.pods:
            table.add_row(stage.stage, "none", "", "", "")
    if found.stages:
        session.stdout.print(table)


def placed_run(workspace: Workspace, paths: RunPaths) -> Placed | None:
    """Find the pipeline on a cluster that a run is of, if it is one of the latest there."""
    if not (workspace.root / CLUSTERS).exists():
        return None
    from j2k_dev.actions.cluster.record import placed_in  # noqa: PLC0415 - see render

    return next((placed for placed in placed_in(workspace) if paths.root.name in placed.runs), None)


def remove_deployments(
    session: Session, workspace: Workspace, context: str = "", *, purge: bool = False
) -> tuple[str, ...]:
    """Remove what of a workspace is on a cluster, and return the namespaces."""
    if not (workspace.root / CLUSTERS).exists():
        return ()
    from j2k_dev.actions.cluster.deployed import remove_deployments as action  # noqa: PLC0415 - see render

    return action(workspace, session.ui, context, purge=purge)
