"""Pipelines on the sandbox's cluster: a whole run, what a stage costs there, and how fast a lost worker is replaced."""

from __future__ import annotations

import json
import select
import subprocess
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bench import notebooks, pipeline
from bench.again import quickstart
from bench.measure import Aim, Result, Series, Setting, WrongResult, run
from j2k_dev.worker.events import read_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from j2k_dev.worker.events import Event

STAGES = 10
WARM_UP_SECONDS = 4.0
WAIT_SECONDS = 120.0
J2K = "j2k, kind"
WHOLE, AGAIN = "`j2k up` of the quickstart, nothing deployed", "`j2k up` again, unchanged"
IN_PODS, ANEW = "`j2k run --fresh` in pods that wait", "`j2k up --fresh`, recorded anew"
NEXT_CELL, PER_STAGE = "published to the next stage's first cell", "per stage, to the next one's message"
CHILD, WORKER, POD = "cells' process killed, to running again", "worker killed", "pod deleted with no grace"
MOST = {WHOLE: 15.0, AGAIN: 3.0, NEXT_CELL: 100.0, CHILD: 3.0, WORKER: 3.0, POD: 6.0}

_HOW = f"""\
On a sandbox of one node, one pod per stage, images there from a run before. The quickstart is deployed, run and \
compared where nothing of it is deployed, but recorded and built; asked for again; run again in the pods that are \
there; and recorded, built and run anew. A chain of {STAGES} stages that do nothing is run: from the moment that a \
stage's message is sent (its Kafka transaction committed) to the start of the first cell of the next one, by the \
events of both, whose pods share this machine's clock. A stage of {{seconds:g}} s loses, while it works: the process \
that runs its cells (SIGKILL), its worker with it (SIGKILL; another one takes its place in the container), its pod \
(`--grace-period=0 --force`); the time is from the kill to the start of the next attempt. For \
comparison, as published by their makers, not measured here: Argo Workflows about 10 s a step, Tekton 0.2 to 0.6 s."""

_SECONDS = 8.0
_TAKES = {
    WHOLE: "Most of it is the pods' start, and the imports of each stage.",
    AGAIN: "What is left is starting the interpreter and looking at what the results depend on.",
    NEXT_CELL: "It is a Kafka transaction, reading the state, and laying out the files, each flushed to the disk.",
    CHILD: "It is the fork of a prepared process.",
    WORKER: "It is a fork, and the stage's group of workers being dealt its messages anew.",
    POD: "It is the pod's start, the interpreter's, and the broker's waiting for a lost member.",
}


def measure(setting: Setting) -> Result:
    """Measure everything on one sandbox, which is taken down at the end."""
    folder = setting.fresh("cluster")
    found: dict[str, list[float]] = {}
    try:
        for what, values in (*_quickstart(setting, folder), *_chain(setting, folder), *_recovery(setting, folder)):
            found.setdefault(what, []).extend(values)
    finally:
        run([setting.program("j2k"), "down", "--sandbox", "--purge", "--json"], folder)
    series = tuple(Series(J2K, what, _unit(what), tuple(values)) for what, values in found.items())
    aims = tuple(
        Aim(f"{each.what}: {MOST[each.what]:g} {each.unit} or less", f"{each.median:.3g} {each.unit}",
            each.median <= MOST[each.what], _TAKES[each.what])
        for each in series if each.what in MOST
    )  # fmt: skip
    return Result("cluster", "On the cluster", _HOW.format(seconds=_SECONDS), series, aims)


def _unit(what: str) -> str:
    return "ms" if what in (NEXT_CELL, PER_STAGE) else "s"


def _call(setting: Setting, command: str, notebook: Path, *options: str) -> tuple[float, dict[str, Any]]:
    spent, document = pipeline.call(setting, command, notebook, "--engine", "kind", *options)
    if document["verdict"] != "equal":
        raise WrongResult(f"{command} {notebook.name} is {document['verdict']}")
    return spent.wall, document


# --- whole runs -------------------------------------------------------------------------------------------------------


def _quickstart(setting: Setting, folder: Path) -> Iterator[tuple[str, list[float]]]:
    notebook = quickstart(folder)
    _call(setting, "up", notebook)
    for _ in range(setting.repetitions(3)):
        _cluster(folder, "quickstart").undeploy()
        pipeline.forget_runs(notebook)
        yield WHOLE, [_call(setting, "up", notebook)[0]]
        yield AGAIN, [_call(setting, "up", notebook)[0]]
        yield IN_PODS, [_call(setting, "run", notebook, "--fresh")[0]]
        yield ANEW, [_call(setting, "up", notebook, "--fresh")[0]]


