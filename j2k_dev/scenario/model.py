"""What a scenario file may ask for. What comes of it is in ``j2k_dev.model.scenario``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from j2k_dev.deploy.strict_yaml import rule
from j2k_dev.model.scenario import Outcome  # noqa: TC001 - read while the program runs

SCHEMA = "j2k.dev/scenario/v1"
Engine = Literal["local", "kind"]
Fault = Literal[
    "kill", "terminate", "stop", "interrupt", "kill-container", "delete-pod", "out-of-memory", "unpullable-image",
    "kill-broker", "pause-broker", "restart-broker", "cut-network", "slow-network", "reset-network", "fill-exchange",
    "readonly-exchange", "slow-exchange", "damage-blob", "truncate-blob", "remove-snapshot", "send-twice", "rebalance",
    "rolling-update", "drain-node", "stop-node", "restart-node", "pause-api-server", "kill-j2k", "power-cut",
]  # fmt: skip
Point = Literal["taken", "cell", "ran", "snapshot", "publication", "published", "forwarded"]
# Faults that are signals to a process.
SIGNALS = ("kill", "terminate", "stop", "interrupt")
# Faults that last until they are undone; all others are over at once.
LASTING = (
    "unpullable-image", "kill-broker", "pause-broker", "cut-network", "slow-network", "reset-network", "fill-exchange",
    "readonly-exchange", "slow-exchange", "drain-node", "stop-node", "pause-api-server",
)  # fmt: skip


# Faults after which the worker does not go on from where it is held: what strikes there next waits for the next one.
ENDING = (
    *SIGNALS, "kill-container", "delete-pod", "out-of-memory", "rolling-update", "drain-node", "stop-node",
    "restart-node", "power-cut",
)  # fmt: skip


def whose(strike: Strike) -> str:
    """Say which process a strike ends, stops or interrupts; nothing where it is meant for something else."""
    if strike.fault in {"power-cut", "kill-container"}:
        return "worker"
    return strike.process if strike.fault in SIGNALS else ""


def _at_least(least: int, most: int = 10**6) -> Any:
    def check(value: int) -> str:
        return "" if least <= value <= most else f"{value} is not between {least} and {most}"

    return check


def _schema(value: str) -> str:
    return "" if value == SCHEMA else f"{value} is not known here: {SCHEMA}"


def _place(value: str) -> str:
    ways = "middle, a cell's place in its stage (1), or a share of the stage's expected time (50%)"
    return "" if value == "middle" or re.fullmatch(r"[1-9]\d*|[1-9]?\d%", value) else f"{value} is none of {ways}"


@dataclass(frozen=True)
class Strike:
    """One fault of a method, and when: a point that a stage's worker comes to.

    ``point``: its message is ``taken``; a ``cell`` starts (the middle one, the one at a place, or whichever runs at a
    share of the stage's time); all cells ``ran``; its ``snapshot``, or its ``publication``, is half written; it is
    ``published`` and not passed on; it is ``forwarded``. ``process`` is what signals go to: the one that runs the
    ``cells``, or the ``worker``, which looks after it. ``seconds`` is how long the fault lasts, ``times`` how often it
    strikes: at this point, and each time the stage comes there again. Several at one point strike one after the other,
    the next one when the stage comes there again if the one before took the worker away.
    """

    fault: Fault
    point: Point = "cell"
    cell: str = rule(_place, default="middle")
    stage: str = ""
    process: Literal["cells", "worker"] = "cells"
    seconds: int = rule(_at_least(0, 600), default=5)
    times: int = rule(_at_least(1, 20), default=1)


@dataclass(frozen=True)
class Expected:
    """What has to come of it; seconds from the fault to the first progress after it.

    ``outcome``: results ``equal`` to the notebook's, the notebook's exception (``raised``), a run that ``failed`` by
    name, or ``equal-or-failed`` where both are right. ``attempts`` at most, per stage; a message that costs all of them
    is a dead letter, which counts where a run can't fail.
    """

    outcome: Outcome = "equal"
    recovery_seconds: int = rule(_at_least(1, 600), default=30)
    attempts: int = rule(_at_least(1, 100), default=2)
    dead_letters: int = rule(_at_least(0, 10), default=0)


@dataclass(frozen=True)
class Scenario:
    """A scenario file. ``stage`` is the one that is struck where a strike names none: by number or by name.

    ``rollback`` is done at the end, beside the undoing of each fault: ``fresh-pods`` replaces the stage's pods.
    ``nodes`` and ``replicas`` are the fewest that it makes sense with; ``timeout`` in seconds.
    """

    schema: str = rule(_schema)
    title: str = ""
    shows: str = ""
    engines: tuple[Engine, ...] = ("local", "kind")
    nodes: int = rule(_at_least(1, 9), default=1)
    replicas: int = rule(_at_least(1, 3), default=1)
    stage: str = "2"
    steady: tuple[Literal["verified", "cluster", "pods", "broker"], ...] = ("verified", "cluster", "pods", "broker")
    method: tuple[Strike, ...] = ()
    rollback: tuple[Literal["fresh-pods"], ...] = ()
    expect: Expected = field(default_factory=Expected)
    timeout: int = rule(_at_least(5, 3600), default=120)
