"""Every outside notebook gives through j2k what it gives through nbclient, or is refused with a reason.

By default eight notebooks, chosen by the commit; ``J2K_OUTSIDE=all`` runs all of them, goes on where an earlier such
run of the same source was stopped, and writes docs/fidelity.md.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.outside.corpus import Home, Notebook, load, sample
from tests.outside.execution import Way, ask_oracle
from tests.outside.judge import GOOD
from tests.outside.results import ROOT, Results, look, source_digest
from tests.outside.table import Row, local_part, machine, render, with_local_part
from tests.sampling import commit

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = ROOT / "docs" / "fidelity.md"
SAMPLE = 8
ALL = os.environ.get("J2K_OUTSIDE") == "all"
DEFAULT = Way(("--engine", "local"))
BY_CELLS = Way(("--engine", "local", "--split", "cells"))

pytestmark = [pytest.mark.outside, pytest.mark.timeout(1800)]


CORPUS = load()
CHOSEN = CORPUS if ALL else sample(CORPUS, commit(), SAMPLE)


@pytest.fixture(scope="module")
def home() -> Home:
    home = Home.for_requirements()
    home.prepare()
    return home


@pytest.fixture(scope="module")
def results(home: Home) -> Iterator[Results[Row]]:
    results = Results(Row, home.folder / "results" / source_digest()[:24] if ALL else None)
    yield results
    if ALL and len(results.rows) == len(CORPUS):
        local = render([results.rows[str(notebook)] for notebook in CORPUS], machine())
        TABLE.write_text(with_local_part(TABLE.read_text(encoding="utf-8"), local), encoding="utf-8")


def bad(row: Row) -> list[str]:
    """Say what nobody may accept; what went wrong is tried again when a run is resumed."""
    return [f"{one.verdict}: {one.reason}" for one in (row.by_cells, row.default) if one.verdict not in GOOD]


def measure(home: Home, notebook: Notebook) -> Row:
    oracle = ask_oracle(home, notebook, 1)
    by_cells, default = look(home, notebook, BY_CELLS), look(home, notebook, DEFAULT)
    name = notebook.package.name
    return Row(name, notebook.path, len(oracle.outputs), oracle.seconds, by_cells, default)


@pytest.mark.parametrize("notebook", CHOSEN, ids=str)
def test_a_notebook_gives_what_nbclient_gives_or_is_refused(
    notebook: Notebook, home: Home, results: Results[Row], capsys: pytest.CaptureFixture[str]
) -> None:
    row = results.find(notebook)
    if row is None or bad(row):
        row = measure(home, notebook)
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
    published = local_part(TABLE.read_text(encoding="utf-8"))
    lines = [line.split(" | ") for line in published.splitlines() if ".ipynb | " in line]
    assert [(line[0].removeprefix("| "), line[1]) for line in lines] == [(n.package.name, n.path) for n in CORPUS]
    verdicts = {verdict for line in lines for verdict in line[4].split(", ")}
    assert verdicts <= set(GOOD)
