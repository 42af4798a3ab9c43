"""Notebook files: good ones are read, bad ones are refused with everything that is wrong with them."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from j2k_dev.model.errors import BadInput
from j2k_dev.notebook.reader import read_notebook

CODE: dict[str, Any] = {
    "cell_type": "code",
    "id": "one",
    "metadata": {"tags": ["stage:load"]},
    "source": ["x = 1\n", "x"],
    "outputs": [],
    "execution_count": None,
}
TEXT = {"cell_type": "markdown", "id": "two", "metadata": {}, "source": "# Title"}


def document(*cells: Any, **changes: Any) -> dict[str, Any]:
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    base = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": list(cells or (TEXT, CODE))}
    return copy.deepcopy({**base, **changes})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "analysis.ipynb"


def refusal(path: Path, content: Any) -> BadInput:
    """Write what should not be readable and return how it is refused."""
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(BadInput) as error:
        read_notebook(path)
    assert error.value.way_out
    assert path.name in error.value.message
    return error.value


def test_a_notebook_is_read_with_its_cells_kernel_and_language(path: Path) -> None:
    path.write_text(json.dumps(document()))
    notebook = read_notebook(path)
    assert [(cell.index, cell.kind, cell.id) for cell in notebook.cells] == [(0, "markdown", "two"), (1, "code", "one")]
    assert notebook.cells[1].source == "x = 1\nx"
    assert notebook.cells[1].tags == ("stage:load",)
    assert (notebook.kernel, notebook.language, notebook.notes) == ("python3", "python", ())
    assert notebook.document == document()


def test_outputs_are_no_part_of_the_hash(path: Path) -> None:
    path.write_text(json.dumps(document()))
    before = read_notebook(path).sha256
    output = {"output_type": "stream", "name": "stdout", "text": "x"}
    path.write_text(json.dumps(document(TEXT, {**CODE, "outputs": [output], "execution_count": 7})))
    assert read_notebook(path).sha256 == before


def test_a_byte_order_mark_and_other_line_ends_do_no_harm(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(document(), indent=1).replace("\n", "\r\n").encode())
    assert len(read_notebook(path).cells) == 2


def test_a_good_notebook_is_read_without_loading_nbformat(path: Path) -> None:
    path.write_text(json.dumps(document()))
    script = """
        import sys, pathlib
        from j2k_dev.notebook.reader import read_notebook
        read_notebook(pathlib.Path(sys.argv[1]))
        assert "nbformat" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script), path], check=True, timeout=60)


# Refusals


def test_a_missing_file_is_refused_and_notebooks_beside_it_are_named(path: Path) -> None:
    path.write_text("{}")
    with pytest.raises(BadInput, match="does not exist") as error:
        read_notebook(path.with_name("anlysis.ipynb"))
    assert "analysis.ipynb" in error.value.way_out


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a folder"):
        read_notebook(tmp_path)


def test_a_pipe_is_refused_instead_of_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(BadInput, match="not a regular file"):
        read_notebook(path)


def test_a_path_that_no_system_accepts_is_refused() -> None:
    for name in ("a\0b.ipynb", "a" * 5000 + ".ipynb"):
        with pytest.raises(BadInput, match="can't be read"):
            read_notebook(Path(name))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file: run the tests as another user to test this")
def test_a_file_without_permission_is_refused(path: Path) -> None:
    path.write_text("{}")
    path.chmod(0)
    with pytest.raises(BadInput, match="can't be read"):
        read_notebook(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ('{\n"cells": [,]}', "not JSON: line 2, column 11"),
        ("import numpy", "not JSON: line 1"),
        ("[" * 100_000, "JSON"),
        ('{"nbformat": ' + "9" * 5000 + "}", "JSON"),
        ([1], "no notebook"),
        ("null", "no notebook"),
        ({"some": "data"}, "no notebook"),
        ({"cells": []}, "nbformat = nothing"),
        ({"nbformat": 4}, "cells = nothing"),
        ({"nbformat": True, "cells": []}, "nbformat = True"),
        (document(nbformat=5), "format 5, which is newer"),
        (document(nbformat=3), "can't be upgraded"),
        (document(cells={}), "cells = {}: has to be a list"),
        (document(cells=[]), "has no cells"),
        (document(TEXT), "no code cells"),
        (document({**CODE, "source": " \n"}), "nothing to run"),
        (document(metadata=[]), r"metadata = \[\]: has to be an object"),
        (document(metadata={"kernelspec": "python"}), "metadata.kernelspec = 'python': has to be an object"),
        (document(metadata={"kernelspec": {"name": 3}}), "metadata.kernelspec.name = 3: has to be text"),
        (document(TEXT, 7), "cell 1: 7: has to be an object"),
        (document({**CODE, "cell_type": "heading"}), "cell 0: cell_type = 'heading': has to be one of code"),
        (document({**CODE, "source": None}), "cell 0: source = nothing: has to be text"),
        (document({**CODE, "source": ["x", 1]}), r"cell 0: source = \['x', 1\]: has to be text or a list of lines"),
        (document({**CODE, "source": "'\ud800'"}), "cell 0: source: holds half a surrogate"),
        (document({**CODE, "metadata": None}), "cell 0: metadata = nothing: has to be an object"),
        (document({**CODE, "metadata": {"tags": "stage:a"}}), "cell 0: metadata.tags = 'stage:a': has to be a list"),
    ],
)  # fmt: skip
def test_what_is_no_notebook_is_refused_by_name(path: Path, content: Any, reason: str) -> None:
    error = refusal(path, content)
    assert re.search(reason, error.message)
    assert error.exit_code == 2


