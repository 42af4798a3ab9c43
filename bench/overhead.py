"""What a stage costs beside its cells, with warm workers: a chain of trivial stages with a small state handed on."""

from __future__ import annotations

import functools
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import notebooks, pipeline
from bench.measure import Aim, Result, Series, Setting, WrongResult, run
from bench.peers.metaflow_flow import flow
from j2k_dev.worker.events import read_events

if TYPE_CHECKING:
    from collections.abc import Callable

PEERS = Path(__file__).parent / "peers"
WARM_UP_SECONDS = 4.0
MOST_MS = 30.0

_HOW = """\
A chain of {stages} stages, each of which appends a number to a list, in a state of some kilobytes (with a list of \
1,000 numbers). j2k: the time from one stage's message being sent to the next stage's (event `forwarded`), so all of \
restoring, running, writing the state down, publishing and the bus; every stage has a process of its own, checked to \
have waited, prepared, before its message came; a first stage that works for {seconds:g} s, and is not counted, gives \
them the time. The others do the same chain in their own ways, and the time between the ends of two tasks is taken: \
luigi with pickle files, in one process or in one process per task (`workers=2`); dagster in one process \
(`execute_in_process`) or with its default executor (one process per op, pickle files); metaflow with its local \
runner (one process per step). Only j2k flushes what it writes to the disk (fsync), so that a finished stage survives \
a power cut."""

_TAKES = """\
The table says where the time goes. Of what is left, the flushes to the disk (snapshot, result, and their folders) are \
the promise that a finished stage survives a power cut."""


def measure(setting: Setting) -> Result:
    """Measure all contenders in turns; every interval between two stages is a value."""
    stages = 4 if setting.quick else 8
    folder = setting.fresh("overhead")
    contenders: dict[str, Callable[[int], list[float]]] = {
        "j2k": functools.partial(_j2k, setting, _recorded(setting, folder, stages)),
        "luigi, one process": functools.partial(_peer, folder, "luigi_chain.py", stages, "1"),
        "luigi, a process per task": functools.partial(_peer, folder, "luigi_chain.py", stages, "2"),
        "dagster, one process": functools.partial(_peer, folder, "dagster_chain.py", stages, "in-process"),
        "dagster, a process per op": functools.partial(_peer, folder, "dagster_chain.py", stages, "multiprocess"),
        "metaflow, a process per step": functools.partial(_metaflow, folder, stages),
    }
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for repetition in range(setting.repetitions(2)):
        for name in contenders if repetition % 2 == 0 else reversed(contenders):
            found[name] += contenders[name](repetition)
    series = [Series(name, "per stage", "ms", tuple(values)) for name, values in found.items()]
    ours = series[0].median
    aim = Aim("30 ms or less per stage at the median, workers warm", f"{ours:.0f} ms", ours <= MOST_MS, _TAKES)
    how = _HOW.format(stages=stages, seconds=WARM_UP_SECONDS)
    return Result("overhead", "Per stage, with warm workers", how, (*series, *_parts(folder)), (aim,))


# --- j2k --------------------------------------------------------------------------------------------------------------


def _recorded(setting: Setting, folder: Path, stages: int) -> Path:
    notebook = notebooks.chain(folder / "j2k" / "chain.ipynb", stages, WARM_UP_SECONDS)
    pipeline.call(setting, "up", notebook)
    return notebook


def _j2k(setting: Setting, notebook: Path, _repetition: int) -> list[float]:
    pipeline.forget_runs(notebook)
    _, document = pipeline.call(setting, "run", notebook)
    names = [stage["name"] for stage in document["stages"]]
    pipeline.check_ran(document, len(names))
    _check_warm(Path(document["results"]) / "logs", names[1:])
    events = read_events(notebook.parent / ".j2k" / "exchange" / "runs" / document["run"] / "events")
    sent = {event.stage: event.time for event in events if event.event == "forwarded"}
    # The last stage hands no state on, so what it takes is left out.
    intervals = _intervals([sent[name] for name in names[:-1]])
    _keep(notebook.parent.parent, document, intervals)
    return intervals


def _check_warm(logs: Path, stages: list[str]) -> None:
    """Raise unless every worker waited, prepared, before its message came."""
    for stage in stages:
        told = (logs / f"{stage}.log").read_text(encoding="utf-8")
        if not -1 < told.find("a prepared process waits") < told.find(": taken"):
            raise WrongResult(f"the worker of {stage} was not warm when its message came")


def _keep(folder: Path, document: dict[str, Any], intervals: list[float]) -> None:
    """Keep what the stages say of their own parts; what they can't see is bus, processes, and publishing."""
    with (folder / "parts.jsonl").open("a", encoding="utf-8") as file:
        for stage, interval in zip(document["stages"][1:-1], intervals, strict=True):
            restore, whole, write = (stage[name] * 1000 for name in ("restore_seconds", "seconds", "publish_seconds"))
            part = {"restore": restore, "run the cell": whole - restore, "write down": write}
            part["bus, processes, result"] = interval - whole - write
            file.write(json.dumps(part) + "\n")


def _parts(folder: Path) -> list[Series]:
    parts = [json.loads(line) for line in (folder / "parts.jsonl").read_text(encoding="utf-8").splitlines()]
    return [Series("j2k", f"of which: {name}", "ms", tuple(part[name] for part in parts)) for name in parts[0]]


# --- peers ------------------------------------------------------------------------------------------------------------


def _intervals(ends: list[float]) -> list[float]:
    """Return milliseconds between the ends of tasks; the first one's start-up is not in them."""
    return [(later - earlier) * 1000 for earlier, later in pairwise(ends)]


def _peer(folder: Path, script: str, tasks: int, how: str, repetition: int) -> list[float]:
    own = folder / f"{script}-{how}-{repetition}"
    own.mkdir()
    command = [sys.executable, str(PEERS / script), str(tasks), how, str(own)]
    return _intervals(json.loads(run(command, own).output.splitlines()[-1]))


def _metaflow(folder: Path, tasks: int, repetition: int) -> list[float]:
    own = folder / f"metaflow-{repetition}"
    own.mkdir()
    (own / "flow.py").write_text(flow(tasks), encoding="utf-8")
    env = {"METAFLOW_USER": "bench", "METAFLOW_HOME": str(own / "home"), "HOME": str(own)}
    run([sys.executable, "flow.py", "--quiet", "--no-pylint", "run"], own, env)
    return _intervals(json.loads((own / "ended.json").read_text(encoding="utf-8")))
