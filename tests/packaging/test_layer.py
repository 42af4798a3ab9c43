"""Layers are the same, byte for byte, whenever they are made of the same files, and never half written."""

from __future__ import annotations

import os
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.packaging.layer import write_layer
from j2k_dev.packaging.tree import Entry, collect, folder, hashed, text_file, with_parents
from j2k_dev.worker.files.memo import Memo

if TYPE_CHECKING:
    from pathlib import Path


def entries_of(tmp_path: Path) -> list[Entry]:
    (tmp_path / "long").mkdir(exist_ok=True)
    for name in ("a", "b" * 120, "ü", os.fsdecode(b"\xff")):
        (tmp_path / "long" / name).write_text(name, errors="surrogateescape")
    return hashed(collect(str(path) for path in (tmp_path / "long").iterdir()).entries, Memo(tmp_path / "memo"))


def test_a_layer_made_twice_is_the_same_and_says_nothing_of_who_made_it(tmp_path: Path) -> None:
    one = write_layer(with_parents(entries_of(tmp_path)), tmp_path / "one.tar")
    for path in (tmp_path / "long").iterdir():
        os.utime(path, (5, 5))
    two = write_layer(with_parents(reversed(entries_of(tmp_path))), tmp_path / "two.tar")
    assert one.sha256 == two.sha256
    assert one.size == one.file.stat().st_size
    with tarfile.open(one.file) as tar:
        members = tar.getmembers()
    assert {(member.mtime, member.uid, member.uname) for member in members} == {(0, 0, "")}
    assert {member.name.rpartition("/")[2] for member in members} >= {"a", "b" * 120, "ü", os.fsdecode(b"\xff")}


def test_folders_come_before_what_is_in_them(tmp_path: Path) -> None:
    layer = write_layer(with_parents([text_file("/a/b/c", b"x"), folder("/tmp", 0o1777)]), tmp_path / "layer.tar")
    with tarfile.open(layer.file) as tar:
        assert [(member.name, member.mode) for member in tar] == [
            ("a", 0o755), ("a/b", 0o755), ("a/b/c", 0o644), ("tmp", 0o1777),
        ]  # fmt: skip


@pytest.mark.parametrize("text", ["xx", ""])
def test_a_file_that_changed_since_it_was_looked_at_is_refused_and_nothing_is_left(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text("x")
    entries = hashed(collect([f"{tmp_path}/file"]).entries, Memo(tmp_path / "memo"))
    (tmp_path / "file").write_text(text)
    changed = [replace(entry, size=max(entry.size, len(text))) for entry in entries]
    with pytest.raises(MachineryFailed, match="changed while it was packed"):
        write_layer(with_parents(changed), tmp_path / "layer.tar")
    assert not list(tmp_path.glob("layer*"))
