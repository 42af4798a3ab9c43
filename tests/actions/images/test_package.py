"""What images are made from is chosen by what can be traced here, and said."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import nbformat
import pytest
from rich.console import Console

from j2k_dev.actions.context import UpOptions, opened
from j2k_dev.cli.progress import make_ui
from j2k_dev.engine import reprozip
from j2k_dev.engine.workspace import write_json
from j2k_dev.model.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def options(tmp_path: Path) -> UpOptions:
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]), tmp_path / "a.ipynb")
    return UpOptions(tmp_path / "a.ipynb", engine="kind")


def chosen(options: UpOptions) -> tuple[str, str, str]:
    """Give the package, the trace that fits it, and what was said."""
    console = Console(record=True, width=1000, quiet=False, file=None, stderr=True)
    with opened(options, make_ui(console, quiet=False)) as context:
        return context.package, context.trace, console.export_text()


def cant_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reprozip, "why_not", lambda _python: "ptrace is forbidden")


def test_it_is_a_trace_where_one_can_be_had(options: UpOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reprozip, "why_not", lambda _python: None)
    assert chosen(options)[:2] == ("trace", "reprozip")


def test_else_it_is_pip_and_why_and_how_to_have_a_trace_is_said(
    options: UpOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    cant_trace(monkeypatch)
    package, trace, said = chosen(options)
    assert (package, trace) == ("pip", "audit")
    assert "ptrace is forbidden" in said
    assert "j2k doctor" in said


def test_what_was_traced_before_stays_so_without_a_try(options: UpOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(replace(options, package="trace"), make_ui(Console(stderr=True), quiet=True)) as context:
        write_json(context.workspace.recording(context.recording_key(context.notebook)), {})
    cant_trace(monkeypatch)
    assert chosen(options)[0] == "trace"


def test_a_base_and_another_trace_mean_pip(options: UpOptions) -> None:
    assert chosen(replace(options, base="python:3"))[:2] == ("pip", "audit")
    assert chosen(replace(options, trace="none"))[:2] == ("pip", "none")


def test_processes_on_this_machine_need_no_image(options: UpOptions) -> None:
    assert chosen(replace(options, engine="local", package="pip"))[:2] == ("", "audit")


def test_what_does_not_go_together_is_bad_input(options: UpOptions) -> None:
    with pytest.raises(BadInput, match=r"--base.*--trace none"):
        chosen(replace(options, package="trace", base="python:3", trace="none"))
