"""One side of a hand-over: ``python -m bench.handover_side WAY save|load array|table FOLDER`` prints what it took."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import handover_data
from bench.handover_ways import WAYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.handover_ways import Way


def save(way: Way, kind: str, folder: Path) -> dict[str, float]:
    """Make the value and write it."""
    data = handover_data.make(kind)
    seconds, written = _timed(lambda: way.save(folder, data))
    return {
        "write": seconds,
        "written": written,
        "sum": handover_data.first_use(data),
        "size": handover_data.size(data),
    }


def load(way: Way, kind: str, folder: Path) -> dict[str, float]:
    """Load the value, use all of it, hand it on unchanged, and then with its first number changed."""
    data: list[Any] = []
    sums: list[float] = []
    loaded, _ = _timed(lambda: data.append(way.load(folder)))
    used, _ = _timed(lambda: sums.append(handover_data.first_use(data[0])))
    unchanged, written = _timed(lambda: way.save(folder, data[0]))
    found = {"load": loaded, "first use": used, "unchanged": unchanged, "written unchanged": written, "sum": sums[0]}
    if kind == "array" and type(way).__name__ == "J2k":
        data[0][0] += 1
        found["changed"], _ = _timed(lambda: way.save(folder, data[0]))
    return found


def _timed(action: Callable[[], object]) -> tuple[float, int]:
    """Return seconds, and bytes given to ``write`` meanwhile."""
    before, started = _written(), time.perf_counter()
    action()
    return time.perf_counter() - started, _written() - before


def _written() -> int:
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text(encoding="ascii").splitlines())
    return int(fields["wchar"])


def main() -> None:
    """Do one side and print its numbers."""
    way, action, kind, folder = sys.argv[1:]
    with os.fdopen(os.dup(1), "w") as told:  # j2k's shell takes standard output over
        told.write(json.dumps({"save": save, "load": load}[action](WAYS[way](), kind, Path(folder))))
    os._exit(0)


if __name__ == "__main__":
    main()
