"""The machine and the programs that numbers were measured with: what they depend on, and no names of hosts."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

PEERS = ("nbclient", "papermill", "luigi", "dagster", "metaflow", "joblib", "pyarrow", "numpy", "pandas", "ipykernel")


def describe(folder: Path) -> dict[str, str]:
    """Describe processor, memory, system, the disk under ``folder``, and versions."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}, {_file_system(folder)}",
        "load": f"{os.getloadavg()[0]:.1f} when it began",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PEERS),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    """Name the type of the file system with the longest mount point above ``folder``."""
    path = str(folder.resolve())
    mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    above = [(len(mount[1]), mount[2]) for mount in mounts if f"{path}/".startswith(mount[1].rstrip("/") + "/")]
    return max(above, default=(0, "unknown file system"))[1]
