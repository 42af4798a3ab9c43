"""The commands that look after j2k itself: down removes what it keeps, doctor says what is missing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from j2k_dev.cli.command import add
from j2k_dev.engine.workspace import remove

if TYPE_CHECKING:
    import typer

    from j2k_dev.cli.session import Session


def register(app: typer.Typer) -> None:
    """Add these commands."""
    add(app, down, "place", ("", "analysis.ipynb"))
    add(app, doctor, "", ("", "--json"))


def down(session: Session, values: dict[str, Any]) -> int:  # noqa: ARG001 - the place is in the session
    """Remove what j2k keeps for the notebooks of a folder: recordings, runs and their results, nothing else."""
    removed = remove(session.workspace())
    if session.as_json:
        session.emit(dataclasses.asdict(removed) | {"root": str(removed.root)})
        return 0
    from j2k_dev.report.units import human_bytes  # noqa: PLC0415 - help and completion do not need it

    session.say(f"removed from {removed.root}: {', '.join(removed.names)} ({human_bytes(removed.bytes)})")
    if removed.kept:
        session.say(f"kept, because it is not j2k's: {', '.join(removed.kept)}")
    return 0


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
