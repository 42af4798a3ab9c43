"""Audit hooks tell what a cell used, and cost little; each test is a real interpreter that is traced."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from j2k_dev.model.recording import FileOperation, FileUse
from j2k_dev.recording.trace import TraceOfCell

if TYPE_CHECKING:
    from pathlib import Path

TRACED = """
import dataclasses, json, os, sys
from pathlib import Path
from j2k_dev.recording.trace import Tracer
cells = json.loads(sys.argv[1])
tracer = Tracer(Path(os.getcwd()))
tracer.start()
space, traces = {}, []
for source in cells:
    try:
        exec(source, space)
    except Exception as error:
        print(repr(error), file=sys.stderr)
    traces.append(dataclasses.asdict(tracer.cell()))
tracer.stop()
open("after the end", "w").close()
assert dataclasses.asdict(tracer.cell()) == dataclasses.asdict(type(tracer.cell())())
print(json.dumps(traces))
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def trace(work: Path, *cells: str) -> list[TraceOfCell]:
    """Run cells in an interpreter of their own, in ``work``, and give what was seen of each."""
    done = subprocess.run(
        [sys.executable, "-c", TRACED, json.dumps(cells)],
        cwd=work, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    plain: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return [_of_plain(cell) for cell in plain]


def _of_plain(cell: dict[str, Any]) -> TraceOfCell:
    operations = tuple(FileOperation(**each) for each in cell.pop("operations"))
    return TraceOfCell(**{name: tuple(things) for name, things in cell.items()}, operations=operations)


def test_files_are_told_cell_by_cell(work: Path) -> None:
    (work / "in.csv").write_text("1")
    first, second, third = trace(work, "text = open('in.csv').read()", "open('out.txt', 'w').write(text)", "1 + 1")
    assert first == TraceOfCell(read=("in.csv",))
    assert second == TraceOfCell(written=("out.txt",))
    assert third == TraceOfCell()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("open('f')", "read"),
        ("open('f', 'rb')", "read"),
        ("open('f', 'a')", "written"),
        ("open('f', 'r+b')", "written"),
        ("import os; os.open('f', os.O_RDONLY)", "read"),
        ("import os; os.open('f', os.O_WRONLY | os.O_APPEND)", "written"),
        ("import pathlib; pathlib.Path('f').read_bytes()", "read"),
        ("import os; open(os.fsencode('f'))", "read"),
        ("import os; os.truncate('f', 0)", "written"),
        ("import os; os.remove('f')", "deleted"),
        ("import mmap; mmap.mmap(open('f', 'rb').fileno(), 0, access=mmap.ACCESS_READ)", "read"),
    ],
)
def test_each_way_to_use_a_file_is_told(code: str, kind: str, work: Path) -> None:
    (work / "f").write_text("content")
    (seen,) = trace(work, code)
    assert {field.name: getattr(seen, field.name) for field in fields(seen) if getattr(seen, field.name)} == {
        kind: ("f",)
    }


def test_a_rename_deletes_one_name_and_writes_the_other(work: Path) -> None:
    (work / "old").touch()
    (seen,) = trace(work, "import os; os.rename('old', 'new')")
    assert (seen.deleted, seen.written) == (("old",), ("new",))


def test_folders_that_are_looked_into_are_told(work: Path) -> None:
    (work / "data").mkdir()
    (seen,) = trace(work, "import os, glob; os.listdir('data'); glob.glob('data/*.csv'); os.scandir('data')")
    assert seen.listed == ("data",)


def test_a_library_that_looks_for_installed_ones_looks_into_no_folder_of_ours(work: Path) -> None:
    """As matplotlib does: else each file that comes into the folder would be one more that matters."""
    code = "import sys; sys.path.insert(0, '')\nfrom importlib import metadata\nmetadata.version('pip')"
    (seen, again) = trace(work, f"{code}\nlist(metadata.entry_points())", "import os; os.listdir('.')")
    assert seen.listed == ()
    assert again.listed == (".",)


def test_a_database_is_both_read_and_written(work: Path) -> None:
    code = "import sqlite3; sqlite3.connect('a.db'); sqlite3.connect(':memory:')"
    assert trace(work, code)[0].written == ("a.db",)
    assert "a.db" in trace(work, code)[0].read


def test_paths_are_relative_to_where_the_cell_was_at_the_time(work: Path) -> None:
    (work / "sub").mkdir()
    (work / "sub" / "x").touch()
    cells = ("import os; os.chdir('sub')", "open('x')", "os.chdir('..'); open('y', 'w')")
    assert [cell.read + cell.written for cell in trace(work, *cells)] == [(), ("sub/x",), ("y",)]


def test_a_change_of_directory_that_failed_misleads_nobody(work: Path) -> None:
    (seen,) = trace(work, "import os, contextlib\nwith contextlib.suppress(OSError): os.chdir('no')\nopen('y', 'w')")
    assert seen.written == ("y",)


def test_files_outside_are_absolute_and_libraries_are_left_out(work: Path, tmp_path: Path) -> None:
    (tmp_path / "data.csv").touch()
    (seen,) = trace(work, "import wave, ctypes.util, email.mime.text; open('../data.csv'); open('/dev/null')")
    assert seen.read == (str(tmp_path / "data.csv"),)


