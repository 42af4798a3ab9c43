"""The commands that look after j2k itself: down removes what it keeps, doctor says what is missing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from j2k_dev.cli.cluster import remove_deployments
from j2k_dev.cli.command import add
from j2k_dev.engine.removal import remove
from j2k_dev.engine.workspace import EXCHANGE, SANDBOX

if TYPE_CHECKING:
    import typer

    from j2k_dev.cli.session import Session
    from j2k_dev.engine.removal import Removed
    from j2k_dev.engine.workspace import Workspace
    from j2k_dev.sandbox.down import TakenDown


def register(app: typer.Typer) -> None:
    """Add these commands."""
    add(app, down, "place with_sandbox on_context purge", ("", "analysis.ipynb", "--sandbox --purge", "--context prod"))
    add(app, doctor, "", ("", "--json"))


def down(session: Session, values: dict[str, Any]) -> int:
    """Remove what j2k keeps for the notebooks of a folder: recordings, runs, what is on a cluster, nothing else."""
    workspace = session.workspace()
    if values["on_context"]:
        return _down_on(session, workspace, values)
    sandboxes = _remove_sandboxes(session) if values["with_sandbox"] else {}
    namespaces = remove_deployments(session, workspace, purge=values["purge"])
    removed = remove(workspace, purge=values["purge"])
    if session.as_json:
        taken_down = {cluster: dataclasses.asdict(what) for cluster, what in sandboxes.items()}
        also = {"root": str(removed.root), "sandboxes": taken_down, "namespaces": namespaces}
        session.emit(dataclasses.asdict(removed) | also)
        return 0
    for namespace in namespaces:
        session.say(f"removed from the cluster: namespace {namespace}, its volume object and topics")
    _say_removed(session, removed)
    return 0


def _down_on(session: Session, workspace: Workspace, values: dict[str, Any]) -> int:
    """Remove what is on one cluster; what is kept here stays."""
    namespaces = remove_deployments(session, workspace, values["on_context"], purge=values["purge"])
    if session.as_json:
        session.emit({"namespaces": namespaces})
        return 0
    for namespace in namespaces:
        session.say(f"removed from {values['on_context']}: namespace {namespace}, and its topics")
    if not namespaces:
        session.say(f"nothing of {workspace.root} is on {values['on_context']}")
    return 0


def _remove_sandboxes(session: Session) -> dict[str, TakenDown]:
    from j2k_dev.actions import sandbox  # noqa: PLC0415 - help and completion do not need it

    return sandbox.down(session.place, session.override, "", sandbox.TakeDown(every=True), session.ui)


def _say_removed(session: Session, removed: Removed) -> None:
    from j2k_dev.report.units import human_bytes  # noqa: PLC0415 - help and completion do not need it

    session.say(f"removed from {removed.root}: {', '.join(removed.names)} ({human_bytes(removed.bytes)})")
    others = [name for name in removed.kept if name not in (SANDBOX, EXCHANGE)]
    if others:
        session.say(f"kept, because it is not j2k's: {', '.join(others)}")
    if EXCHANGE in removed.kept:
        session.say("kept: what pipelines left on the cluster's volume (exchange); j2k down --purge removes it too")
    if SANDBOX in removed.kept:
        session.say("kept: the sandbox; j2k down --sandbox removes it too")


def doctor(session: Session, values: dict[str, Any]) -> int:  # noqa: ARG001 - it takes none
    """Check what j2k needs on this machine, and say which command mends what is missing."""
    from j2k_dev.cli.checks import examine  # noqa: PLC0415 - help and completion do not need it

    with session.ui.step("examining this machine"):
        findings = examine(session.override)
    works = all(finding.state != "missing" for finding in findings)
    if session.as_json:
        checks = [dataclasses.asdict(finding) for finding in findings]
        session.emit({"local_engine": works, "checks": checks, "exit_code": 0 if works else 5})
    else:
        for finding in findings:
            session.say(f"{finding.state:<7}  {finding.name}: {finding.told}")
            if finding.state != "ok":
                session.say(f"         {finding.way_out}")
        session.say("the local engine works here" if works else "the local engine does not work here yet")
    return 0 if works else 5
