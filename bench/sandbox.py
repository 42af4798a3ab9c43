"""The sandbox: from nothing but built images to a cluster that is ready, and again where all of it is up."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING

from bench.measure import Aim, Result, Setting, WrongResult, in_turns, of, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MOST_SECONDS = 25.0
MOST_SECONDS_AGAIN = 1.0
MADE, AGAIN = "from built images", "all up already"
PARTS = ("cluster", "kafka", "registry")

_HOW = """\
`j2k sandbox up` as a whole process, after `j2k sandbox down`: it ends when every node is ready and heard of, the \
registry answers, and the broker has committed a transaction. The images are built (and in the engine) before. The \
parts are made side by side; the seconds of each are what `--json` tells. Then the same command again, with everything \
up: it lists the containers and asks the cluster how it is. One node, source `packages`."""

_TAKES = "Most of it is kubeadm: with more cores, or fewer programs beside it, it is faster."
_AGAIN_TAKES = (
    "What is left is starting the interpreter, one listing, and one look at the API and into the control plane."
)


def measure(setting: Setting) -> Result:
    """Measure both cases; each repetition does one after the other."""
    workspace = setting.fresh("sandbox") / ".j2k"
    _call(setting, workspace, "up")  # whatever has to be built or loaded is, once
    units = {MADE: "s", **{f"{MADE}: {part}": "s" for part in PARTS}, AGAIN: "s"}
    try:
        contenders = {"j2k sandbox up": functools.partial(_both, setting, workspace)}
        series = in_turns(contenders, setting.repetitions(3), units)
    finally:
        _call(setting, workspace, "down")
    made, again = (of(series, "j2k sandbox up", what).median for what in (MADE, AGAIN))
    aims = (
        Aim("`j2k sandbox up` from built images: 25 s or less", f"{made:.1f} s", made <= MOST_SECONDS, _TAKES),
        Aim("`j2k sandbox up` again: less than 1 s", f"{again:.2f} s", again < MOST_SECONDS_AGAIN, _AGAIN_TAKES),
    )
    return Result("sandbox", "The sandbox", _HOW, series, aims)


def _both(setting: Setting, workspace: Path, _repetition: int) -> Mapping[str, float]:
    _call(setting, workspace, "down")
    made, told = _call(setting, workspace, "up")
    again, _ = _call(setting, workspace, "up")
    if missing := set(PARTS) - told["seconds"].keys():
        raise WrongResult(f"nothing was told of {', '.join(missing)}: was it not made?")
    return {MADE: made, **{f"{MADE}: {part}": told["seconds"][part] for part in PARTS}, AGAIN: again}


def _call(setting: Setting, workspace: Path, verb: str) -> tuple[float, Mapping[str, Mapping[str, float]]]:
    command = [setting.program("j2k"), "sandbox", verb, "--json", "--workspace", str(workspace)]
    spent = run(command, setting.folder)
    return spent.wall, json.loads(spent.output)