def test_a_module_of_the_notebook_is_an_input_also_when_only_its_bytecode_is_read(work: Path) -> None:
    (work / "helper.py").write_text("x = 1")
    cell = "import sys; sys.path.insert(0, ''); sys.dont_write_bytecode = False; import helper"
    for _ in range(2):
        (seen,) = trace(work, cell)
        assert "helper.py" in seen.read
        assert seen.uses(work, []) == (FileUse("helper.py", "read", 5),)


def test_programs_connections_and_libraries_are_told(work: Path) -> None:
    cells = (
        "import subprocess; subprocess.run(['true', 'a b']); import os; os.system('true # shell')",
        "import socket; s = socket.socket(); s.settimeout(1); s.connect(('127.0.0.1', 9))",
        "import ctypes; ctypes.CDLL('libc.so.6')",
    )
    programs, connections, libraries = trace(work, *cells)
    assert programs.programs == ("true 'a b'", "true # shell")
    assert connections.connections == ("127.0.0.1:9",)
    assert libraries.libraries == ("libc.so.6",)


def test_an_odd_path_object_breaks_nothing(work: Path) -> None:
    (work / "f").touch()
    odd = "class Odd:\n asked = 0\n def __fspath__(self):\n  self.asked += 1\n"
    cells = (
        odd + "  if self.asked > 1: raise RuntimeError\n  return 'f'",
        "ok = open(Odd()).read() == ''",
        "open('ok' if ok else 'bad', 'w')",
    )
    assert trace(work, *cells)[2].written == ("ok",)


def test_a_million_opens_of_one_file_are_one_note(work: Path) -> None:
    (work / "f").touch()
    (seen,) = trace(work, "for _ in range(20_000): open('f').close()")
    assert seen.read == ("f",)


def test_uses_join_what_was_traced_with_what_the_scan_found(work: Path) -> None:
    for name in ("read", "written", "unseen"):
        (work / name).write_text("12345")
    (work / "folder").mkdir()
    traced = TraceOfCell(
        read=("read", "gone", "folder"), written=("written", "gone"), deleted=("gone", "written", "/gone")
    )
    found = (FileUse("unseen", "written", 5, "hash"), FileUse("__pycache__/m.pyc", "written", 1, "hash"))
    assert traced.uses(work, found) == (
        FileUse("/gone", "deleted", 0),
        FileUse("read", "read", 5),
        FileUse("unseen", "written", 5, "hash"),
        FileUse("written", "written", 5),
    )


def test_the_hook_costs_little_beside_opening_a_file(work: Path) -> None:
    (work / "f").touch()
    code = "import time\ndef loop():\n s = time.perf_counter()\n for _ in range(5000): open('f').close()\n"
    code += " return time.perf_counter() - s\nbest = min(loop() for _ in range(5))\n"
    plain = subprocess.run(
        [sys.executable, "-c", code + "print(best)"], cwd=work, capture_output=True, text=True, timeout=60, check=True
    )
    trace(work, code + "open('seconds', 'w').write(str(best))")
    assert float((work / "seconds").read_text()) < 3 * float(plain.stdout)


@pytest.mark.parametrize(
    ("code", "operation"),
    [
        ("import os; os.chown('f', -1, -1)", FileOperation("f", "chowned", 1)),
        ("import os; os.fchown(os.open('f', os.O_RDONLY), -1, -1)", FileOperation("f", "chowned", 1)),
        ("import fcntl; fcntl.flock(open('f'), fcntl.LOCK_SH)", FileOperation("f", "locked", 1)),
        ("import fcntl; fcntl.lockf(open('f', 'a'), fcntl.LOCK_EX)", FileOperation("f", "locked", 1)),
        (
            "import mmap; f = open('f'); mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)",
            FileOperation("f", "mapped", 1),
        ),
        ("import sqlite3; sqlite3.connect('d').close()", FileOperation("d", "database", 1)),
        ("for _ in range(5): open('f').close()", FileOperation("f", "opened", 5)),
        ("open('f').close(); open('f', 'a').close()", FileOperation("f", "opened", 2)),
    ],
)
def test_what_some_storage_does_slowly_or_not_at_all_is_counted(
    work: Path, code: str, operation: FileOperation
) -> None:
    (work / "f").write_text("1")
    (seen,) = trace(work, code)
    assert operation in seen.operations
    assert len(seen.operations) == 1


def test_what_is_no_file_of_the_notebooks_is_not_counted(work: Path) -> None:
    code = "import mmap, sqlite3, json; mmap.mmap(-1, 4096); sqlite3.connect(':memory:').close()"
    (seen,) = trace(work, code + "; open(json.__file__).close(); open(json.__file__).close()")
    assert seen.operations == ()


def test_letting_go_of_a_lock_is_no_lock(work: Path) -> None:
    (work / "f").write_text("1")
    code = "import fcntl; f = open('f'); fcntl.flock(f, fcntl.LOCK_EX); fcntl.flock(f, fcntl.LOCK_UN)"
    (seen,) = trace(work, code)
    assert seen.operations == (FileOperation("f", "locked", 1),)
