"""The definition of a chain of dagster ops, no run: ``dagster_graph.py OPS TIMES`` prints the seconds of each time."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import dagster


@dagster.op  # type: ignore[untyped-decorator]  # dagster's own types are not looked at
def begin() -> int:
    """Begin the chain."""
    return 0


@dagster.op  # type: ignore[untyped-decorator]  # dagster's own types are not looked at
def step(state: int) -> int:
    """Go on."""
    return state + 1


def define(ops: int) -> float:
    """Define and check a job of so many ops; return the seconds it took."""
    started = time.perf_counter()

    @dagster.job  # type: ignore[untyped-decorator]  # as above
    def chained() -> None:
        state: Any = begin()
        for _ in range(ops - 1):
            state = step(state)

    assert len(chained.nodes) == ops
    return time.perf_counter() - started


if __name__ == "__main__":
    print(json.dumps([define(int(sys.argv[1])) for _ in range(int(sys.argv[2]))]))
