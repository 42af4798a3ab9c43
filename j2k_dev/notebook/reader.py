"""Reads a notebook file into a ``NotebookFile``, or says everything that is wrong with it at once.

Strict about what decides what runs (cells, their kind, source and tags), lenient about what does not (stored outputs,
identifiers, fields that newer or older programs add): real notebooks are often invalid there, and Jupyter runs them.
A notebook that needs no mending never loads nbformat, which is slow to import.
"""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

from j2k_dev.model.errors import BadInput
from j2k_dev.notebook.source import Cell, NotebookFile, content_sha256

if TYPE_CHECKING:
    from pathlib import Path

_FORMAT = 4
_NEWEST_MINOR = 5
_KINDS = ("code", "markdown", "raw")
_PYTHONS = {"": "python", "ipython": "python", "python2": "python", "python3": "python"}
_WAY_OUT = "open the notebook in Jupyter and save it again, or correct the file"
_MOST_PROBLEMS = 20


def read_notebook(path: Path) -> NotebookFile:
    """Read a notebook of any nbformat; raise BadInput naming every problem, each with cell, field and value."""
    document = _as_mapping(path, _parse(path, _read_text(path)))
    document, notes = _upgraded(path, document)
    problems = _problems(document)
    if problems:
        raise _unusable(path, problems)
    document, mended = _mended(document)
    cells = tuple(_cell(index, cell) for index, cell in enumerate(document["cells"]))
    _check_something_runs(path, cells)
    kernel, language = _kernel(document["metadata"])
    return NotebookFile(
        path=path,
        sha256=content_sha256(cells, kernel, language),
        cells=cells,
        kernel=kernel,
        language=language,
        notes=(*notes, *mended),
        document=document,
    )


# From the file to a JSON document -------------------------------------------------------------------------------------


def _read_text(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise BadInput(f"{path} is a folder, not a notebook", _notebooks_in(path))
        if not stat.S_ISREG(mode):
            raise BadInput(f"{path} is not a regular file", "give the path of an .ipynb file")
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise BadInput(f"{path} does not exist", _notebooks_in(path.parent)) from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8 text (byte {error.start}): it is no notebook", _not_json(path)) from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} can't be read: {error}", "check the path and its permissions") from error


def _notebooks_in(folder: Path) -> str:
    """Say which notebooks a person may have meant."""
    try:
        found = sorted(item.name for item in folder.glob("*.ipynb"))
    except OSError:
        found = []
    return f"notebooks there: {', '.join(found[:5])}" if found else "give the path of an .ipynb file"


def _not_json(path: Path) -> str:
    if path.suffix in {".py", ".md", ".qmd", ".Rmd"}:
        return f"turn it into a notebook first: jupytext --to ipynb {path}"
    return "give the path of an .ipynb file as Jupyter writes it"


def _parse(path: Path, text: str) -> Any:
    if not text.strip():
        raise BadInput(f"{path} is empty", "give the path of an .ipynb file as Jupyter writes it")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadInput(f"{path} is not JSON: {where}: {error.msg}", _not_json(path)) from None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not usable JSON: {error}", _not_json(path)) from None


def _as_mapping(path: Path, document: Any) -> dict[str, Any]:
    if not isinstance(document, dict) or not ({"cells", "worksheets"} & document.keys() or "nbformat" in document):
        raise BadInput(f"{path} is JSON, but no notebook: it has no 'nbformat' and no 'cells'", _not_json(path))
    return document


# Formats --------------------------------------------------------------------------------------------------------------


