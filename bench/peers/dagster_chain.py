"""A chain of trivial dagster ops: ``dagster_chain.py OPS in-process|multiprocess FOLDER`` prints when each ended."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import dagster


@dagster.op  # type: ignore[untyped-decorator]  # dagster's own types are not looked at
def begin() -> dict[str, Any]:
    """Make the state."""
    return {"values": [0], "table": list(range(1000)), "ended": [time.time()]}


@dagster.op  # type: ignore[untyped-decorator]  # dagster's own types are not looked at
def step(state: dict[str, Any]) -> dict[str, Any]:
    """Append a number to the state."""
    state["values"].append(len(state["values"]))
    state["ended"].append(time.time())
    return state


def chain() -> dagster.JobDefinition:
    """Define the job; called again in each op's process."""

    @dagster.job  # type: ignore[untyped-decorator]  # as above
    def chained() -> None:
        state = begin()
        for _ in range(int(os.environ["BENCH_OPS"]) - 1):
            state = step(state)

    return chained


def main(ops: int, how: str, folder: Path) -> None:
    """Run the chain and print when its ops ended."""
    os.environ["BENCH_OPS"] = str(ops)
    (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    last = f"step_{ops - 1}" if ops > 2 else "step"
    if how == "in-process":
        result = chain().execute_in_process(instance=dagster.DagsterInstance.from_config(str(folder)))
        print(json.dumps(result.output_for_node(last)["ended"]))
        return
    os.environ["DAGSTER_HOME"] = str(folder)
    with (
        dagster.DagsterInstance.get() as instance,
        dagster.execute_job(dagster.reconstructable(chain), instance=instance) as result,
    ):
        print(json.dumps(result.output_for_node(last)["ended"]))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
