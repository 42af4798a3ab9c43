"""Every outside notebook gives through j2k what it gives through nbclient, or is refused with a reason.

By default eight notebooks, chosen by the commit; ``J2K_OUTSIDE=all`` runs all of them, goes on where an earlier such
run of the same source was stopped, and writes docs/fidelity.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.codec import from_plain, to_plain
from tests.outside.corpus import Home, Notebook, load, sample
from tests.outside.execution import ask_j2k, ask_oracle
from tests.outside.judge import GOOD, judge
from tests.outside.table import Row, Side, render

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "fidelity.md"
SAMPLE = 8
ALL = os.environ.get("J2K_OUTSIDE") == "all"

pytestmark = [pytest.mark.outside, pytest.mark.timeout(1800)]


def commit() -> str:
    """The commit that is tested; without git (an unpacked source package) always the same choice."""
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "no commit"


def source_digest() -> str:
    """What kept results depend on: our own source, and how it is judged."""
    files = sorted(path for path in (ROOT / "j2k_dev").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    judging = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in (*files, *judging))).hexdigest()


CORPUS = load()
CHOSEN = CORPUS if ALL else sample(CORPUS, commit(), SAMPLE)


class Results:
    """The rows found so far; in a run over all notebooks they outlive the process."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.rows: dict[str, Row] = {}

    def find(self, notebook: Notebook) -> Row | None:
        path = self._path(notebook)
        if path is None or not path.exists():
            return None
        row = from_plain(Row, json.loads(path.read_text(encoding="utf-8")))
        return None if bad(row) else row

    def keep(self, notebook: Notebook, row: Row) -> None:
        self.rows[str(notebook)] = row
        path = self._path(notebook)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".partial").write_text(json.dumps(to_plain(row)), encoding="utf-8")
            path.with_suffix(".partial").replace(path)

    def _path(self, notebook: Notebook) -> Path | None:
        name = hashlib.sha256(f"{notebook} {notebook.package.sha256}".encode()).hexdigest()[:24]
        return self.folder / f"{name}.json" if self.folder else None


@pytest.fixture(scope="module")
def home() -> Home:
    home = Home.for_requirements()
    home.prepare()
    return home


@pytest.fixture(scope="module")
def results(home: Home) -> Iterator[Results]:
    results = Results(home.folder / "results" / source_digest()[:24] if ALL else None)
    yield results
    if ALL and len(results.rows) == len(CORPUS):
        machine = f"{os.cpu_count()} cores ({platform.system()}, Python {platform.python_version()})"
        TABLE.write_text(render([results.rows[str(notebook)] for notebook in CORPUS], machine), encoding="utf-8")


def bad(row: Row) -> list[str]:
    """Say what nobody may accept; what went wrong is tried again when a run is resumed."""
    return [f"{one.verdict}: {one.reason}" for one in (row.by_cells, row.default) if one.verdict not in GOOD]


def side(home: Home, notebook: Notebook, split: str | None) -> Side:
    reply = ask_j2k(home, notebook, split)
    judgement = judge(reply, lambda number: ask_oracle(home, notebook, number))
    stages = len(reply.document.get("stages") or ())
    notes = tuple(reply.document.get("notes") or ())
    return Side(judgement.verdict, judgement.reason, judgement.unstable, stages, reply.seconds, notes)


def measure(home: Home, notebook: Notebook) -> Row:
    oracle = ask_oracle(home, notebook, 1)
    by_cells, default = side(home, notebook, "cells"), side(home, notebook, None)
    name = notebook.package.name
    return Row(name, notebook.path, len(oracle.outputs), oracle.seconds, by_cells, default)


@pytest.mark.parametrize("notebook", CHOSEN, ids=str)
def test_a_notebook_gives_what_nbclient_gives_or_is_refused(
    notebook: Notebook, home: Home, results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    row = results.find(notebook) or measure(home, notebook)
    results.keep(notebook, row)
    with capsys.disabled():
        place = f"[{len(results.rows)}/{len(CHOSEN)}]"
        verdicts = (
            f"{row.by_cells.verdict} by cells ({row.by_cells.stages}), {row.default.verdict} ({row.default.stages})"
        )
        seconds = f"{row.by_cells.seconds:.1f} s, {row.default.seconds:.1f} s; nbclient {row.nbclient_seconds:.1f} s"
        print(f"\n{place} {notebook}: {verdicts}; {seconds}", flush=True)
    assert not bad(row), "\n".join(bad(row))


@pytest.mark.skipif(ALL, reason="this run writes the table")
def test_the_published_table_covers_every_notebook_and_none_of_them_is_wrong() -> None:
    lines = [line.split(" | ") for line in TABLE.read_text(encoding="utf-8").splitlines() if ".ipynb | " in line]
    assert [(line[0].removeprefix("| "), line[1]) for line in lines] == [(n.package.name, n.path) for n in CORPUS]
    verdicts = {verdict for line in lines for verdict in line[4].split(", ")}
    assert verdicts <= set(GOOD)
