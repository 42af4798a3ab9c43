"""Promotion to the twin of a cloud: the first one, and one with nothing to do, beside kubectl's apply of the tree."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.again import quickstart
from bench.measure import Aim, Result, Series, Setting, WrongResult, in_turns, of, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

J2K, KUBECTL = "j2k promote", "kubectl apply --dry-run=server -k"
FIRST, AGAIN = "the quickstart, nothing there", "nothing changed"
REQUIRED = ("kill-stage-2", "delete-pod-stage-2", "restart-broker")
MOST_SECONDS_AGAIN = 5.0

_HOW = """\
The quickstart example, proven on a sandbox of one node by `j2k up` and the three required scenarios, promoted to the \
twin of a cloud (`j2k sandbox up --name twin --cloud`, two nodes) on the same machine; whole processes. The first \
promotion copies images and input files, makes volumes, starts three pods for each stage, runs the notebook there and \
compares the results; of this there is one value. Then the same command again: it reads evidence and \
images, renders the tree, asks the cluster for a dry run of all of it, and says that nothing is to be done (checked). \
Beside it kubectl has the API server try the tree that `j2k promote --output` wrote, and neither asks for evidence \
nor looks at images, policy, rights or quota."""
_TAKES = "Most of it is the dry run of every object, one after the other in one call of kubectl, and reading images."


@dataclass(frozen=True)
class _Twin:
    """Where things are promoted to, and how it is reached."""

    context: str
    kubeconfig: str
    docker_config: str


def measure(setting: Setting) -> Result:
    """Measure both cases; the sandbox and the twin are taken down at the end."""
    folder = setting.fresh("promotion")
    notebook = quickstart(folder)
    try:
        twin = _twin(setting, notebook)
        _call(setting, folder, "up", notebook.name, "--engine", "kind")
        _call(setting, folder, "scenario", *REQUIRED, "--engine", "kind")
        first, told = _promote(setting, folder, twin, "--yes")
        if told["verdict"] != "equal":
            raise WrongResult(f"the first promotion is {told['verdict']}")
        overlay = str(_promote(setting, folder, twin, "--output", "tree")[1]["output"])
        contenders = {
            J2K: functools.partial(_again, setting, folder, twin),
            KUBECTL: functools.partial(_asked, folder, twin, overlay),
        }
        series = in_turns(contenders, setting.repetitions(9), {AGAIN: "s"})
    finally:
        _call(setting, folder, "sandbox", "down", "--name", "twin")
        _call(setting, folder, "down", "--sandbox", "--purge")
    again = of(series, J2K, AGAIN).median
    aim = Aim("promotion with nothing changed: less than 5 s", f"{again:.1f} s", again < MOST_SECONDS_AGAIN, _TAKES)
    return Result("promotion", "Promotion", _HOW, (Series(J2K, FIRST, "s", (first,)), *series), (aim,))


def _twin(setting: Setting, notebook: Path) -> _Twin:
    _, told = _call(
        setting, notebook.parent, "sandbox", "up", "--name", "twin", "--cloud", "--for", notebook.name
    )  # fmt: skip
    return _Twin(told["context"], told["kubeconfig"], told["cloud"]["docker_config"])


def _promote(setting: Setting, folder: Path, twin: _Twin, *options: str) -> tuple[float, dict[str, Any]]:
    surroundings = {"DOCKER_CONFIG": twin.docker_config}
    return _call(setting, folder, "promote", "--context", twin.context, *options, surroundings=surroundings)


def _again(setting: Setting, folder: Path, twin: _Twin, _repetition: int) -> Mapping[str, float]:
    seconds, told = _promote(setting, folder, twin, "--yes")
    if not told["unchanged"]:
        raise WrongResult("the promotion had something to do")
    return {AGAIN: seconds}


def _asked(folder: Path, twin: _Twin, overlay: str, _repetition: int) -> Mapping[str, float]:
    kubectl = json.loads((folder / ".j2k" / "clusters.json").read_bytes())["quickstart"]["kubectl"]
    place = ("--context", twin.context, "--kubeconfig", twin.kubeconfig)
    how = ("--server-side", "--dry-run=server", "--field-manager", "j2k", "--force-conflicts")
    return {AGAIN: run([kubectl, *place, "apply", *how, "-k", overlay], folder).wall}


def _call(
    setting: Setting, folder: Path, *words: str, surroundings: Mapping[str, str] | None = None
) -> tuple[float, dict[str, Any]]:
    spent = run([setting.program("j2k"), *words, "--json"], folder, surroundings)
    return spent.wall, json.loads(spent.output)
