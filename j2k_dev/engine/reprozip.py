"""Tracing with ReproZip (``--trace reprozip``): whether it works here, how to start it, and what is kept of it.

ReproZip follows every system call by ptrace, so it sees what C libraries and child processes open, too. It runs in
whatever Python has it (an extra: it needs Linux and a C compiler to install). Its trace holds the whole environment of
the run: nothing is kept before the secrets are out.

Its ``config.yml`` is kept as JSON, which is YAML too: ``reprozip pack`` and ``reprounzip`` read it. Inputs and outputs
come from its database instead: reprozip 1.3 writes their names unquoted, so that a name with ``: `` or `` #`` breaks
the file (``save_config`` in reprozip/common.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from j2k_dev.engine.scrub import Scrubber
from j2k_dev.model.errors import MachineryFailed, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

ENVIRONMENT = {"REPROZIP_USAGE_STATS": "off"}
"""For the process that is traced: no question about usage statistics among the notebook's own output."""

_MAIN = "from reprozip.main import main; main()"
_TO_JSON = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1], encoding='utf-8')), sys.stdout)"
_PROBE_SECONDS = 30
_READ, _WRITTEN = 1, 2
_SYSTEM = re.compile(r"/(?:dev|proc|sys|bin|boot|etc|lib\w*|sbin|usr(?!/local)|var(?!/tmp)|run)(?:/|\Z)")
_NOT_PRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


@dataclass(frozen=True)
class TracedRun:
    """The traced process; ``exit`` is its exit code, or minus the signal that ended it."""

    argv: tuple[str, ...]
    binary: str
    folder: str
    environment: dict[str, str]
    exit: int


@dataclass(frozen=True)
class TracedPackage:
    """A package of the distribution, with the files of it that were used (none where packages are not identified)."""

    name: str
    version: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class InputOutput:
    """A file outside of the system's folders, opened to read, to write or both."""

    path: str
    read: bool
    written: bool


@dataclass(frozen=True)
class ReprozipTrace:
    """What a run used: ``files`` are all files and folders that packing needs."""

    runs: tuple[TracedRun, ...]
    files: tuple[str, ...]
    packages: tuple[TracedPackage, ...]
    inputs_outputs: tuple[InputOutput, ...]


def candidates(notebook_python: Path | None = None) -> list[Path]:
    """Give the interpreters that may have reprozip: ours, the notebook's, the one of the command on the path."""
    found = [Path(sys.executable), notebook_python, _behind(shutil.which("reprozip"))]
    return list(dict.fromkeys(path for path in found if path))


def why_not(python: Path) -> str | None:
    """Say why tracing with this interpreter doesn't work, by trying it; None where it does."""
    if not sys.platform.startswith("linux"):
        return "ReproZip traces on Linux only"
    program = shutil.which("true") or "true"
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                wrap(python, Path(folder) / "trace", [program]),
                capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False, cwd=folder,
                env={**os.environ, **ENVIRONMENT},
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{python} can't be tried: {error}"
    return None if done.returncode == 0 else _reason(python, done.stderr)


def tracer(notebook_python: Path) -> Path:
    """Return a Python that can trace here, or refuse, saying why each one can't."""
    reasons = {}
    for python in candidates(notebook_python):
        reason = why_not(python)
        if reason is None:
            return python
        reasons[python] = reason
    told = "; ".join(f"{python}: {reason}" for python, reason in reasons.items())
    raise Refused(f"ReproZip can't trace here ({told})", "use --package pip, which needs no trace, or see j2k doctor")


def wrap(python: Path, folder: Path, command: Sequence[str]) -> list[str]:
    """Give the command that runs ``command`` traced; ``folder`` is made anew and unsafe to keep before ``keep``."""
    options = ["--dont-identify-packages", "--dont-find-inputs-outputs", "--overwrite", "-d", str(folder)]
    return [str(python), "-c", _MAIN, "trace", *options, *command]


def keep(python: Path, raw: Path, folder: Path) -> ReprozipTrace:
    """Move a finished trace from ``raw`` to ``folder`` without its secrets; whatever happens, ``raw`` is gone then."""
    unfinished = folder.with_name(f"{folder.name}.new")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        _keep(python, raw, unfinished)
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    except (OSError, sqlite3.Error, ValueError, KeyError, TypeError) as error:
        raise MachineryFailed(
            f"ReproZip's trace can't be read: {error}", way_out="run the command again, or use --trace audit"
        ) from error
    finally:
        shutil.rmtree(raw, ignore_errors=True)
        shutil.rmtree(unfinished, ignore_errors=True)
    return load(folder)


def load(folder: Path) -> ReprozipTrace:
    """Read a trace that ``keep`` has kept."""
    config = json.loads((folder / "config.yml").read_bytes())
    packages = tuple(
        TracedPackage(package["name"], str(package["version"]), tuple(package["files"]))
        for package in config.get("packages") or []
    )
    with contextlib.closing(_open(folder / "trace.sqlite3")) as database:
        return ReprozipTrace(
            runs=tuple(_run(run) for run in config["runs"]),
            files=tuple(config.get("other_files") or ()),
            packages=packages,
            inputs_outputs=_inputs_outputs(database),
        )


