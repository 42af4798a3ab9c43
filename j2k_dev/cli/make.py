"""The commands that make something: up, and its single steps record, plan, run, verify.

Actions and rendering are imported inside the commands: help and completion need none of them.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from j2k_dev.cli.command import add
from j2k_dev.cli.options import ENGINE_VARIABLE, Format
from j2k_dev.engine.workspace import RunPaths, read_json, write_text
from j2k_dev.model.codec import to_plain
from j2k_dev.model.errors import NotebookRaised

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import typer

    from j2k_dev.actions.up import UpOptions
    from j2k_dev.cli.session import Session
    from j2k_dev.model.pipeline import Pipeline
    from j2k_dev.model.recording import Recording
    from j2k_dev.model.run import RunSummary

_PODS = "package base replicas memory context target"
_UP = f"notebook engine split parameters out python trace timeout data verify fresh {_PODS}"
_RECORD = "notebook parameters python trace timeout data fresh"
_PLAN = "notebook split form page parameters python trace timeout data fresh"
_RUN = f"notebook engine split parameters out python timeout data verify fresh {_PODS} as_run"
_VERIFY = "notebook parameters python timeout data package"


def register(app: typer.Typer) -> None:
    """Add these commands."""
    add(app, up, _UP, ("analysis.ipynb", "analysis.ipynb -p rows=1000 --out results", "analysis.ipynb --json"))
    add(app, record, _RECORD, ("analysis.ipynb", "analysis.ipynb --python ~/envs/science/bin/python"))
    add(app, plan, _PLAN, ("analysis.ipynb", "analysis.ipynb --split headings", "analysis.ipynb --format mermaid"))
    add(app, run, _RUN, ("analysis.ipynb", "analysis.ipynb -p rows=1000 --verify"))
    add(app, verify, _VERIFY, ("analysis.ipynb",))


def up(session: Session, values: dict[str, Any]) -> int:
    """Record the notebook, split it into stages, run them, and compare the results with the notebook's own."""
    from j2k_dev.actions.up import up as action  # noqa: PLC0415 - see the module

    return _show_run(session, action(up_options(session, values), session.ui))


def record(session: Session, values: dict[str, Any]) -> int:
    """Run the whole notebook once, in order, in a fresh interpreter, and keep what it did."""
    from j2k_dev.actions.record import record as action  # noqa: PLC0415 - see the module

    return _show_recording(session, action(up_options(session, values), session.ui))


def plan(session: Session, values: dict[str, Any]) -> int:
    """Show the stages, what crosses each boundary, how big it is, and why the boundary is where it is."""
    from j2k_dev.actions.plan import plan as action  # noqa: PLC0415 - see the module

    pipeline, recording = action(up_options(session, values), session.ui)
    form = Format.json if session.as_json else values["form"]
    _show_plan(session, form, values["page"], pipeline, recording)
    return 0


def run(session: Session, values: dict[str, Any]) -> int:
    """Run the pipeline, every stage in a process of its own; a run that was cut off goes on where it was."""
    from j2k_dev.actions.up import run as action  # noqa: PLC0415 - see the module

    return _show_run(session, action(up_options(session, values), session.ui))


def verify(session: Session, values: dict[str, Any]) -> int:
    """Compare the latest run with the recording, cell by cell; what differs is recorded once more to be sure."""
    from j2k_dev.actions.verify import verify as action  # noqa: PLC0415 - see the module

    return _show_run(session, action(up_options(session, values | {"verify": True}), session.ui))


def exit_code(summary: RunSummary) -> int:
    """Say how a run ended as DESIGN section 4 has it; a run that nothing is compared with is done, and says so."""
    if summary.verdict == "failed":
        return 1 if summary.error else 5
    return 3 if summary.verdict == "different" else 0


def results(paths: RunPaths) -> dict[str, Path]:
    """Name the results of a run that are there."""
    named = {"notebook": paths.notebook, "report": paths.report, "files": paths.files, "logs": paths.logs}
    return {what: path for what, path in named.items() if path.is_file() or (path.is_dir() and any(path.iterdir()))}