def _upgraded(path: Path, document: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the document in nbformat 4, and a note where it was not."""
    major, minor = document.get("nbformat"), document.get("nbformat_minor", 0)
    if type(major) is not int or type(minor) is not int or major < 1:
        given = f"nbformat = {_short(major)}, nbformat_minor = {_short(minor)}"
        raise _unusable(path, [f"{given}: both have to be whole numbers"])
    if major > _FORMAT:
        way_out = f"save it in Jupyter as format {_FORMAT}, or update j2k"
        raise BadInput(f"{path} has notebook format {major}, which is newer than this j2k knows", way_out)
    if major < _FORMAT:
        return _converted(path, document, major)
    if minor > _NEWEST_MINOR:
        note = f"format {major}.{minor} is newer than {_FORMAT}.{_NEWEST_MINOR}: fields unknown to j2k are kept as is"
        return document, (note,)
    return document, ()


def _converted(path: Path, document: dict[str, Any], major: int) -> tuple[dict[str, Any], tuple[str, ...]]:
    import nbformat  # noqa: PLC0415 - slow to import, and only old notebooks need it

    try:
        converted = nbformat.convert(nbformat.reader.reads(json.dumps(document)), _FORMAT)
    except Exception as error:
        # nbformat's upgrade of a broken old notebook fails with whatever its code runs into
        reason = f"{type(error).__name__}: {error}"
        raise BadInput(f"{path} has notebook format {major} and can't be upgraded ({reason})", _WAY_OUT) from error
    plain: dict[str, Any] = json.loads(json.dumps(converted))
    plain.get("metadata", {}).pop("orig_nbformat", None)
    for index, cell in enumerate(plain.get("cells", ())):
        cell["id"] = f"cell-{index}"  # nbformat's own are random, another one with each reading
    return plain, (f"notebook format {major} was upgraded to {_FORMAT} while reading; the file is as it was",)


# What is wrong --------------------------------------------------------------------------------------------------------


def _problems(document: dict[str, Any]) -> list[str]:
    found = []
    if not isinstance(document.get("metadata", {}), dict):
        found.append(f"metadata = {_short(document['metadata'])}: has to be an object")
    else:
        found.extend(_metadata_problems(document.get("metadata", {})))
    if not isinstance(document.get("cells"), list):
        return [*found, f"cells = {_short(document.get('cells'))}: has to be a list of cells"]
    for index, cell in enumerate(document["cells"]):
        found.extend(f"cell {index}: {problem}" for problem in _cell_problems(cell))
    return found


def _metadata_problems(metadata: dict[str, Any]) -> list[str]:
    found = []
    for name in ("kernelspec", "language_info"):
        value = metadata.get(name) or {}
        if not isinstance(value, dict):
            found.append(f"metadata.{name} = {_short(value)}: has to be an object")
        elif not isinstance(value.get("name", ""), str):
            found.append(f"metadata.{name}.name = {_short(value['name'])}: has to be text")
    return found


def _cell_problems(cell: Any) -> list[str]:
    if not isinstance(cell, dict):
        return [f"{_short(cell)}: has to be an object"]
    found = []
    if cell.get("cell_type") not in _KINDS:
        found.append(f"cell_type = {_short(cell.get('cell_type'))}: has to be one of {', '.join(_KINDS)}")
    source = cell.get("source")
    if not isinstance(source, str) and not (isinstance(source, list) and all(isinstance(line, str) for line in source)):
        found.append(f"source = {_short(source)}: has to be text or a list of lines")
    elif not _is_encodable("".join(source)):
        found.append("source: holds half a surrogate pair, which is no character")
    metadata = cell.get("metadata", {})
    if not isinstance(metadata, dict):
        return [*found, f"metadata = {_short(metadata)}: has to be an object"]
    tags = metadata.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        found.append(f"metadata.tags = {_short(tags)}: has to be a list of texts")
    return found


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - fits on a line beside the rest


def _unusable(path: Path, problems: list[str]) -> BadInput:
    shown = problems[:_MOST_PROBLEMS]
    rest = len(problems) - len(shown)
    lines = "".join(f"\n  {problem}" for problem in shown) + (f"\n  and {rest} more" if rest else "")
    return BadInput(f"{path} is no valid notebook:{lines}", _WAY_OUT)


def _check_something_runs(path: Path, cells: tuple[Cell, ...]) -> None:
    if not cells:
        raise BadInput(f"{path} has no cells", "add a code cell")
    if not any(cell.kind == "code" for cell in cells):
        raise BadInput(f"{path} has no code cells, so there is nothing to run", "add a code cell")
    if not any(cell.runs for cell in cells):
        message = f"{path}: every code cell is blank or tagged 'skip-execution', so there is nothing to run"
        raise BadInput(message, "add code")


# What is mended, and what it says -------------------------------------------------------------------------------------


def _mended(document: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Fill in fields whose absence has one obvious meaning, so that what is written from this is valid; say which."""
    with_ids = document.get("nbformat_minor", 0) >= _NEWEST_MINOR
    added: dict[str, list[int]] = {}
    cells = []
    for index, cell in enumerate(document["cells"]):
        defaults = _defaults(index, cell["cell_type"], with_ids=with_ids)
        missing = {name: value for name, value in defaults.items() if not _fits(cell.get(name, ...), value)}
        for name in missing:
            added.setdefault(name, []).append(index)
        cells.append({**cell, **missing})
    notes = tuple(f"{_cells(indices)} had no usable {name!r}: filled in" for name, indices in added.items())
    return {**document, "metadata": document.get("metadata", {}), "cells": cells}, notes


def _defaults(index: int, kind: str, *, with_ids: bool) -> dict[str, Any]:
    code: dict[str, Any] = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"metadata": {}, **code, **({"id": f"cell-{index}"} if with_ids else {})}


def _fits(value: Any, default: Any) -> bool:
    return value is None or type(value) is int if default is None else isinstance(value, type(default))


def _cells(indices: list[int]) -> str:
    named = ", ".join(map(str, indices[:5]))
    more = f" and {len(indices) - 5} more" if len(indices) > 5 else ""  # noqa: PLR2004 - enough to find them
    return f"cell{'s' if len(indices) > 1 else ''} {named}{more}"


def _cell(index: int, cell: dict[str, Any]) -> Cell:
    identifier = cell.get("id", "")
    return Cell(
        index=index,
        kind=cell["cell_type"],
        source="".join(cell["source"]),
        tags=tuple(cell["metadata"].get("tags", ())),
        id=identifier if isinstance(identifier, str) else "",
    )


def _kernel(metadata: dict[str, Any]) -> tuple[str, str]:
    """Return the kernelspec's name and the language, Python where the notebook does not say."""
    spec, info = metadata.get("kernelspec") or {}, metadata.get("language_info") or {}
    jupytext = metadata.get("jupytext")
    main = jupytext.get("main_language") if isinstance(jupytext, dict) else None
    languages = [value for value in (spec.get("language"), info.get("name"), main) if isinstance(value, str)]
    language = next(filter(None, languages), "").lower()
    return spec.get("name", ""), _PYTHONS.get(language, language)
