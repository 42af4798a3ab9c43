"""What a notebook file says: cells, tags, stage directives, headings and parameters. Pure text, no I/O.

The reader (``reader.py``) makes a ``NotebookFile`` from a file; everything after it works on these values only.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import keyword
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from j2k_dev.model.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

CellKind = Literal["code", "markdown", "raw"]

PARAMETERS_TAG = "parameters"
INJECTED_TAG = "injected-parameters"
STAGE_TAG = "stage:"

_DIRECTIVE = re.compile(r"#\s*j2k\s*:\s*(?P<order>.*?)\s*$", re.IGNORECASE)
_STAGE_ORDER = re.compile(r"stage\b[\s:]*(?P<name>.*)$", re.IGNORECASE)


@dataclass(frozen=True)
class Cell:
    """One cell; ``index`` counts all cells of the notebook from 0."""

    index: int
    kind: CellKind
    source: str
    tags: tuple[str, ...] = ()
    id: str = ""

    @property
    def runs(self) -> bool:
        """Say whether Jupyter's own executor runs this cell: code, not blank, not tagged ``skip-execution``."""
        return self.kind == "code" and bool(self.source.strip()) and "skip-execution" not in self.tags

    @property
    def may_raise(self) -> bool:
        """Say whether an exception in this cell is expected (tag ``raises-exception``)."""
        return "raises-exception" in self.tags


@dataclass(frozen=True)
class ParametersPlace:
    """Where the cell that sets parameters goes: at this ``index``, instead of the cell there if it ``replaces`` it."""

    index: int
    replaces: bool
    id: str

    def moved(self, index: int) -> int:
        """Return the index that another cell has once that one is in its place."""
        return index + 1 if index >= self.index and not self.replaces else index


@dataclass(frozen=True)
class NotebookFile:
    """A notebook as read; ``sha256`` covers what runs (code, its place, its tags, the kernel), never the outputs.

    ``kernel`` is the kernelspec's name, or empty where the notebook names none; ``language`` is in lower case.
    ``document`` is the nbformat 4 dictionary that the cells come from, ``notes`` what was mended while reading.
    """

    path: Path
    sha256: str
    cells: tuple[Cell, ...]
    kernel: str = ""
    language: str = "python"
    notes: tuple[str, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def code_cells(self) -> tuple[Cell, ...]:
        """Return the code cells in order, blank ones included."""
        return tuple(cell for cell in self.cells if cell.kind == "code")


@dataclass(frozen=True)
class Directive:
    """The wish that a stage begins at this cell; ``origin`` is how the author wrote it."""

    cell: int
    name: str
    origin: str


@dataclass(frozen=True)
class Heading:
    """A Markdown heading, its text without markup."""

    cell: int
    level: int
    text: str


def content_sha256(cells: Iterable[Cell], kernel: str, language: str) -> str:
    """Return the hash of what runs: places, sources and tags of the code cells, kernel and language."""
    code = [[cell.index, cell.source, list(cell.tags)] for cell in cells if cell.kind == "code"]
    return hashlib.sha256(json.dumps([kernel, language, code]).encode()).hexdigest()


# Stage directives -----------------------------------------------------------------------------------------------------


def stage_directives(notebook: NotebookFile) -> tuple[tuple[Directive, ...], tuple[str, ...]]:
    """Return where the author wants stages to begin, and notes on what can't be understood.

    A cell says it with the tag ``stage:NAME`` or a first line ``# j2k: stage NAME``; the tag wins.
    """
    found: list[Directive] = []
    notes: list[str] = []
    for cell in notebook.code_cells:
        wishes = [*_tag_directives(cell, notes), *_line_directives(cell, notes)]
        if len({wish.name for wish in wishes}) > 1:
            notes.append(f"cell {cell.index} names more than one stage; {wishes[0].origin} counts")
        found.extend(wishes[:1])
    return tuple(found), tuple(notes)


def _tag_directives(cell: Cell, notes: list[str]) -> Iterator[Directive]:
    for tag in cell.tags:
        if not tag.startswith(STAGE_TAG):
            continue
        name = tag[len(STAGE_TAG) :].strip()
        if name:
            yield Directive(cell.index, name, f"tag {tag!r}")
        else:
            notes.append(f"cell {cell.index}: the tag {tag!r} names no stage and is ignored")


def _line_directives(cell: Cell, notes: list[str]) -> Iterator[Directive]:
    line = next((line.strip() for line in cell.source.splitlines() if line.strip()), "")
    directive = _DIRECTIVE.match(line)
    if not directive:
        return
    order = _STAGE_ORDER.match(directive["order"])
    if order and order["name"].strip():
        yield Directive(cell.index, order["name"].strip(), f"first line {line!r}")
    else:
        notes.append(f"cell {cell.index}: {line!r} is not understood (write '# j2k: stage NAME') and is ignored")


# Headings -------------------------------------------------------------------------------------------------------------

_FENCE = re.compile(r" {0,3}(?P<fence>`{3,}(?=[^`]*$)|~{3,})")
_ATX = re.compile(r" {0,3}(?P<marks>#{1,6})(?:[ \t]+(?P<text>.*?))??(?:[ \t]+#+)?[ \t]*$")
_SETEXT = re.compile(r" {0,3}(?P<line>=+|-+)[ \t]*$")
_NO_PARAGRAPH = re.compile(
    r" {0,3}(?:[-*+](?:\s|$)|[>|]|\d{1,9}[.)]\s|#{1,6}(?:\s|$)|(?:[-*_][ \t]*){3,}$)"  # list, quote, table, title, rule
    r"| {0,3}<(?:/?(?:[a-z]+\d?[^>]*>\s*$|div\b|p\b|table\b|center\b|h[1-6]\b|[uo]l\b)|!--)"  # HTML
    r"| {4,}|\t|\s*$"
)
_MARKUP = (
    (re.compile(r"<[^<>]*>"), ""),
    (re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])"), r"\1"),
    (re.compile(r"(?<![\w\\])([*_]{1,3})(?=\S)(.+?)(?<=\S)\1(?!\w)"), r"\2"),
    (re.compile(r"`+([^`]+)`+"), r"\1"),
    (re.compile(r"\\([!-/:-@\[-`{-~])"), r"\1"),
)


