"""How fast a run goes on after a fault, by the scenarios themselves; beside what resuming by hand costs with others."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import notebooks
from bench.measure import Aim, Result, Series, Setting, WrongResult, run

if TYPE_CHECKING:
    from collections.abc import Sequence

J2K, J2K_LOCAL = "j2k, kind", "j2k, local"
WORKER, CONTAINER, POD, BROKER = "worker killed", "container killed", "pod deleted with no grace", "broker restarted"
NAMES = {
    WORKER: "kill-worker-stage-2", CONTAINER: "kill-container-stage-2", POD: "delete-pod-stage-2",
    BROKER: "restart-broker",
}  # fmt: skip
MOST = {WORKER: 3.0, POD: 6.0, BROKER: 15.0}
_STEP_SECONDS = 4.0
_WAIT_SECONDS = 120.0
_PEERS = Path(__file__).parent / "peers"

_HOW = """\
A notebook of three stages, the second of which takes four seconds, on a sandbox of one node with one pod for each \
stage. `j2k scenario` kills the second stage's worker (SIGKILL), and the first process of its container with all \
that is in it, deletes its pod (no grace), and restarts the broker, \
each while the stage works; recovery is the time from the fault to the first progress after it, as the scenario itself \
tells it: of an attempt that comes to something, in results that are equal to the notebook's. Beside it: three steps \
of metaflow and three tasks of luigi on this machine without a cluster, all of whose processes are killed in the \
second one; from the kill, with `metaflow resume` and the luigi command called in the same moment, to the second \
one's beginning anew. A person would have to notice first."""
_TAKES = {
    WORKER: "It is a fork, and the stage's group of workers being dealt its messages anew.",
    POD: "It is the pod's start, the interpreter's, and the broker's waiting for a lost member (3 s).",
    BROKER: "Most of it is the broker's own start.",
}


def measure(setting: Setting) -> Result:
    """Measure j2k's scenarios and the others in turns; the sandbox is taken down at the end."""
    folder = setting.fresh("scenarios")
    slow = f"import time\nfor _ in range({int(_STEP_SECONDS * 10)}):\n    time.sleep(0.1)\nprint(x)"
    notebooks.write(folder / "slow.ipynb", [("one", "x = 1"), ("two", slow), ("three", "print(x)")])
    found: dict[tuple[str, str], list[float]] = {}
    try:
        for number in range(setting.repetitions(5)):
            for what, name in NAMES.items():
                found.setdefault((J2K, what), []).append(_recovery(setting, folder, "kind", name))
            found.setdefault((J2K_LOCAL, WORKER), []).append(_recovery(setting, folder, "local", NAMES[WORKER]))
            for peer, first, again in _peers():
                found.setdefault((peer, "all of it killed"), []).append(
                    _resumed(setting, f"{peer} {number}", first, again)
                )
    finally:
        run([setting.program("j2k"), "down", "--sandbox", "--purge", "--json"], folder)
    series = tuple(Series(who, what, "s", tuple(values)) for (who, what), values in found.items())
    aims = tuple(
        Aim(f"{each.what}: {MOST[each.what]:g} s or less", f"{each.median:.1f} s", each.median <= MOST[each.what],
            _TAKES[each.what])
        for each in series if each.contender == J2K and each.what in MOST
    )  # fmt: skip
    return Result("scenarios", "After a fault", _HOW, series, aims)


def _recovery(setting: Setting, folder: Path, engine: str, name: str) -> float:
    command = [setting.program("j2k"), "scenario", name, "--notebook", "slow.ipynb", "--engine", engine, "--json"]
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=_WAIT_SECONDS * 5)
    document: dict[str, Any] = json.loads(told.stdout)
    (result,) = document.get("scenarios") or [{"verdict": f"none: {document}"}]
    if result["verdict"] not in {"survived", "survived late"}:
        raise WrongResult(f"{name} on {engine} is {result['verdict']}: {result.get('why')}\n{told.stderr[-2000:]}")
    return float(result["recovery"])


def _peers() -> tuple[tuple[str, list[str], list[str]], ...]:
    flow, tasks = str(_PEERS / "killed_flow.py"), str(_PEERS / "killed_tasks.py")
    return (
        ("metaflow resume", [sys.executable, flow, "--quiet", "run"], [sys.executable, flow, "--quiet", "resume"]),
        ("luigi, called again", [sys.executable, tasks], [sys.executable, tasks]),
    )


def _resumed(setting: Setting, name: str, first: Sequence[str], again: Sequence[str]) -> float:
    """Kill everything in the second step, call it again, and return the time until that step began anew."""
    folder = setting.fresh(name.replace(" ", "-").replace(",", ""))
    environment = {**os.environ, "SECONDS": str(_STEP_SECONDS), "METAFLOW_HOME": str(folder), "USERNAME": "bench"}
    began = folder / "began"
    with subprocess.Popen(
        first, cwd=folder, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        _wait_for_lines(began, 1)
        killed = time.time()
        os.killpg(process.pid, signal.SIGKILL)
    run(list(again), folder, environment)
    starts = [float(line) for line in began.read_text().splitlines()]
    if len(starts) != 2 or (folder / "total").read_text() != "6":
        raise WrongResult(f"{name} began its second step {len(starts)} times")
    return starts[1] - killed


def _wait_for_lines(file: Path, count: int) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not file.exists() or len(file.read_text().splitlines()) < count:
        if time.monotonic() > deadline:
            raise WrongResult(f"nothing began within {_WAIT_SECONDS:g} s")
        select.select([], [], [], 0.01)
