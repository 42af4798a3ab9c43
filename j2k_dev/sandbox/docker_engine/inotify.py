"""The kernel's limits on watching files: every node of a cluster watches many, and Debian's default is too low."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from j2k_dev.sandbox.progress import Progress

SWITCHES = Path("/proc/sys/fs/inotify")
# Enough for three nodes and two sandboxes; per user, and every node's root is the same one.
NEEDED = {"max_user_instances": 1024, "max_user_watches": 131072}


@dataclass(frozen=True)
class Limit:
    """A limit and what it has to be at least."""

    name: str
    value: int
    needed: int

    def __str__(self) -> str:
        return f"fs.inotify.{self.name} is {self.value}, and {self.needed} are needed"


def low_limits(switches: Path = SWITCHES) -> tuple[Limit, ...]:
    """Return the limits that are too low; none where the kernel is not ours to look at."""
    if sys.platform != "linux" or not switches.is_dir():
        return ()
    limits = (Limit(name, int((switches / name).read_text(encoding="ascii")), least) for name, least in NEEDED.items())
    return tuple(limit for limit in limits if limit.value < limit.needed)


def way_out(limits: tuple[Limit, ...]) -> str:
    """Return the command that raises them."""
    return "sudo sysctl " + " ".join(f"fs.inotify.{limit.name}={limit.needed}" for limit in limits)


def raise_limits(progress: Progress, switches: Path = SWITCHES) -> None:
    """Raise what is too low, until the next boot, and say so; or say the command where that can't be done from here."""
    for limit in low_limits(switches):
        problem = _write(switches / limit.name, str(limit.needed))
        done = (
            f"can't be changed from here ({problem}): {way_out((limit,))}" if problem else "raised until the next boot"
        )
        progress.note(f"{limit}: {done}")


def _write(switch: Path, value: str) -> str | None:
    """Write to a switch of the kernel; return why that was not possible."""
    try:
        switch.write_text(value, encoding="ascii")
    except OSError as error:
        return error.strerror
    return None
