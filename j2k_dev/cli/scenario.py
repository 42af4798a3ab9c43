"""The command that breaks a pipeline on purpose, and shows what came of it."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from j2k_dev.cli.command import add
from j2k_dev.cli.latest import known_notebook, notebook_of
from j2k_dev.engine.workspace import notebook_folder, workspace_at, write_text
from j2k_dev.model.codec import to_plain
from j2k_dev.model.errors import BadInput, MachineryFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import typer

    from j2k_dev.cli.session import Session
    from j2k_dev.model.scenario import NotRun, ScenarioResult

_OPTIONS = (
    "names beside every_scenario listed new junit chance seed engine split parameters python timeout data package"
)
_PAGE = "scenarios.html"
_BROKEN, _INVALID = 6, 7


def register(app: typer.Typer) -> None:
    """Add this command."""
    examples = (
        "kill-stage-2",
        "kill-stage-fit delete-pod-stage-fit",
        "--all --junit verdicts.xml",
        "--random 3 --seed 7",
        "--list",
    )
    add(app, scenario, _OPTIONS, examples)


def scenario(session: Session, values: dict[str, Any]) -> int:
    """Break the pipeline on purpose, and say whether it still gives the notebook's results, and how fast."""
    from j2k_dev.actions.scenarios.kept import earlier  # noqa: PLC0415 - see above
    from j2k_dev.actions.scenarios.scenario import ScenarioOptions, scenarios  # noqa: PLC0415 - help needs none of it
    from j2k_dev.report.scenario_board import board  # noqa: PLC0415 - see above
    from j2k_dev.report.scenarios import write_scenarios  # noqa: PLC0415 - see above

    if values["new"]:
        return _write_new(session, values["new"], notebook_folder(values["beside"] or Path()))
    if values["listed"]:
        return _list(session, known_notebook(session, values) or Path("none.ipynb"), str(values["engine"] or ""))
    if [bool(values["names"]), values["every_scenario"], bool(values["chance"])].count(True) != 1:
        raise BadInput("name scenarios, or say --all or --random", "j2k scenario --list shows them")
    notebook = notebook_of(session, values)
    options = ScenarioOptions(
        notebook, tuple(values["names"] or ()), values["every_scenario"], session.override, _arguments(values),
        values["chance"] or 0, values["seed"] if values["seed"] is not None else int.from_bytes(os.urandom(3)),
    )  # fmt: skip
    results, unfit = scenarios(options, session.ui, partial(board, session.stderr, quiet=session.quiet))
    page = workspace_at(notebook, session.override).root / _PAGE
    still = earlier(notebook, session.override, {result.scenario for result in results})
    write_scenarios((*results, *still), unfit, page)
    return _show(session, results, unfit, values["junit"], page)


def _arguments(values: dict[str, Any]) -> tuple[str, ...]:
    """Write the options of ``j2k up`` as they are typed."""
    single = ("engine", "split", "python", "timeout", "package")
    given = [(f"--{name}", str(values[name])) for name in single if values.get(name) is not None]
    given += [("--parameter", text) for text in values["parameters"] or ()]
    given += [("--data", str(folder)) for folder in values["data"] or ()]
    return tuple(word for pair in given for word in pair)


def _write_new(session: Session, name: str, folder: Path) -> int:
    from j2k_dev.scenario.catalogue import FOLDER, template  # noqa: PLC0415 - see scenario
    from j2k_dev.scenario.json_schema import json_schema  # noqa: PLC0415 - see scenario

    file = folder / FOLDER / f"{name}.yaml"
    if file.exists():
        raise BadInput(f"{file} is there already", "edit it, or remove it")
    schema = file.parent / ".schema.json"  # so that editors complete and check what is written
    write_text(schema, json.dumps(json_schema(), indent=1) + "\n")
    write_text(file, template(name, schema.name))
    if session.as_json:
        session.emit({"scenario": str(file), "exit_code": 0})
    else:
        session.say(f"{file}: change it to what you want to know, then j2k scenario {name}")
    return 0


def _list(session: Session, notebook: Path, engine: str) -> int:
    from j2k_dev.actions.scenarios.listing import doubts, listed  # noqa: PLC0415 - see scenario
    from j2k_dev.report.scenario_table import print_scenarios  # noqa: PLC0415 - see scenario

    found, untrue = listed(notebook, session.override, engine), doubts(notebook, session.override)
    if session.as_json:
        session.emit({"scenarios": to_plain(found), "doubts": list(untrue), "exit_code": 0})
    else:
        print_scenarios(session.stdout, found)
        for doubt in untrue:
            session.ui.note(doubt)
    return 0


def _show(
    session: Session, results: Sequence[ScenarioResult], unfit: Sequence[NotRun], junit_file: Path | None, page: Path
) -> int:
    from j2k_dev.report.junit import junit  # noqa: PLC0415 - see scenario
    from j2k_dev.report.scenario_table import print_result, print_results  # noqa: PLC0415 - see scenario

    if junit_file:
        write_text(junit_file, junit(results, unfit))
    code = exit_code(results, unfit)
    if session.as_json:
        told = {"scenarios": to_plain(tuple(results)), "not_run": to_plain(tuple(unfit))}
        session.emit({**told, "page": str(page), "exit_code": code})
    elif len(results) == 1:
        print_result(session.stdout, results[0], page)
    else:
        print_results(session.stdout, results, unfit, page)
    return code


def exit_code(results: Sequence[ScenarioResult], unfit: Sequence[NotRun]) -> int:
    """Say the worst that came of scenarios: one is broken, one could not be run, one is invalid, or none of these."""
    verdicts = {result.verdict for result in results}
    if "broken" in verdicts:
        return _BROKEN
    if any(left_out.failed for left_out in unfit):
        return MachineryFailed.exit_code
    return _INVALID if "invalid" in verdicts else 0
