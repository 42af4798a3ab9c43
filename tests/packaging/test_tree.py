"""What an image holds is found by following links by hand, and compiled modules fit their sources."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.packaging.layer import write_layer
from j2k_dev.packaging.tree import collect, compiled, hashed, identity, with_parents
from j2k_dev.worker.files.memo import Memo

if TYPE_CHECKING:
    from pathlib import Path


def test_links_are_kept_and_followed_also_where_a_folder_on_the_way_is_one(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    (root / "real").mkdir()
    (root / "real" / "file").write_text("x")
    (root / "link").symlink_to("real")
    (root / "real" / "again").symlink_to("../link/file")
    entries = collect([f"{root}/link/again"]).entries
    kinds = {
        path.removeprefix(f"{root}/"): entry.kind for path, entry in entries.items() if path.startswith(f"{root}/")
    }
    assert kinds == {"link": "link", "real": "dir", "real/again": "link", "real/file": "file"}
    assert entries[f"{root}/link"].link == "real"


def test_links_that_lead_nowhere_or_in_circles_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "gone").symlink_to("nothing")
    assert not [e for e in collect([f"{tmp_path}/a", f"{tmp_path}/gone"]).entries.values() if e.kind == "file"]


def test_a_link_to_a_secret_does_not_take_it_in(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    (root / ".ssh").mkdir()
    (root / ".ssh" / "key").write_text("secret")
    (root / "innocent").symlink_to(".ssh/key")
    tree = collect([f"{root}/innocent"])
    assert tree.secret == {f"{root}/.ssh/key"}
    assert not [entry for entry in tree.entries.values() if entry.kind == "file"]


def test_modes_are_two_and_folders_can_be_passed(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    (root / "closed").mkdir(mode=0o700)
    for name, mode in (("program", 0o700), ("text", 0o600)):
        (root / "closed" / name).write_text("x")
        (root / "closed" / name).chmod(mode)
    entries = collect([f"{root}/closed/program", f"{root}/closed/text"]).entries
    assert [entries[f"{root}/closed{name}"].mode for name in ("", "/program", "/text")] == [0o755, 0o755, 0o644]


def test_the_identity_depends_on_contents_not_on_times(tmp_path: Path) -> None:
    file = tmp_path / "file"

    def now(text: str, time: int) -> str:
        file.write_text(text)
        os.utime(file, (time, time))
        return identity(hashed(collect([str(file)]).entries, Memo(tmp_path / "memo")))

    assert now("one", 1) == now("one", 2)
    assert now("one", 1) != now("two", 1)


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_a_file_that_cant_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "closed").write_text("x")
    (tmp_path / "closed").chmod(0)
    with pytest.raises(MachineryFailed, match="closed can't be read"):
        hashed(collect([f"{tmp_path}/closed"]).entries, Memo(tmp_path / "memo"))


def test_python_takes_the_compiled_modules_of_an_unpacked_layer(tmp_path: Path) -> None:
    module = tmp_path.resolve() / "code" / "mine.py"
    module.parent.mkdir()
    module.write_text("print('hello')\n")
    py_compile.compile(str(module))
    entries = hashed(collect([str(module)]).entries, Memo(tmp_path / "memo"))
    extra = compiled(entries, sys.implementation.cache_tag or "")
    layer = write_layer(with_parents([*entries, *extra]), tmp_path / "layer.tar")
    subprocess.run(
        ["tar", "-xf", layer.file, "-C", tmp_path, "--strip-components", str(len(module.parts) - 3)], check=True
    )
    said = subprocess.run(
        [sys.executable, "-v", "-c", "import mine"], cwd=module.parent, capture_output=True, text=True, check=True
    )
    assert "matches" in said.stderr.split("mine.cpython")[1].splitlines()[0]
    assert int(module.stat().st_mtime) == 0


def test_a_compiled_module_of_another_source_stays_out(tmp_path: Path) -> None:
    module = tmp_path / "mine.py"
    module.write_text("a = 1\n")
    py_compile.compile(str(module))
    module.write_text("a = 1 + 1\n")
    assert not compiled(collect([str(module)]).entries.values(), sys.implementation.cache_tag or "")
    assert importlib.util.cache_from_source(str(module))
