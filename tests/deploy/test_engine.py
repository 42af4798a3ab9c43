"""Runs whose workers serve many messages, as pods do: here real worker processes on the embedded bus, in a folder."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from j2k_dev.deploy import engine, trouble
from j2k_dev.deploy.engine import ClusterEngine, ClusterRun, PodsSeen
from j2k_dev.deploy.watch import PodWatch
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.run import Message, StageResult
from j2k_dev.worker.bus import Topics
from j2k_dev.worker.child import StageProgram
from j2k_dev.worker.exchange import Exchange
from j2k_dev.worker.parent import WorkerSpec
from j2k_dev.worker.sqlite_bus import SqliteBus
from j2k_dev.worker.zygote import ZygoteSpec
from tests.deploy.made import PIPELINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from j2k_dev.worker.events import Event

TESTS = Path(__file__).parents[1]
START = "import sys; from j2k_dev.worker.zygote import main; sys.exit(main())"
TOPICS = Topics(PIPELINE.name)
STAGES = [stage.name for stage in PIPELINE.stages]
BY_STAGE = {stage: TOPICS.stage(stage) for stage in STAGES}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers use what Linux has")


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[SqliteBus]:
    made = SqliteBus(tmp_path / "bus.sqlite")
    made.create_topics([*map(TOPICS.stage, STAGES), TOPICS.results, TOPICS.dead_letters])
    yield made
    made.close()


@contextmanager
def workers(root: Path, does: dict[str, str] | None = None) -> Iterator[None]:
    """Have a worker serve each stage; ``does`` is what the fake stage does in its cell, by stage."""
    (root / "gates").mkdir(exist_ok=True)
    path = os.pathsep.join([str(TESTS / "engine"), str(TESTS.parent)])
    env = {**os.environ, "PYTHONPATH": path, "FAKE_STAGE_GATES": str(root / "gates")}
    specs = tuple(_worker(root, number, (does or {}).get(name)) for number, name in enumerate(STAGES))
    command = [sys.executable, "-c", START]
    spec = ZygoteSpec("serving", specs, str(root / "exchange"), str(root / "lock"), str(root / "zygote.log"), ())
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=env) as zygote:
        assert zygote.stdin is not None
        pickle.dump(spec, zygote.stdin)
        zygote.stdin.flush()
        try:
            yield
        finally:
            with suppress(BrokenPipeError):
                zygote.stdin.close()
            zygote.wait(60)


def _worker(root: Path, number: int, action: str | None) -> WorkerSpec:
    name, following = STAGES[number], [*STAGES, None][number + 1]
    spec = {"name": name, "cells": [1], "does": {"1": action} if action else {}, "notes": str(root / f"{name}.notes")}
    program = StageProgram("fake_stage", spec, str(root / "exchange"))
    return WorkerSpec(name, following, program, TOPICS, str(root / "bus.sqlite"), str(root / "log"), "", once=False)


def pod(stage: str, topic: str = "", **status: Any) -> dict[str, Any]:
    """A pod as Kubernetes tells of it; ``waiting`` with reason and message, or how its last container ``ended``."""
    name = f"stage-{STAGES.index(stage) + 1}-{stage}"
    reason, message = status.get("waiting", ("", ""))
    state = {"waiting": {"reason": reason, "message": message}} if reason else {"running": {}}
    container = {"image": "x", "state": state, "lastState": {"terminated": status.get("ended")}}
    environment = [{"name": "INPUT_TOPIC", "value": topic or BY_STAGE[stage]}]
    return {
        "metadata": {"name": f"{name}-abc-{topic}", "namespace": "n", "labels": {"j2k.dev/stage": name}},
        "spec": {"containers": [{"env": environment, "resources": {"limits": {"memory": "300Mi"}}}]},
        "status": {"containerStatuses": [container]},
    }


def executions(root: Path, stage: str) -> int:
    notes = root / f"{stage}.notes"
    return len(notes.read_text().splitlines()) if notes.exists() else 0


def test_a_run_goes_from_stage_to_stage_and_tells_what_happens(tmp_path: Path, bus: SqliteBus) -> None:
    heard: list[Event] = []
    with workers(tmp_path):
        results = ClusterEngine(bus, PodWatch()).run(ClusterRun("r", BY_STAGE, tmp_path / "exchange"), heard.append)
    assert [result.stage for result in results] == STAGES
    assert results[-1].snapshot == "start>load>fit>plot"
    assert [event.stage for event in heard if event.event == "started"] == STAGES


def test_a_run_that_has_ended_is_read_and_not_run_again(tmp_path: Path, bus: SqliteBus) -> None:
    request = ClusterRun("r", BY_STAGE, tmp_path / "exchange")
    with workers(tmp_path):
        first = ClusterEngine(bus, PodWatch()).run(request)
        assert ClusterEngine(bus, PodWatch()).run(request) == first
    assert [executions(tmp_path, stage) for stage in STAGES] == [1, 1, 1]


def test_two_runs_of_one_pipeline_do_not_mix(tmp_path: Path, bus: SqliteBus) -> None:
    with workers(tmp_path):
        for name in ("one", "two"):
            results = ClusterEngine(bus, PodWatch()).run(ClusterRun(name, BY_STAGE, tmp_path / "exchange"))
            assert {result.run for result in results} == {name}


def test_a_run_whose_message_is_gone_is_given_another(
    tmp_path: Path, bus: SqliteBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_SILENCE_SECONDS", 0.5)
    request = ClusterRun("r", BY_STAGE, tmp_path / "exchange")
    lost: list[str] = []

    def lose_the_second_message(event: Event) -> None:
        if event.stage == "load" and event.event == "forwarded" and not lost:
            bus.drop([TOPICS.stage("fit")])
            bus.create_topics([TOPICS.stage("fit")])
            lost.append(event.stage)

    with workers(tmp_path):
        results = ClusterEngine(bus, PodWatch()).run(request, lose_the_second_message)
    assert results[-1].snapshot == "start>load>fit>plot"
    assert executions(tmp_path, "load") == 1


def test_a_cell_that_raises_ends_the_run_with_its_stage(tmp_path: Path, bus: SqliteBus) -> None:
    with workers(tmp_path, {"fit": "raise"}):
        results = ClusterEngine(bus, PodWatch()).run(ClusterRun("r", BY_STAGE, tmp_path / "exchange"))
    assert [result.stage for result in results] == ["load", "fit"]
    assert results[-1].error is not None


def test_pods_that_cannot_work_end_the_wait_with_the_reason(
    tmp_path: Path, bus: SqliteBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_SILENCE_SECONDS", 0.1)
    monkeypatch.setattr(trouble, "_SECONDS", 0.5)
    pods = PodWatch()
    pods.heed({"type": "ADDED", "object": pod("load", waiting=("ErrImagePull", "not found"))})
    with pytest.raises(MachineryFailed, match=r"stage load can't go on: .* the image x can't be pulled: not found"):
        ClusterEngine(bus, pods).run(ClusterRun("r", BY_STAGE, tmp_path / "exchange"))
    assert bus.waiting([TOPICS.stage("load")]) == 1, "sent once, and not again while it waits"


def test_a_run_sends_its_message_though_that_of_another_run_is_there(
    tmp_path: Path, bus: SqliteBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_SILENCE_SECONDS", 0.1)
    monkeypatch.setattr(trouble, "_SECONDS", 0.5)
    pods, load = PodWatch(), TOPICS.stage("load")
    pods.heed({"type": "ADDED", "object": pod("load", waiting=("ErrImagePull", "not found"))})
    bus.send(load, Message("another", "load"))
    with pytest.raises(MachineryFailed):
        ClusterEngine(bus, pods).run(ClusterRun("r", BY_STAGE, tmp_path / "exchange"))
    assert [bus.waiting([load], run) for run in ("another", "r", "")] == [1, 1, 2]


def test_what_becomes_of_pods_is_shown_when_it_changes(
    tmp_path: Path, bus: SqliteBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trouble, "_SECONDS", 0.3)
    pods = PodWatch()
    seen: list[PodsSeen] = []
    pods.heed({"type": "ADDED", "object": pod("load", waiting=("ErrImagePull", "not found"))})
    with pytest.raises(MachineryFailed):
        ClusterEngine(bus, pods).run(ClusterRun("r", BY_STAGE, tmp_path / "exchange"), seen=seen.append)
    told = "the image x can't be pulled: not found"
    assert seen[0] == PodsSeen("load", "1 troubled", told)
    assert len(seen) == len({each.stage for each in seen}), "told once"


def test_a_container_that_ends_again_and_again_is_explained_by_its_last_words(
    tmp_path: Path, bus: SqliteBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trouble, "_SLOW_SECONDS", 0.2)
    pods = PodWatch()
    crashing = pod("load", waiting=("CrashLoopBackOff", "back-off"), ended={"exitCode": 3})
    crashing["status"]["containerStatuses"][0]["restartCount"] = 2
    pods.heed({"type": "ADDED", "object": crashing})
    told = r"it ends again and again \(exit code 3\); it wrote last: KeyError: 'INPUT_TOPIC'"
    with pytest.raises(MachineryFailed, match=told):
        ClusterEngine(bus, pods, lambda _pod: "KeyError: 'INPUT_TOPIC'").run(
            ClusterRun("r", BY_STAGE, tmp_path / "exchange")
        )


def test_a_healthy_pod_of_an_earlier_plan_is_no_comfort(
    tmp_path: Path, bus: SqliteBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trouble, "_SECONDS", 0.2)
    pods = PodWatch()
    pods.heed({"type": "ADDED", "object": pod("plot", topic="earlier")})
    pods.heed({"type": "ADDED", "object": pod("plot", waiting=("ErrImagePull", ""))})
    with pytest.raises(MachineryFailed, match="stage plot can't go on"):
        ClusterEngine(bus, pods).run(ClusterRun("r", BY_STAGE, tmp_path / "exchange"))


def test_workers_that_were_lost_for_memory_are_explained_by_their_pods(tmp_path: Path, bus: SqliteBus) -> None:
    pods = PodWatch()
    pods.heed({"type": "ADDED", "object": pod("fit", ended={"reason": "OOMKilled", "exitCode": 137})})
    exchange = Exchange(tmp_path / "exchange")
    exchange.publish(StageResult("r", "load", 1, "state", (), 0.1))
    exchange.publish(StageResult("r", "fit", 3, None, (), 0.1, failure="its process was lost 3 times"))
    last = ClusterEngine(bus, pods).run(ClusterRun("r", BY_STAGE, tmp_path / "exchange"))[-1]
    assert last.failure == ("its process was lost 3 times (OOMKilled: it needed more memory than its limit of 300Mi)")


def test_a_publication_that_was_damaged_after_it_was_heard_of_ends_the_run_by_name(
    tmp_path: Path, bus: SqliteBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unaware(Exchange):
        """Reads nothing anew: only workers meet the damage."""

        def read(self, run: str, stage: str) -> StageResult | None:
            return None

    monkeypatch.setattr(engine, "Exchange", Unaware)
    monkeypatch.setattr(engine, "_SILENCE_SECONDS", 0.1)
    damaged = Exchange(tmp_path / "exchange").folder("r", "load") / "result.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("")
    with workers(tmp_path), pytest.raises(MachineryFailed, match=r"result\.json is damaged") as caught:
        ClusterEngine(bus, PodWatch()).run(ClusterRun("r", BY_STAGE, tmp_path / "exchange"))
    assert "Remove that file" in caught.value.way_out
    assert executions(tmp_path, "load") == 0