def _chain(setting: Setting, folder: Path) -> Iterator[tuple[str, list[float]]]:
    notebook = notebooks.chain(folder / "chain.ipynb", STAGES, WARM_UP_SECONDS)
    _call(setting, "up", notebook)
    for _ in range(setting.repetitions(3)):
        events = _events(folder, _call(setting, "run", notebook, "--fresh")[1]["run"])
        sent = {event.stage: event.time for event in events if event.event == "forwarded"}
        began = {event.stage: event.time for event in reversed(events) if event.event == "cell-started"}
        stages = list(dict.fromkeys(event.stage for event in events))
        yield NEXT_CELL, [1000 * (began[after] - sent[before]) for before, after in pairwise(stages)]
        # The last stage hands no state on, so what it takes is left out.
        yield PER_STAGE, [1000 * (sent[after] - sent[before]) for before, after in pairwise(stages[:-1])]


# --- lost workers -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Cluster:
    """Where the pods are, and the Python that they have."""

    kubectl: tuple[str, ...]
    python: str

    def kill(self, begun: Event) -> None:
        """Kill the process that runs the cells."""
        self._in_pod(begun, f"os.kill({begun.detail['process']}, 9)")

    def kill_worker(self, begun: Event) -> None:
        """Kill the worker above that process."""
        status = f"/proc/{begun.detail['process']}/stat"
        self._in_pod(begun, f"os.kill(int(open('{status}').read().rpartition(')')[2].split()[1]), 9)")

    def delete(self, begun: Event) -> None:
        """Delete the pod."""
        self._call("delete", "pod", begun.worker, "--grace-period=0", "--force", "--wait=false")

    def undeploy(self) -> None:
        """Remove all that is deployed."""
        self._call("delete", "namespace,persistentvolume", "--selector", "app.kubernetes.io/managed-by=j2k", "--wait")

    def _in_pod(self, begun: Event, code: str) -> None:
        self._call("exec", begun.worker, "--", self.python, "-c", f"import os; {code}")

    def _call(self, *arguments: str) -> None:
        subprocess.run([*self.kubectl, *arguments], check=True, capture_output=True)


def _recovery(setting: Setting, folder: Path) -> Iterator[tuple[str, list[float]]]:
    slow = f"import time\nfor _ in range({int(_SECONDS * 10)}):\n    time.sleep(0.1)\nprint(x)"
    notebook = notebooks.write(folder / "slow.ipynb", [("one", "x = 1"), ("two", slow)])
    _call(setting, "up", notebook)
    cluster = _cluster(folder, "slow")
    for _ in range(setting.repetitions(5)):
        for what, kill in ((CHILD, cluster.kill), (WORKER, cluster.kill_worker), (POD, cluster.delete)):
            yield what, [_recovered(setting, notebook, kill)]


def _cluster(folder: Path, name: str) -> _Cluster:
    placed = json.loads((folder / ".j2k/clusters.json").read_bytes())[name]
    words = ("--context", placed["context"], "--kubeconfig", placed["kubeconfig"], "--namespace", placed["namespace"])
    recording = next((folder / ".j2k/recordings").glob("*/recording.json"))
    python: str = json.loads(recording.read_bytes())["interpreter"]["executable"]
    return _Cluster((placed["kubectl"], *words), python)


def _recovered(setting: Setting, notebook: Path, kill: Callable[[Event], None]) -> float:
    """Run, kill while the second stage works, and return how long it took until it worked again."""
    before = _runs(notebook.parent)
    command = [setting.program("j2k"), "run", notebook.name, "--fresh", "--engine", "kind", "--json"]
    with subprocess.Popen(command, cwd=notebook.parent, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        begun = _wait_for(lambda: _begun(notebook.parent, before))
        killed = time.time()
        kill(begun)
        output, _ = process.communicate()
    document = json.loads(output)
    starts = [event.time for event in _events(notebook.parent, begun.run) if _is_start(event)]
    if document["verdict"] != "equal" or len(starts) != 2:
        raise WrongResult(f"the run is {document['verdict']} and the stage began {len(starts)} times")
    return starts[1] - killed


def _begun(folder: Path, before: set[str]) -> Event | None:
    for name in _runs(folder) - before:
        events = _events(folder, name)
        if any(event.stage == "two" and event.event == "cell-started" for event in events):
            return next(event for event in events if _is_start(event))
    return None


def _is_start(event: Event) -> bool:
    return event.stage == "two" and event.event == "started"


def _wait_for(look: Callable[[], Event | None]) -> Event:
    deadline = time.monotonic() + WAIT_SECONDS
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise WrongResult(f"the stage did not begin within {WAIT_SECONDS:g} s")
        select.select([], [], [], 0.02)
    return found


def _runs(folder: Path) -> set[str]:
    return {entry.name for entry in (folder / ".j2k/exchange/runs").glob("*")}


def _events(folder: Path, name: str) -> tuple[Event, ...]:
    return read_events(folder / ".j2k/exchange/runs" / name / "events")
