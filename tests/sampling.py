"""Which of the slow tests run where all of them would take too long: others for each commit."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pytest

ROOT = Path(__file__).resolve().parents[1]
# Units of half a minute to some minutes each.
_SIZE = 6


def commit() -> str:
    """The commit that is tested, or ``J2K_SAMPLE``; without git (an unpacked source package) always the same."""
    asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return os.environ.get("J2K_SAMPLE") or asked.stdout.strip() or "no commit"


def chosen(names: Iterable[str], seed: str, size: int) -> set[str]:
    """Choose ``size`` names by ``seed``: another seed, another choice; the same seed, the same one."""
    return set(sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())[:size])


def left_out(items: Sequence[pytest.Item], seed: str) -> list[pytest.Item]:
    """Return the pipeline tests that do not run with this seed; those that go on from one another stay together."""
    units = {item.nodeid: _unit(item) for item in items if item.get_closest_marker("pipeline")}
    running = chosen(set(units.values()), seed, _SIZE)
    return [item for item in items if item.nodeid in units and units[item.nodeid] not in running]


def _unit(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0] if item.get_closest_marker("together") else item.nodeid
