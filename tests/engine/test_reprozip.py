"""ReproZip's trace is kept without secrets; where it is installed, with the real tracer."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from j2k_dev.engine.reprozip import (
    ENVIRONMENT,
    InputOutput,
    ReprozipTrace,
    TracedRun,
    candidates,
    keep,
    load,
    why_not,
    wrap,
)
from j2k_dev.model.errors import MachineryFailed

SECRETS = {
    "MY_API_TOKEN": "tok-4711-planted-by-name",
    "HARMLESS_NAME": "ghp_" + "Planted1" * 5,
    "DATABASE_URL": "postgres://me:planted-in-url@db.example/x",
    "PRIVATE_PEM": "-----BEGIN PRIVATE KEY-----\nplanted+lines/of+base64\n-----END PRIVATE KEY-----\n",
}
PLANTED = [
    b"4711-planted",
    b"ghp_Planted1",
    b"planted-in-url",
    b"planted+lines",
    b"planted-argument",
    b"planted-in-child",
]
PROGRAM = """
import os, pathlib, subprocess, sys
pathlib.Path("out.txt").write_text(pathlib.Path("a: b #1.txt").read_text())
os.environ["CHILD_SECRET"] = "planted-in-child"
subprocess.run(["true", "--token", "planted-argument", "https://u:planted-in-url@x/", os.environ["MY_API_TOKEN"]])
sys.exit(3)
"""


def reprozip_python() -> Path:
    """Give an interpreter that can trace, or skip, saying why (REPROZIP_PYTHON names one to try first)."""
    named = os.environ.get("REPROZIP_PYTHON")
    reasons = []
    for python in [*([Path(named)] if named else []), *candidates()]:
        reason = why_not(python)
        if reason is None:
            return python
        reasons.append(reason)
    return pytest.skip("ReproZip is not tried for real: " + "; ".join(reasons))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "a: b #1.txt").write_text("awkward")
    (folder / "program.py").write_text(PROGRAM)
    return folder


def bytes_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() + os.fsencode(path) for path in folder.rglob("*") if path.is_file())


def test_a_real_trace_is_kept_without_a_secret_in_any_byte(work: Path, tmp_path: Path) -> None:
    python = reprozip_python()
    raw, kept = tmp_path / "raw", tmp_path / "kept"
    command = [sys.executable, "program.py", "--password", "planted-argument"]
    environment = {**os.environ, **ENVIRONMENT, **SECRETS, "KEPT": "as it is"}
    done = subprocess.run(wrap(python, raw, command), cwd=work, env=environment, timeout=120, check=False)
    assert done.returncode == 3
    assert [secret for secret in PLANTED if secret not in bytes_below(raw)] == [], "planted, so it can be found"
    trace = keep(python, raw, kept)
    assert [secret for secret in PLANTED if secret in bytes_below(kept)] == []
    assert not raw.exists()
    assert {path.name for path in kept.iterdir()} == {"config.yml", "trace.sqlite3"}
    (run,) = trace.runs
    assert (run.folder, run.exit, run.argv[1:3]) == (str(work), 3, ("program.py", "--password"))
    assert (run.environment["KEPT"], run.environment["PATH"]) == ("as it is", os.environ["PATH"])
    assert InputOutput(str(work / "a: b #1.txt"), read=True, written=False) in trace.inputs_outputs
    assert InputOutput(str(work / "out.txt"), read=False, written=True) in trace.inputs_outputs
    assert str(work / "program.py") in trace.files


def test_reprozip_itself_still_reads_what_was_kept(work: Path, tmp_path: Path) -> None:
    python = reprozip_python()
    subprocess.run(wrap(python, tmp_path / "raw", ["true"]), cwd=work, env={**os.environ, **ENVIRONMENT}, check=True)
    keep(python, tmp_path / "raw", tmp_path / "kept")
    pack = "from reprozip.main import main; main()"
    packed = tmp_path / "x.rpz"
    command = [str(python), "-c", pack, "pack", "-d", str(tmp_path / "kept"), str(packed)]
    done = subprocess.run(command, cwd=work, env={**os.environ, **ENVIRONMENT}, timeout=120, check=False)
    assert done.returncode == 0
    assert packed.stat().st_size > 1000


def test_where_ptrace_is_forbidden_that_is_said(tmp_path: Path) -> None:
    python = reprozip_python()
    code = f"""
import sys
from pathlib import Path
from j2k_dev.engine.reprozip import why_not
print(why_not(Path({str(python)!r})))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, preexec_fn=forbid_ptrace
    )
    assert "ptrace is most likely forbidden" in done.stdout


def test_an_interpreter_without_it_is_named_with_the_way_to_get_it(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], timeout=60, check=True)
    reason = why_not(tmp_path / "bare" / "bin" / "python")
    assert reason
    assert "has no reprozip" in reason
    assert "libsqlite3-dev" in reason


def test_an_interpreter_that_is_missing_is_said(tmp_path: Path) -> None:
    assert "can't be tried" in (why_not(tmp_path / "nowhere") or "")


