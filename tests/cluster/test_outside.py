"""Outside notebooks give in pods that have no way out what nbclient gives, or are refused with a reason.

By default two of those that corpus.toml marks for the cluster, chosen by the commit; ``J2K_OUTSIDE=all`` runs all of
these, goes on where an earlier such run of the same source was stopped, and writes their part of docs/fidelity.md.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from j2k_dev.engine.support import cache_folder
from tests.cluster.cut_off import no_way_out
from tests.cluster.trial import trial_on
from tests.outside.corpus import Home, Notebook, for_the_cluster, load, sample
from tests.outside.execution import Way
from tests.outside.judge import GOOD
from tests.outside.results import ROOT, Results, look, source_digest
from tests.outside.table import ClusterRow, machine, with_cluster_part
from tests.sampling import commit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.handle import Handle
    from tests.cluster.trial import Trial

pytestmark = [pytest.mark.cluster, pytest.mark.pipeline, pytest.mark.outside, pytest.mark.timeout(1200)]

TABLE = ROOT / "docs" / "fidelity.md"
SAMPLE = 2
SECONDS = 900.0
ALL = os.environ.get("J2K_OUTSIDE") == "all"
MARKED = for_the_cluster(load())
CHOSEN = MARKED if ALL else sample(MARKED, commit(), SAMPLE)


@pytest.fixture(scope="module")
def home() -> Home:
    home = Home.for_requirements()
    home.prepare()
    return home


@pytest.fixture(scope="module")
def results(home: Home) -> Iterator[Results[ClusterRow]]:
    results = Results(ClusterRow, home.folder / "results" / f"cluster-{source_digest()[:24]}" if ALL else None)
    yield results
    if ALL and len(results.rows) == len(MARKED):
        rows = [results.rows[str(notebook)] for notebook in MARKED]
        TABLE.write_text(with_cluster_part(TABLE.read_text(encoding="utf-8"), rows, machine()), encoding="utf-8")


@pytest.fixture(scope="module")
def trial(single: Handle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """The sandbox, whose pods have no way out."""
    trial = trial_on(single, tmp_path_factory.mktemp("outside"))
    with no_way_out(single, trial.kubectl):
        yield trial


def run_in_pods(trial: Trial, home: Home, notebook: Notebook) -> ClusterRow:
    options = ("--engine", "kind", "--workspace", str(trial.workspace))
    way = Way(options, {"J2K_CACHE": str(cache_folder())}, SECONDS)
    try:
        return ClusterRow(notebook.package.name, notebook.path, look(home, notebook, way))
    finally:
        trial.clear()


@pytest.mark.parametrize("notebook", CHOSEN, ids=str)
def test_a_notebook_gives_in_pods_what_nbclient_gives_or_is_refused(
    notebook: Notebook,
    home: Home,
    results: Results[ClusterRow],
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = results.find(notebook)
    if row is None or row.side.verdict not in GOOD:
        row = run_in_pods(request.getfixturevalue("trial"), home, notebook)
    results.keep(notebook, row)
    with capsys.disabled():
        print(f"\n{notebook}: {row.side.verdict} ({row.side.stages} stages), {row.side.seconds:.0f} s", flush=True)
    assert row.side.verdict in GOOD, row.side.reason
    if row.side.verdict != "refused":
        assert row.side.stages, "no stage ran in a pod"
