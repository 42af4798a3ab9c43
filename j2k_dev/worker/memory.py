"""Whether a process was killed for memory: what the system counts for the container that it is in (cgroup 1 and 2)."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

# Kubernetes' own word for it, which people search for.
OOM = "OOMKilled"

_CGROUP = Path("/sys/fs/cgroup")
_COUNTS = ("memory.events", "memory/memory.oom_control")
_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
# More than any machine has: cgroup 1 writes "no limit" as a number of this order.
_NO_LIMIT = 1 << 60
_MEBIBYTE = 1 << 20


def kills(cgroup: Path = _CGROUP) -> int:
    """Count the processes of this container that were killed for memory so far; 0 where nothing counts them."""
    found = re.search(r"^oom_kill (\d+)$", _first(cgroup, _COUNTS), re.MULTILINE)
    return int(found.group(1)) if found else 0


def limit(cgroup: Path = _CGROUP) -> int | None:
    """Return how many bytes this container may have, or None where nothing limits it."""
    told = _first(cgroup, _LIMITS).strip()
    return int(told) if told.isdigit() and int(told) < _NO_LIMIT else None


def explained(how: str, kills_before: int, cgroup: Path = _CGROUP) -> str:
    """Add to how a process ended that it was for memory, if one was killed for it since ``kills_before``."""
    if "SIGKILL" not in how or kills(cgroup) <= kills_before:
        return how
    allowed = limit(cgroup)
    told = f"needed more memory than its limit of {allowed // _MEBIBYTE}Mi" if allowed else "memory ran out"
    return f"{how} ({OOM}: {told})"


def _first(cgroup: Path, names: tuple[str, ...]) -> str:
    with suppress(OSError):
        return next(((cgroup / name).read_text() for name in names if (cgroup / name).is_file()), "")
    return ""