def up_options(session: Session, values: dict[str, Any]) -> UpOptions:
    """Make the action's options: what a command does not take has its default."""
    from j2k_dev.actions.up import UpOptions  # noqa: PLC0415 - see the module
    from j2k_dev.notebook.source import parse_parameters  # noqa: PLC0415 - see the module

    return UpOptions(
        notebook=values["notebook"],
        engine=_engine(values),
        split=str(values.get("split", "auto")),
        parameters=parse_parameters(values.get("parameters") or ()),
        out=values.get("out"),
        workspace=session.override,
        python=values.get("python"),
        trace=str(values["trace"]) if values.get("trace") else None,
        timeout=values.get("timeout"),
        data=tuple(values.get("data") or ()),
        verify=values.get("verify", False),
        fresh=values.get("fresh", False),
        package=str(values.get("package") or "auto"),
        base=values.get("base") or "",
        replicas=values.get("replicas", 1),
        memory=_memory(values.get("memory") or ()),
        cluster=values.get("context") or "",
        target=values.get("target"),
        run=values.get("as_run") or "",
    )


def _engine(values: dict[str, Any]) -> str:
    """Return the engine that was asked for; a cluster that is named counts more than what is usual here."""
    usual = os.environ.get(ENGINE_VARIABLE)
    asked = str(values.get("engine") or usual or "auto")
    return "kind" if values.get("context") and asked == usual else asked


def _memory(texts: Sequence[str]) -> dict[str, int]:
    if not texts:
        return {}
    from j2k_dev.deploy.memory import parse_memory  # noqa: PLC0415 - see the module

    return parse_memory(texts)


# --- what people and programs see -------------------------------------------------------------------------------------


def _show_run(session: Session, summary: RunSummary) -> int:
    paths = session.workspace().run(summary.run)
    code = exit_code(summary)
    if session.as_json:
        session.emit({**to_plain(summary), "results": str(paths.root), "exit_code": code})
        return code
    from j2k_dev.report.console import print_cell_error, print_run  # noqa: PLC0415 - see the module

    if summary.error is not None:
        print_cell_error(session.stdout, summary.error, _source(paths, summary.error.cell))
        # Told once: what follows says which cell raised what.
        summary = replace(summary, error=replace(summary.error, traceback=()))
    print_run(session.stdout, summary, results(paths))
    return code


def _source(paths: RunPaths, cell: int) -> str:
    """Read the source of a cell from the executed notebook."""
    executed = read_json(paths.notebook) or {"cells": ()}
    return "".join("".join(found["source"]) for found in executed["cells"][cell : cell + 1])


def _show_recording(session: Session, recording: Recording) -> int:
    file = session.workspace().recording(recording.key)
    code = 1 if recording.error else 0
    if session.as_json:
        cells = [{"index": cell.index, "seconds": cell.wall_seconds, "bound": cell.bound} for cell in recording.cells]
        facts = {"key": recording.key, "file": str(file), "seconds": recording.seconds, "trace": recording.trace}
        session.emit(facts | {"cells": to_plain(cells), "error": to_plain(recording.error), "exit_code": code})
        return code
    from j2k_dev.report.console import print_error  # noqa: PLC0415 - see the module
    from j2k_dev.report.units import human_seconds, plural  # noqa: PLC0415 - see the module
    from j2k_dev.report.verdict import raised  # noqa: PLC0415 - see the module

    if recording.error:
        traceback = "\n".join(recording.error.traceback)
        print_error(session.stderr, NotebookRaised(raised(recording.error), "", traceback), verbose=True)
    session.say(f"{plural(len(recording.cells), 'cell')} recorded in {human_seconds(recording.seconds)}: {file}")
    return code


def _show_plan(session: Session, form: Format, page: Path | None, pipeline: Pipeline, recording: Recording) -> None:
    if form is Format.html:
        from j2k_dev.report.graph import plan_page  # noqa: PLC0415 - see the module

        target = (page or session.workspace().plan_page).absolute()
        plan_page(pipeline, recording, target)
        session.say(str(target))
    elif text := _plan_text(form, pipeline):
        write_text(page, text) if page else session.write(text)
    else:
        from j2k_dev.report.console import print_plan  # noqa: PLC0415 - see the module

        print_plan(session.stdout, pipeline, recording)


def _plan_text(form: Format, pipeline: Pipeline) -> str:
    if form is Format.json:
        return json.dumps(to_plain(pipeline), indent=2) + "\n"
    if form is Format.mermaid:
        from j2k_dev.report.graph import mermaid  # noqa: PLC0415 - see the module

        return mermaid(pipeline).rstrip("\n") + "\n"
    return ""
