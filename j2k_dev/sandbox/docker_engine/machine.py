"""This machine as the sandbox sees it: its system, who we are on it, and what its kernel lets us do. Only looks."""

from __future__ import annotations

import getpass
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

# Where Debian keeps what only root starts; a user's PATH leaves it out.
_ADMINISTRATORS = "/usr/local/sbin:/usr/sbin:/sbin"
_DESKTOP = Path("/Applications/Docker.app")


@dataclass(frozen=True)
class Machine:
    """What decides how a Docker engine is had here.

    ``debian``: Debian or what is made from it (Ubuntu); ``installed``: an engine is, whether or not it runs.
    """

    linux: bool
    debian: bool
    wsl: bool
    systemd: bool
    root: bool
    installed: bool
    user: str


def this_machine() -> Machine:
    """Look at this machine."""
    linux = sys.platform == "linux"
    return Machine(
        linux=linux,
        debian=linux and Path("/etc/debian_version").is_file(),
        wsl=linux and "microsoft" in platform.release().lower(),
        systemd=Path("/run/systemd/system").is_dir(),
        root=os.geteuid() == 0,
        installed=find_program("dockerd") is not None or _DESKTOP.is_dir(),
        user=_user(),
    )


def find_program(name: str) -> Path | None:
    """Find a program, in the folders of administrators too."""
    found = shutil.which(name, path=search_path())
    return Path(found) if found else None


def search_path() -> str:
    """Return PATH with the folders of administrators, which a user's own may lack."""
    return f"{os.environ.get('PATH', os.defpath)}:{_ADMINISTRATORS}"


def lacks_capabilities(status: str | None = None, last: int | None = None) -> bool:
    """Say whether the kernel knows capabilities that not even root could have here: its bounding set lacks them.

    ``status`` is the text of /proc/self/status, ``last`` the number of the last capability that the kernel knows.
    """
    text = Path("/proc/self/status").read_text(encoding="utf-8") if status is None else status
    highest = int(Path("/proc/sys/kernel/cap_last_cap").read_text(encoding="ascii")) if last is None else last
    line = next(line for line in text.splitlines() if line.startswith("CapBnd:"))
    known = (1 << highest + 1) - 1
    return known & ~int(line.split()[1], 16) != 0


def cgroup_version() -> int:
    """Say which version of control groups this machine has."""
    return 2 if Path("/sys/fs/cgroup/cgroup.controllers").is_file() else 1


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # nobody of that number has a name here
        return f"#{os.geteuid()}"