def _behind(script: str | None) -> Path | None:
    """Give the interpreter in the first line of a script."""
    if script is None:
        return None
    with open(script, "rb") as file:  # noqa: PTH123  # one line is enough
        line = file.readline(500)
    path = Path(os.fsdecode(line.removeprefix(b"#!").strip()))
    return path if line.startswith(b"#!/") and path.exists() else None


def _reason(python: Path, stderr: str) -> str:
    if "No module named 'reprozip'" in stderr:
        return f"{python} has no reprozip (pip install 'j2k-dev[trace]' needs a C compiler and libsqlite3-dev)"
    last = stderr.strip().splitlines()[-1:] or ["it said nothing"]
    return f"ReproZip can't trace here, so ptrace is most likely forbidden (container, yama): {last[0]}"


def _keep(python: Path, raw: Path, unfinished: Path) -> None:
    done = subprocess.run(
        [str(python), "-c", _TO_JSON, str(raw / "config.yml")], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ValueError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "config.yml")
    config = json.loads(done.stdout)
    with contextlib.closing(_open(raw / "trace.sqlite3")) as database:
        environments = [_environment(text) for (text,) in database.execute("SELECT envp FROM executed_files")]
        scrubber = Scrubber([*environments, *(run["environ"] for run in config["runs"])])
        _scrub_database(database, scrubber)
        # What was overwritten stays in the free pages of the old file: only a new one is clean.
        database.execute("VACUUM INTO ?", (str(unfinished / "trace.sqlite3"),))
    text = json.dumps(_scrub_config(config, scrubber), ensure_ascii=False, indent=1)
    escaped = _NOT_PRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    (unfinished / "config.yml").write_text(escaped, encoding="utf-8")


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    database.text_factory = _decode
    database.execute("PRAGMA journal_mode = MEMORY")
    return database


def _scrub_database(database: sqlite3.Connection, scrubber: Scrubber) -> None:
    database.execute("BEGIN")
    for row, argv, envp in database.execute("SELECT id, argv, envp FROM executed_files").fetchall():
        words = scrubber.arguments(argv.split("\0"))
        names = [f"{name}={value}" for name, value in scrubber.environment(_environment(envp)).items()]
        values = (_encode("\0".join(words)), _encode("".join(f"{name}\0" for name in names)), row)
        database.execute(
            "UPDATE executed_files SET argv = CAST(? AS TEXT), envp = CAST(? AS TEXT) WHERE id = ?", values
        )
    for table, column in (("executed_files", "name"), ("executed_files", "workingdir"), ("opened_files", "name")):
        _scrub_column(database, table, column, scrubber.path)
    database.execute("COMMIT")


def _scrub_column(database: sqlite3.Connection, table: str, column: str, scrub: Callable[[str], str]) -> None:
    for (old,) in database.execute(f"SELECT DISTINCT {column} FROM {table}").fetchall():  # noqa: S608  # our own names
        new = scrub(old)
        if new != old:
            update = f"UPDATE {table} SET {column} = CAST(? AS TEXT) WHERE {column} = CAST(? AS TEXT)"  # noqa: S608  # our own names
            database.execute(update, (_encode(new), _encode(old)))


def _scrub_config(config: dict[str, Any], scrubber: Scrubber) -> dict[str, Any]:
    runs = [
        {**run, "argv": scrubber.arguments(run["argv"]), "environ": scrubber.environment(run["environ"])}
        for run in config["runs"]
    ]
    rest = {name: _scrub_paths(part, scrubber) for name, part in config.items() if name != "runs"}
    return {**rest, "runs": [_scrub_paths(run, scrubber, {"argv", "environ"}) for run in runs]}


def _scrub_paths(part: Any, scrubber: Scrubber, done: Iterable[str] = ()) -> Any:
    if isinstance(part, str):
        return scrubber.path(part)
    if isinstance(part, list):
        return [_scrub_paths(item, scrubber) for item in part]
    if isinstance(part, dict):
        return {name: item if name in done else _scrub_paths(item, scrubber) for name, item in part.items()}
    return part


def _run(run: dict[str, Any]) -> TracedRun:
    code = -int(run["signal"]) if "signal" in run else int(run["exitcode"])
    return TracedRun(tuple(run["argv"]), run["binary"], run["workingdir"], dict(run["environ"]), code)


def _inputs_outputs(database: sqlite3.Connection) -> tuple[InputOutput, ...]:
    modes: dict[str, int] = {}
    for name, mode in database.execute("SELECT name, mode FROM opened_files WHERE NOT is_directory"):
        modes[name] = modes.get(name, 0) | mode
    return tuple(
        InputOutput(name, bool(modes[name] & _READ), bool(modes[name] & _WRITTEN))
        for name in sorted(modes)
        if modes[name] & (_READ | _WRITTEN) and not _SYSTEM.match(name)
    )


def _environment(text: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in text.split("\0") if pair)
    return {name: value for name, _, value in pairs}


def _decode(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