def test_the_interpreter_of_the_installed_command_is_a_candidate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "reprozip"
    script.write_text(f"#!{shutil.which('sh')}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert candidates() == [Path(sys.executable), Path(str(shutil.which("sh")))]


SCHEMA = """
CREATE TABLE processes(id INTEGER NOT NULL PRIMARY KEY, run_id INTEGER NOT NULL, parent INTEGER,
    timestamp INTEGER NOT NULL, is_thread BOOLEAN NOT NULL, exitcode INTEGER);
CREATE TABLE opened_files(id INTEGER NOT NULL PRIMARY KEY, run_id INTEGER NOT NULL, name TEXT NOT NULL,
    timestamp INTEGER NOT NULL, mode INTEGER NOT NULL, is_directory BOOLEAN NOT NULL, process INTEGER NOT NULL);
CREATE TABLE executed_files(id INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, run_id INTEGER NOT NULL,
    timestamp INTEGER NOT NULL, process INTEGER NOT NULL, argv TEXT NOT NULL, envp TEXT NOT NULL,
    workingdir TEXT NOT NULL);
"""


def python_with_yaml(tmp_path: Path) -> Path:
    """Stand in for reprozip's Python where there is none: JSON is YAML, so json can read what is written below."""
    folder = tmp_path / "interpreter"
    folder.mkdir()
    (folder / "yaml.py").write_text("import json\nsafe_load = json.load\n")
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}" exec "{sys.executable}" "$@"\n')
    script.chmod(0o755)
    return script


def write_raw(raw: Path) -> None:
    """Write a trace as reprozip 1.3 does (same tables, same fields), with secrets in it."""
    raw.mkdir()
    environment = {**SECRETS, "PATH": "/bin"}
    argv = ["run", "--password", "planted-argument"]
    envp = "".join(f"{name}={value}\0" for name, value in environment.items()) + "CHILD_SECRET=planted-in-child\0"
    with closing(sqlite3.connect(raw / "trace.sqlite3")) as database:
        database.executescript(SCHEMA)
        row = (1, "/bin/run", 0, 1, 1, "\0".join(argv) + "\0", envp, "/home/me/ghp_" + "Planted1" * 5)
        database.execute("INSERT INTO executed_files VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        files = [("/home/me/in.csv", 1, 0), ("/home/me/out.csv", 2, 0), ("/home/me/db", 1, 0), ("/home/me/db", 2, 0)]
        files += [("/usr/lib/x.so", 1, 0), ("/home/me", 4, 1), ("/home/me/tok-4711-planted-by-name", 1, 0)]
        database.executemany("INSERT INTO opened_files VALUES (NULL, 0, ?, 1, ?, ?, 1)", files)
        odd = "INSERT INTO opened_files VALUES (NULL, 0, CAST(? AS TEXT), 1, 1, 0, 1)"
        database.execute(odd, (b"/home/me/odd\xff \xf0\x9f\x98\x80",))
        database.commit()
    run = {
        "id": "run0",
        "argv": argv,
        "binary": "/bin/run",
        "environ": environment,
        "signal": 9,
        "workingdir": "/home/me",
    }
    packages = [{"name": "libc6", "version": "2.36", "files": ["/lib/libc.so.6"]}]
    other = ["/home/me/in.csv", "/home/me/\u2028 \x85 😀"]
    config = {"version": "0.8", "runs": [run], "inputs_outputs": None, "packages": packages, "other_files": other}
    (raw / "config.yml").write_text(json.dumps(config))


def test_a_trace_is_kept_without_secrets_and_read_back(tmp_path: Path) -> None:
    raw, kept = tmp_path / "raw", tmp_path / "kept"
    write_raw(raw)
    trace = keep(python_with_yaml(tmp_path), raw, kept)
    assert [secret for secret in PLANTED if secret in bytes_below(kept)] == []
    assert load(kept) == trace
    assert (trace.runs[0].exit, trace.runs[0].environment["PATH"]) == (-9, "/bin")
    assert trace.packages[0].files == ("/lib/libc.so.6",)
    assert trace.files == ("/home/me/in.csv", "/home/me/\u2028 \x85 😀")
    used = {use.path: (use.read, use.written) for use in trace.inputs_outputs}
    assert used == {
        "/home/me/in.csv": (True, False),
        "/home/me/out.csv": (False, True),
        "/home/me/db": (True, True),
        "/home/me/SCRUBBED": (True, False),
        "/home/me/odd\udcff 😀": (True, False),
    }


@pytest.mark.parametrize("damage", ["config.yml", "trace.sqlite3"])
def test_of_a_trace_that_cant_be_read_nothing_is_kept(damage: str, tmp_path: Path) -> None:
    raw, kept = tmp_path / "raw", tmp_path / "kept"
    write_raw(raw)
    (raw / damage).write_text("runs: [ unfinished")
    with pytest.raises(MachineryFailed, match="can't be read"):
        keep(python_with_yaml(tmp_path), raw, kept)
    assert not raw.exists()
    assert not kept.exists()
    assert list(tmp_path.glob("*.new")) == []


def test_a_new_trace_replaces_the_old_one(tmp_path: Path) -> None:
    python = python_with_yaml(tmp_path)
    for _ in range(2):
        write_raw(tmp_path / "raw")
        trace = keep(python, tmp_path / "raw", tmp_path / "kept")
    assert isinstance(trace, ReprozipTrace)
    assert isinstance(trace.runs[0], TracedRun)


def forbid_ptrace() -> None:
    """Have the kernel refuse ptrace to this process and its children, as containers do (seccomp, x86-64 and arm64)."""
    number = {"x86_64": 101, "aarch64": 117}[os.uname().machine]
    load_number, jump_if_equal, answer = 0x20, 0x15, 0x06
    filters = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in (
            (load_number, 0, 0, 0),
            (jump_if_equal, 0, 1, number),
            (answer, 0, 0, 0x00050001),  # SECCOMP_RET_ERRNO | EPERM
            (answer, 0, 0, 0x7FFF0000),  # SECCOMP_RET_ALLOW
        )
    )
    program = ctypes.create_string_buffer(filters)
    description = struct.pack("HxxxxxxP", 4, ctypes.addressof(program))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, seccomp, mode_filter = 38, 22, 2
    if libc.prctl(no_new_privileges, 1, 0, 0, 0) or libc.prctl(seccomp, mode_filter, description, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")
