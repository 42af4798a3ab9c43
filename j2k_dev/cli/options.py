"""The arguments and options of all commands, each said once; Typer reads these annotations."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

_PANEL = "Output"


class Engine(StrEnum):
    """Where the stages run."""

    auto = "auto"
    local = "local"
    kind = "kind"


class Split(StrEnum):
    """What decides where stages begin."""

    auto = "auto"
    tags = "tags"
    headings = "headings"
    cells = "cells"


class Trace(StrEnum):
    """What watches the recording."""

    none = "none"
    audit = "audit"
    reprozip = "reprozip"


class Format(StrEnum):
    """How a plan is written."""

    table = "table"
    json = "json"
    mermaid = "mermaid"
    html = "html"


# Parameter name → annotation and default. A command names the ones it takes.
OPTIONS: dict[str, tuple[Any, Any]] = {
    "engine": (
        Annotated[Engine, typer.Option(help="Where the stages run; auto says which it took and why.")],
        Engine.auto,
    ),
    "split": (Annotated[Split, typer.Option(help="What decides where stages begin.")], Split.auto),
    "parameters": (
        Annotated[
            list[str] | None,
            typer.Option("--parameter", "-p", help="Set a variable of the notebook; repeatable.", metavar="NAME=VALUE"),
        ],
        None,
    ),
    "out": (Annotated[Path | None, typer.Option(help="Copy the results to this folder.", metavar="DIR")], None),
    "python": (
        Annotated[Path | None, typer.Option(help="The notebook's Python, instead of its kernel's.", metavar="PATH")],
        None,
    ),
    "trace": (Annotated[Trace | None, typer.Option(help="Watch which files and packages are used.")], None),
    "timeout": (
        Annotated[float | None, typer.Option(help="Give up on a cell after so long.", metavar="SECONDS", min=0.001)],
        None,
    ),
    "data": (
        Annotated[
            list[Path] | None,
            typer.Option(help="A folder of inputs that stays where it is, read-only; repeatable.", metavar="DIR"),
        ],
        None,
    ),
    "verify": (
        Annotated[bool, typer.Option("--verify", help="Record these parameters and inputs too, to compare with.")],
        False,
    ),
    "fresh": (Annotated[bool, typer.Option("--fresh", help="Do everything again, even if nothing changed.")], False),
    "form": (Annotated[Format, typer.Option("--format", help="How the plan is written.")], Format.table),
    "page": (
        Annotated[Path | None, typer.Option("--out", help="Write the plan to this file.", metavar="FILE")],
        None,
    ),
    "follow": (Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")], False),
    "run": (Annotated[str | None, typer.Option("--run", help="This run instead of the latest.", metavar="RUN")], None),
    "beside": (
        Annotated[
            Path | None,
            typer.Option("--notebook", help="The notebook, if it is not in this folder.", metavar="NOTEBOOK"),
        ],
        None,
    ),
}

ARGUMENTS: dict[str, tuple[Any, Any]] = {
    "notebook": (Annotated[Path, typer.Argument(help="The notebook, an .ipynb file.", metavar="NOTEBOOK")], ...),
    "place": (
        Annotated[
            Path | None, typer.Argument(help="The notebook or its folder; else this folder.", metavar="[NOTEBOOK]")
        ],
        None,
    ),
    "stage": (Annotated[str | None, typer.Argument(help="One stage only.", metavar="[STAGE]")], None),
}

COMMON: dict[str, tuple[Any, Any]] = {
    "workspace": (
        Annotated[
            Path | None,
            typer.Option(
                help="Keep everything here, not in .j2k beside the notebook.", metavar="DIR", rich_help_panel=_PANEL
            ),
        ],
        None,
    ),
    "as_json": (
        Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.", rich_help_panel=_PANEL)],
        False,
    ),
    "quiet": (Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.", rich_help_panel=_PANEL)], False),
    "verbose": (
        Annotated[bool, typer.Option("--verbose", "-v", help="Show details of errors.", rich_help_panel=_PANEL)],
        False,
    ),
}