def test_a_file_that_is_no_text_is_refused(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\xff\xfe")
    with pytest.raises(BadInput, match="not UTF-8 text"):
        read_notebook(path)


def test_a_script_is_refused_with_the_way_to_make_it_a_notebook(tmp_path: Path) -> None:
    assert "jupytext" in refusal(tmp_path / "analysis.py", "x = 1").way_out


def test_all_problems_are_named_at_once_and_a_flood_is_cut_short(path: Path) -> None:
    bad = {**CODE, "cell_type": "x", "source": 1, "metadata": {"tags": 2}}
    message = refusal(path, document(bad, metadata={"kernelspec": 3})).message
    assert message.count("\n") == 4
    assert "and 13 more" in refusal(path, document(*[bad] * 11)).message


# What is mended, with a note


def test_an_nbformat_3_notebook_is_upgraded_and_a_note_says_so(path: Path) -> None:
    old = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": "old"},
        "worksheets": [
            {
                "cells": [
                    {"cell_type": "heading", "level": 2, "metadata": {}, "source": ["Title"]},
                    {"cell_type": "code", "language": "python", "collapsed": False, "metadata": {}, "outputs": [],
                     "input": ["x = 1\n", "x"], "prompt_number": 3},
                ],
                "metadata": {},
            }
        ],
    }  # fmt: skip
    path.write_text(json.dumps(old))
    notebook = read_notebook(path)
    assert [cell.source for cell in notebook.cells] == ["## Title", "x = 1\nx"]
    assert "format 3 was upgraded to 4" in notebook.notes[0]
    assert json.loads(path.read_text()) == old
    nbformat.validate(nbformat.from_dict(notebook.document))


def test_a_newer_minor_format_is_read_and_noted(path: Path) -> None:
    path.write_text(json.dumps(document(nbformat_minor=9, extra="kept")))
    notebook = read_notebook(path)
    assert "newer" in notebook.notes[0]
    assert notebook.document["extra"] == "kept"


def test_missing_fields_with_one_obvious_meaning_are_filled_in_and_noted(path: Path) -> None:
    path.write_text(json.dumps(document({"cell_type": "code", "source": "x"}, {**CODE, "outputs": None})))
    notebook = read_notebook(path)
    nbformat.validate(nbformat.from_dict(notebook.document))
    assert sorted(note.split("'")[1] for note in notebook.notes) == ["execution_count", "id", "metadata", "outputs"]
    assert "cells 0, 1" in next(note for note in notebook.notes if "outputs" in note)


@pytest.mark.parametrize(
    ("metadata", "kernel", "language"),
    [
        ({}, "", "python"),
        ({"kernelspec": {"name": "ir", "language": "R"}}, "ir", "r"),
        ({"kernelspec": {"name": "julia-1.9"}, "language_info": {"name": "julia"}}, "julia-1.9", "julia"),
        ({"kernelspec": {"name": "myenv"}}, "myenv", "python"),
        ({"language_info": {"name": "ipython"}}, "", "python"),
        ({"kernelspec": None}, "", "python"),
        ({"jupytext": {"main_language": "julia"}}, "", "julia"),
    ],
)
def test_kernel_and_language_come_from_the_metadata(path: Path, metadata: Any, kernel: str, language: str) -> None:
    path.write_text(json.dumps(document(metadata=metadata)))
    notebook = read_notebook(path)
    assert (notebook.kernel, notebook.language) == (kernel, language)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["nbformat", "nbformat_minor", "metadata", "cells", "cell_type", "source", "outputs", "tags", "kernelspec", "id"]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every container and key of a document."""
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else [])
    return [(value, key) for key, _ in items] + [place for _, item in items for place in places(item)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_whatever_is_broken_in_a_notebook_it_is_read_or_refused(path: Path, data: st.DataObject) -> None:
    broken = document()
    container, key = data.draw(st.sampled_from(places(broken)))
    container[key] = data.draw(JSON | st.dictionaries(st.sampled_from(KEYS), JSON))
    path.write_text(json.dumps(broken))
    with suppress(BadInput):
        assert read_notebook(path).code_cells


def test_a_notebook_of_1000_cells_is_read_whole(path: Path) -> None:
    path.write_text(json.dumps(document(*[TEXT, CODE] * 500)))
    assert len(read_notebook(path).code_cells) == 500
