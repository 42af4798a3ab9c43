"""What ``j2k doctor`` checks: each finding names the command that mends it. Nothing is changed on the machine."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from j2k_dev.cli.checks_sandbox import sandbox_findings
from j2k_dev.cli.finding import Finding, tried
from j2k_dev.engine.interpreter import choose, probe
from j2k_dev.engine.support import cache_folder, support_folder
from j2k_dev.report.units import human_bytes

_ROOM = 1_000_000_000


def examine(workspace: Path | None = None) -> tuple[Finding, ...]:
    """Look at everything; a check that fails does not keep the others from being done."""
    place = workspace or Path.cwd()
    checks = (_system, _interpreter, _cache, lambda: _writable(place), lambda: _room(place), _reprozip, _tracing)
    # Side by side: most of the time goes into waiting for programs that are asked.
    with ThreadPoolExecutor() as pool:
        beside = pool.submit(sandbox_findings)
        found = [finding.result() for finding in [pool.submit(check) for check in checks]] + beside.result()
    return tuple(replace(finding, way_out="") if finding.state == "ok" else finding for finding in found)


def _system() -> Finding:
    told = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}: {sys.executable}"
    return Finding(
        "Python", "ok" if os.name == "posix" else "missing", told, "j2k runs on Linux; on Windows, inside WSL"
    )


def _interpreter() -> Finding:
    def ask() -> str:
        found = probe(choose())
        versions = {name.lower(): version for name, version in found.packages.items()}
        return f"ipykernel {versions.get('ipykernel', '?')}, IPython {versions.get('ipython', '?')}: {found.executable}"

    return tried("notebooks' Python", "missing", ask)


def _cache() -> Finding:
    return tried("cache", "missing", lambda: f"{support_folder()} (all of it below {cache_folder()})")


def _writable(place: Path) -> Finding:
    existing = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
    fine = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    told = f"{existing} can{'' if fine else 'not'} be written"
    return Finding(
        "workspace", "ok" if fine else "missing", told, "keep the workspace in another folder: --workspace DIR"
    )


def _room(place: Path) -> Finding:
    existing = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    way_out = "make room, or use another disk: --workspace DIR (j2k down removes what j2k keeps)"
    return Finding("disk", "ok" if free >= _ROOM else "absent", f"{human_bytes(free)} free at {existing}", way_out)


def _reprozip() -> Finding:
    fine = importlib.util.find_spec("reprozip") is not None
    way_out = (
        f"{sys.executable} -m pip install 'j2k-dev[trace]' (builds from source: on Debian first "
        "apt-get install gcc python3-dev libsqlite3-dev); the local engine needs none"
    )
    return Finding("reprozip", "ok" if fine else "absent", "installed" if fine else "not installed", way_out)


def _tracing() -> Finding:
    """Ask the kernel's own switch; containers may forbid tracing on top of it, which only a try shows."""
    switch = Path("/proc/sys/kernel/yama/ptrace_scope")
    scope = switch.read_text().strip() if switch.is_file() else "0"
    fine = sys.platform == "linux" and scope in ("0", "1")
    told = f"ptrace is {'allowed' if fine else 'not allowed'} (ptrace_scope {scope}, {sys.platform})"
    return Finding(
        "tracing",
        "ok" if fine else "absent",
        told,
        "sudo sysctl kernel.yama.ptrace_scope=1, or trace with --trace audit",
    )
