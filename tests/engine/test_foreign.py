"""Kernels of other languages: which one a notebook gets, and when it counts as another one."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from j2k_dev.engine.foreign import find_foreign
from j2k_dev.model.errors import BadInput, Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Install a kernelspec where Jupyter looks, and return its file."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))

    def install(name: str, *argv: str, **more: Any) -> Path:
        file = tmp_path / "kernels" / name / "kernel.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"argv": argv, "display_name": name, "language": "bash", **more}))
        return file

    return install


def test_it_is_the_one_that_the_notebook_names(install: Callable[..., Path]) -> None:
    install("shell", "sh", "-c", "true")
    found = find_foreign("shell", "bash")
    assert (found.executable, found.kernel, found.language) == (shutil.which("sh"), "shell", "bash")


def test_a_bare_python_is_our_own_as_it_is_for_jupyter(install: Callable[..., Path]) -> None:
    install("shell", "python3", "-m", "bash_kernel")
    assert find_foreign("shell", "bash").executable == sys.executable


@pytest.mark.parametrize(
    ("kernel", "said"),
    [("gone", "'gone' is not installed"), ("", "it names no kernel"), ("python3", "'python3' is Python")],
)
def test_without_it_those_that_are_installed_are_named(install: Callable[..., Path], kernel: str, said: str) -> None:
    install("shell", "sh")
    with pytest.raises(Refused, match="the notebook's language is julia, and ") as caught:
        find_foreign(kernel, "julia")
    assert said in caught.value.message
    assert "python3, shell" in caught.value.message
    assert "kernelspec.language" in caught.value.way_out


def test_one_whose_program_is_gone_is_named(install: Callable[..., Path]) -> None:
    install("shell", "no-such-program")
    with pytest.raises(BadInput, match="'shell' is started by no-such-program, which is not there"):
        find_foreign("shell", "bash")


def test_a_damaged_one_is_bad_input(install: Callable[..., Path]) -> None:
    install("shell", "sh").write_text("{")
    with pytest.raises(BadInput, match="'shell' can't be read"):
        find_foreign("shell", "bash")


def test_it_stays_the_same_until_it_is_installed_again(install: Callable[..., Path]) -> None:
    file = install("shell", "sh", "-c", "true")
    first = find_foreign("shell", "bash")
    assert find_foreign("shell", "bash") == first
    os.utime(file, (0, 0))
    touched = find_foreign("shell", "bash")
    install("shell", "sh", "-c", "false")
    assert first.packages.keys() == touched.packages.keys() == {"kernel shell"}
    assert len({str(kernel.packages) for kernel in (first, touched, find_foreign("shell", "bash"))}) == 3