def headings(notebook: NotebookFile) -> tuple[Heading, ...]:
    """Return the Markdown headings of the notebook in order, those inside code fences left out."""
    return tuple(
        Heading(cell.index, level, text)
        for cell in notebook.cells
        if cell.kind == "markdown"
        for level, text in markdown_headings(cell.source)
    )


def markdown_headings(text: str) -> Iterator[tuple[int, str]]:
    """Yield level and plain text of each ATX (``# Title``) and setext (underlined) heading."""
    paragraph: list[str] = []
    for line in _outside_fences(text.splitlines()):
        atx = _ATX.match(line)
        underline = _SETEXT.match(line) if paragraph else None
        if atx:
            yield len(atx["marks"]), plain_text(atx["text"] or "")
        elif underline:
            yield 1 if underline["line"].startswith("=") else 2, plain_text(" ".join(paragraph))
        continues = not (atx or underline) and (
            bool(line.strip()) if paragraph and line[:1] in " \t" else not _NO_PARAGRAPH.match(line)
        )
        paragraph = [*paragraph, line.strip()] if continues else []


def _outside_fences(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines outside code fences, a fence itself as a blank line since it ends a paragraph."""
    fence = ""
    for line in lines:
        mark = _FENCE.match(line)
        if fence:
            if re.match(rf" {{0,3}}{fence[0]}{{{len(fence)},}}\s*$", line):
                fence = ""
        elif mark:
            fence = mark["fence"]
            yield ""
        else:
            yield line


def plain_text(markdown: str) -> str:
    """Strip the commonest inline markup: tags, links, emphasis, code."""
    for pattern, replacement in _MARKUP:
        markdown = pattern.sub(replacement, markdown)
    return " ".join(markdown.split())


# Parameters -----------------------------------------------------------------------------------------------------------

_WORDS = {"true": True, "false": False, "null": None, "none": None}
_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)$")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][+-]?[0-9]+)?$")
_BRACKETS = ("[", "{", "(", '"', "'")


def parse_parameters(texts: Iterable[str]) -> dict[str, Any]:
    """Turn ``NAME=VALUE`` texts into values; raise BadInput with every problem at once.

    A value is true, false or null, a number, or a list, dictionary or quoted text in JSON's or Python's notation;
    anything else is text as it stands, ``007`` and ``2024-01-01`` included.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        problem = _name_problem(text, name, equals, values)
        try:
            values[name] = parse_value(value.strip())
        except ValueError as error:
            problem = problem or f"{text!r}: {error}"
        problems.extend([problem] if problem else [])
    if problems:
        raise BadInput(
            "unusable parameters: " + "; ".join(problems),
            'write -p NAME=VALUE, for example -p rate=0.1 or -p \'columns=["a", "b"]\'',
        )
    return values


def _name_problem(text: str, name: str, equals: str, values: Mapping[str, Any]) -> str:
    if not equals:
        return f"{text!r} has no '='"
    if not name.isidentifier() or keyword.iskeyword(name):
        return f"{text!r}: {name!r} is no Python name"
    return f"{name!r} is given twice" if name in values else ""


def parse_value(text: str) -> Any:
    """Turn one value as written on the command line into a plain value; raise ValueError with the reason."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    if not text.startswith(_BRACKETS):
        return text
    value = _literal(text)
    misfit = _misfit(value)
    if misfit:
        raise ValueError(misfit)
    return value


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError(f"neither JSON nor a Python literal (text in quotes: '\"{text[:20]}\"')") from None


def _misfit(value: Any) -> str:
    """Say why the messages between stages, which are JSON, would quietly turn a value into something else, or ''."""
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            return "the keys of a dictionary have to be text"
        value = list(value.values())
    if isinstance(value, list):
        return next(filter(None, map(_misfit, value)), "")
    if isinstance(value, (str, int, float, bool, type(None))):
        return ""
    return f"a {type(value).__name__} can't be a parameter; lists, dictionaries, numbers and text can"


def inject_parameters(notebook: NotebookFile, parameters: Mapping[str, Any]) -> NotebookFile:
    """Return the notebook with a cell that sets the parameters, placed and tagged as papermill does.

    It replaces a cell tagged ``injected-parameters``, else follows the first one tagged ``parameters``, else comes
    first of all cells. Indices of later cells move accordingly.
    """
    if not parameters:
        return notebook
    if notebook.language != "python":
        raise BadInput(
            f"-p: j2k sets parameters in Python, and the notebook's language is {notebook.language}",
            "leave out -p and set the values in the notebook",
        )
    where = parameters_place(notebook)
    place, replaced = where.index, int(where.replaces)
    cells = list(notebook.cells)
    new = Cell(place, "code", parameters_source(parameters), (INJECTED_TAG,), where.id)
    cells[place : place + replaced] = [new]
    renumbered = tuple(dataclasses.replace(cell, index=index) for index, cell in enumerate(cells))
    return dataclasses.replace(
        notebook,
        cells=renumbered,
        sha256=content_sha256(renumbered, notebook.kernel, notebook.language),
        notes=notebook.notes + _injection_notes(notebook, parameters),
        document=_injected_document(notebook.document, new, place, replaced),
    )


def parameters_source(parameters: Mapping[str, Any]) -> str:
    """Write the cell that sets the parameters."""
    return "# Parameters\n" + "\n".join(f"{name} = {_as_source(value)}" for name, value in parameters.items())


def parameters_place(notebook: NotebookFile) -> ParametersPlace:
    """Say where a cell with parameters goes."""
    for tag, replaces in ((INJECTED_TAG, True), (PARAMETERS_TAG, False)):
        for cell in notebook.code_cells:
            if tag in cell.tags:
                own = cell.id if replaces else _fresh_id(notebook.cells)
                return ParametersPlace(cell.index + 1 - replaces, replaces, own)
    return ParametersPlace(0, replaces=False, id=_fresh_id(notebook.cells))


def _injection_notes(notebook: NotebookFile, parameters: Mapping[str, Any]) -> tuple[str, ...]:
    tagged = [cell for cell in notebook.code_cells if PARAMETERS_TAG in cell.tags]
    if not tagged:
        return ("no cell is tagged 'parameters': the values are set first, and the notebook may set them again",)
    known = set(re.findall(r"\w+", tagged[0].source))
    return tuple(
        f"parameter {name!r} is not among those of cell {tagged[0].index}, the one tagged 'parameters'"
        for name in parameters
        if name not in known
    )


def _injected_document(document: Mapping[str, Any], new: Cell, place: int, replaced: int) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": "code",
        "metadata": {"tags": [INJECTED_TAG]},
        "source": new.source,
        "outputs": [],
        "execution_count": None,
    }
    if new.id:
        cell["id"] = new.id
    cells = list(document.get("cells", ()))
    cells[place : place + replaced] = [cell]
    return {**document, "cells": cells}


def _fresh_id(cells: Iterable[Cell]) -> str:
    """Return an id that no cell has, or none where the notebook's format knows no ids."""
    taken = {cell.id for cell in cells}
    if not any(taken):
        return ""
    return next(name for n in range(len(taken) + 1) if (name := f"parameters-{n}" if n else "parameters") not in taken)


def _as_source(value: Any) -> str:
    """Return Python source for a plain value; infinities and NaN, whose ``repr`` is no literal, included."""
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, list):
        return "[" + ", ".join(map(_as_source, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_as_source(item)}" for key, item in value.items()) + "}"
    return repr(value)
