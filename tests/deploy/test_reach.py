"""A run whose workers are where this machine sees nothing: real ones, on a folder that only their courier looks at."""

from __future__ import annotations

import sys
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import pytest

from j2k_dev.deploy.courier import Connection, Courier
from j2k_dev.deploy.engine import ClusterEngine, ClusterRun
from j2k_dev.deploy.reach import ByCourier
from j2k_dev.deploy.watch import PodWatch
from j2k_dev.worker.blobs import BlobStore
from j2k_dev.worker.exchange import Exchange
from j2k_dev.worker.sqlite_bus import SqliteBus
from tests.deploy.test_courier import START
from tests.deploy.test_engine import BY_STAGE, STAGES, TOPICS, workers

if TYPE_CHECKING:
    from pathlib import Path

    from j2k_dev.worker.events import Event

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers use what Linux has")


def test_a_run_goes_on_elsewhere_and_is_told_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    far, near = tmp_path / "far", tmp_path / "near"
    far.mkdir()
    serve = [sys.executable, "-c", START, "serve", str(far / "exchange")]
    reach = ByCourier(Courier(lambda: Connection(serve), BlobStore(near / "blobs")), near)
    heard: list[Event] = []
    with closing(reach), closing(SqliteBus(far / "bus.sqlite")) as bus, workers(far):
        bus.create_topics([*BY_STAGE.values(), TOPICS.results, TOPICS.dead_letters])
        request = ClusterRun("r", BY_STAGE, near, hear=partial(reach.hear, "r", STAGES))
        results = ClusterEngine(bus, PodWatch()).run(request, heard.append)
    assert results[-1].snapshot == "start>load>fit>plot"
    assert [event.stage for event in heard if event.event == "ended"] == STAGES
    assert [Exchange(near).read("r", stage) for stage in STAGES] == list(results)
    assert not (near / "runs" / "r" / "load" / "attempt-1.json").exists(), "only what is read here is copied"
