"""A run that equals the notebook is evidence: signed once, for what was verified, and never for anything else."""

import json
from pathlib import Path
from typing import Any

import pytest

from j2k_dev.evidence.record import Entry, read
from tests.e2e.desk import Desk

pytestmark = pytest.mark.e2e


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """Lay out a notebook of two stages."""
    desk.notebook("a.ipynb", ("n = 1", "parameters"), "print(n)")
    return desk


def up(desk: Desk, *arguments: str) -> dict[str, Any]:
    return desk.equal("up", "a.ipynb", "--split", "cells", *arguments)


def entries(desk: Desk) -> tuple[Entry, ...]:
    return read(desk.folder / ".j2k").entries


def file(desk: Desk) -> Path:
    return desk.folder / ".j2k" / "evidence.json"


def test_a_run_that_equals_the_notebook_is_signed_for_what_it_rested_on(desk: Desk) -> None:
    run = up(desk)["run"]
    (entry,) = entries(desk)
    assert entry.about == ("a.ipynb", "verify", "local")
    assert (entry.verdict, entry.run) == ("equal", run)
    assert entry.of.keys() == {"notebook", "pipeline", "recording"}
    assert entry.attempts == dict.fromkeys(entry.attempts, 1)


def test_with_nothing_changed_nothing_is_signed_again(desk: Desk) -> None:
    up(desk)
    before = file(desk).read_bytes(), file(desk).stat().st_mtime_ns
    up(desk)
    assert (file(desk).read_bytes(), file(desk).stat().st_mtime_ns) == before


def test_a_later_run_takes_the_place_of_an_earlier_one(desk: Desk) -> None:
    up(desk)
    run = desk.equal("run", "a.ipynb", "--split", "cells", "--fresh")["run"]
    assert [entry.run for entry in entries(desk)] == [run]


def test_evidence_that_was_lost_is_signed_again_for_the_run_that_it_was_of(desk: Desk) -> None:
    run = up(desk)["run"]
    (entry,) = entries(desk)
    file(desk).unlink()
    assert up(desk)["run"] == run
    assert entries(desk) == (entry,)


def test_evidence_is_not_signed_again_for_something_that_changed(desk: Desk) -> None:
    run = up(desk)["run"]
    file(desk).unlink()
    kept = desk.folder / ".j2k" / "runs" / run / "verified.json"
    told = json.loads(kept.read_text())
    kept.write_text(json.dumps({**told, "of": {**told["of"], "notebook": "0" * 64}}))
    up(desk)
    assert entries(desk) == ()


def test_runs_with_parameters_are_no_evidence_about_the_notebook(desk: Desk) -> None:
    run = up(desk)["run"]
    assert desk.j2k("run", "a.ipynb", "--split", "cells", "-p", "n=2").code == 0
    assert desk.j2k("run", "a.ipynb", "--split", "cells", "-p", "n=3", "--verify").code == 0
    assert [entry.run for entry in entries(desk)] == [run]


def test_a_notebook_that_is_edited_while_it_runs_is_not_what_was_verified(desk: Desk) -> None:
    path = desk.folder / "a.ipynb"
    edit = f"from pathlib import Path\nnb = Path({str(path)!r})\nnb.write_text(nb.read_text().replace('v1', 'v2'))"
    desk.notebook("a.ipynb", f"{edit}\nprint('done')", "print('v1')")
    told = desk.j2k("up", "a.ipynb", "--split", "cells")
    assert told.code == 0, told.all
    assert "the notebook was edited while it ran" in told.all
    assert entries(desk) == ()


def test_a_key_that_can_not_be_used_costs_the_signature_and_not_the_run(desk: Desk, tmp_path: Path) -> None:
    place = tmp_path / "key"
    place.mkdir(0o700)
    (place / "signing-key.pem").write_text("no key")
    (place / "signing-key.pem").chmod(0o600)
    desk.variables["J2K_KEY_DIR"] = str(place)
    told = desk.j2k("up", "a.ipynb", "--split", "cells")
    assert told.code == 0
    assert "not signed as evidence, which promotion needs" in told.all
    assert entries(desk) == ()
