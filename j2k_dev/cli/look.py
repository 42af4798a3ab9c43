"""The commands that look: status, logs, open."""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
import webbrowser
from typing import TYPE_CHECKING, Any

from j2k_dev.cli.cluster import placed_run, plain_deployments, show_deployments
from j2k_dev.cli.command import add
from j2k_dev.cli.make import results
from j2k_dev.engine.locks import holder, run_holder, runs_at_work
from j2k_dev.engine.workspace import Workspace, read_json
from j2k_dev.model.codec import CodecError, from_plain
from j2k_dev.model.errors import BadInput
from j2k_dev.model.run import RunSummary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import typer

    from j2k_dev.cli.session import Session
    from j2k_dev.engine.locks import Holder
    from j2k_dev.engine.workspace import RunPaths

_FOLLOW_SECONDS = 0.2
_LATEST_RUNS = 10


def register(app: typer.Typer) -> None:
    """Add these commands."""
    add(app, status, "place on_context", ("", "analysis.ipynb", "--json"))
    add(app, logs, "stage follow run beside", ("", "load -f", "--notebook analysis.ipynb"))
    add(app, open_, "place run", ("", "analysis.ipynb"))


def status(session: Session, values: dict[str, Any]) -> int:
    """Show what is kept: the latest run and its verdict, what is at work now, earlier runs."""
    workspace = session.workspace()
    names, busy = workspace.run_names(), _at_work(workspace)
    summaries = [(name, _summary(workspace.run(name), session)) for name in names[:_LATEST_RUNS]]
    if session.as_json:
        session.emit(_status_document(workspace, summaries, names, values["on_context"] or ""))
        return 0
    for each in busy:
        session.say(f"at work: {each}")
    latest = next((summary for _name, summary in summaries if summary), None)
    for name in [name for name, summary in summaries[:1] if summary is None]:
        session.say(f"run {name} has not ended{'' if busy else ': the command that started it, run again, goes on'}")
    if latest:
        from j2k_dev.report.console import print_run  # noqa: PLC0415 - help and completion do not need it

        print_run(session.stdout, latest, results(workspace.run(latest.run)))
    earlier = [summary for _name, summary in summaries if summary and summary is not latest]
    for summary in earlier:
        session.say(f"earlier: {summary.run}  {summary.verdict}")
    if not names:
        session.say(f"nothing has run in {workspace.root} yet")
    show_deployments(session, workspace, values["on_context"] or "")
    return 0


def logs(session: Session, values: dict[str, Any]) -> int:
    """Show what the workers of a run wrote; -f goes on until the run ends."""
    if values["follow"] and session.as_json:
        raise BadInput("--follow and --json do not go together: one JSON document has an end", "leave out one of them")
    workspace = session.workspace()
    paths = _run(workspace, values["run"])
    if session.as_json:
        texts = {file.stem: _text(file) for file in _logs(paths, values["stage"])}
        session.emit({"run": paths.root.name, "logs": texts})
        return 0
    goes_on = run_holder(workspace, paths.root.name) is not None
    placed = placed_run(workspace, paths) if values["follow"] and goes_on else None
    if placed is not None:  # the files are written when the run ends
        from j2k_dev.actions.cluster.logs import follow_logs  # noqa: PLC0415 - only where there is a cluster

        over = lambda: run_holder(workspace, paths.root.name) is None  # noqa: E731 - asked again and again
        follow_logs(paths, placed, values["stage"], session.write, over)
        return 0
    if not _logs(paths, values["stage"]) and not values["follow"]:
        session.stderr.print(f"run {paths.root.name} has no logs yet", markup=False)
    _follow(session, workspace, paths, stage=values["stage"], once=not values["follow"])
    return 0


def open_(session: Session, values: dict[str, Any]) -> int:
    """Open the report of a run in the browser, and say where it is."""
    workspace = session.workspace()
    report = _run(workspace, values["run"]).report
    if not report.is_file():
        raise BadInput(f"the run {report.parent.name} has no report yet", way_out="wait until it ends: j2k status")
    opened = _has_display() and webbrowser.open(report.as_uri())
    if session.as_json:
        session.emit({"report": str(report), "opened": opened})
    else:
        session.say(str(report))
    return 0


def _status_document(
    workspace: Workspace, summaries: list[tuple[str, RunSummary | None]], names: tuple[str, ...], context: str
) -> dict[str, Any]:
    busy = _at_work(workspace)
    runs = [
        {"run": name, "verdict": summary.verdict, "engine": summary.engine, "seconds": summary.seconds}
        if summary
        else {"run": name, "verdict": None}
        for name, summary in summaries
    ]
    return {
        "workspace": str(workspace.root),
        "at_work": dataclasses.asdict(busy[0]) if busy else None,
        "running": sorted(runs_at_work(workspace)),
        "runs": runs,
        "runs_kept": len(names),
        "deployments": plain_deployments(workspace, context),
        "latest": next((read_json(workspace.run(name).summary) for name, summary in summaries if summary), None),
    }


def _at_work(workspace: Workspace) -> tuple[Holder, ...]:
    """Give who changes the workspace, then who carries runs; each once."""
    found = [carrier for carrier in (holder(workspace), *runs_at_work(workspace).values()) if carrier]
    return tuple({carrier.pid: carrier for carrier in reversed(found)}.values())[::-1]


def _summary(paths: RunPaths, session: Session) -> RunSummary | None:
    plain = read_json(paths.summary)
    try:
        return from_plain(RunSummary, plain) if plain is not None else None
    except CodecError as error:
        session.ui.note(f"{paths.summary} is of another version of j2k ({error})")
        return None


def _run(workspace: Workspace, wanted: str | None) -> RunPaths:
    names = workspace.run_names()
    if not names:
        raise BadInput(f"nothing has run in {workspace.root} yet", way_out="j2k up NOTEBOOK")
    if wanted and wanted not in names:
        raise BadInput(f"there is no run {wanted}", way_out=f"the latest are {', '.join(names[:_LATEST_RUNS])}")
    return workspace.run(wanted or names[0])


def _logs(paths: RunPaths, stage: str | None) -> list[Path]:
    found = sorted(paths.logs.glob("*.log"), key=lambda file: file.stat().st_ctime_ns)
    if stage and found and stage not in {file.stem for file in found}:
        raise BadInput(f"there is no log of a stage {stage}", f"there are {', '.join(file.stem for file in found)}")
    return [file for file in found if stage in (None, file.stem)]


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def _follow(session: Session, workspace: Workspace, paths: RunPaths, *, stage: str | None, once: bool) -> None:
    """Write what the logs have and, unless once is enough, what they get until nobody is at work any more."""
    places: dict[Path, int] = {}
    while True:
        # Asked before reading: what is written until the run ends is read after it has ended.
        ended = once or not (holder(workspace) or run_holder(workspace, paths.root.name))
        several = stage is None
        for file in _logs(paths, stage):
            for line in _new_lines(file, places, whole=not ended):
                session.write(f"{file.stem}: {line}" if several else line)
        if ended:
            return
        threading.Event().wait(_FOLLOW_SECONDS)


def _new_lines(file: Path, places: dict[Path, int], *, whole: bool) -> Iterator[str]:
    """Read on from where the last reading stopped; an unfinished line is left for the next time."""
    with file.open("rb") as stream:
        stream.seek(places.get(file, 0))
        for line in stream:
            if whole and not line.endswith(b"\n"):
                return
            places[file] = places.get(file, 0) + len(line)
            yield line.decode("utf-8", "replace").rstrip("\n") + "\n"


def _has_display() -> bool:
    """Tell whether a browser can show a window: a text browser would take the terminal over."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
