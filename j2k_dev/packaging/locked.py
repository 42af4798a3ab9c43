"""The way without a trace: the exact versions that were imported, from the index, by pip, with their hashes.

pip installs into a folder of its own, from where the files go to the place that they have on this machine: what shows
paths (warnings, tracebacks) then shows the same ones. The interpreter is the notebook's own installation.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from j2k_dev.engine.workspace import write_text
from j2k_dev.model.errors import MachineryFailed, Refused
from j2k_dev.packaging.files import ALWAYS, OURS, Selection, select_interpreter
from j2k_dev.packaging.libraries import is_elf, needed_by
from j2k_dev.packaging.secrets import is_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from j2k_dev.packaging.python import Distribution, Python

LOCK = "requirements.lock"

_SECONDS = 1800.0
_USE_TRACE = "j2k build --package trace takes what is installed"


def needed_distributions(python: Python, modules: Iterable[str]) -> tuple[Distribution, ...]:
    """Name the distributions that modules come from, with all they need; raise Refused where no index has one."""
    found = {name for module in modules for name in python.providers.get(module.partition(".")[0], ())}
    names = sorted(python.with_needs(found | set(ALWAYS)) - {OURS})
    distributions = tuple(python.by_name[name] for name in names)
    if local := [each.name for each in distributions if each.local]:
        raise Refused(f"{', '.join(local)}: installed from a folder or an address, so no index has it", _USE_TRACE)
    return distributions


def lock(python: Python, distributions: Sequence[Distribution], fitting: Sequence[str] = ()) -> str:
    """Write the lock file: each distribution with its version and the hash of the file that pip takes.

    ``fitting`` are pip's options for another interpreter than the notebook's own.
    """
    wanted = [f"{each.name}=={each.version}" for each in distributions]
    # Without a target, older pips look for their own interpreter's files only; nothing is written there.
    elsewhere = ["--target", ".", *fitting] if fitting else []
    quiet = ["--dry-run", "--quiet", "--ignore-installed", "--no-deps", "--report", "-"]
    options = ["install", *quiet, *elsewhere, *wanted]
    report = json.loads(run_pip(python, options))
    lines = sorted(_locked(each) for each in report["install"])
    return "\n".join([f"# For Python {python.minor}: pip install --no-deps --require-hashes -r {LOCK}", *lines]) + "\n"


def _locked(installed: dict[str, object]) -> str:
    metadata, download = installed["metadata"], installed["download_info"]
    assert isinstance(metadata, dict)
    assert isinstance(download, dict)
    hashes = download["archive_info"]["hashes"]
    return f"{metadata['name']}=={metadata['version']} --hash=sha256:{hashes['sha256']}"


def install(python: Python, text: str, folder: Path) -> Path:
    """Install what a lock file names in a folder named by it, unless that is done; return where the files are."""
    place = folder / hashlib.sha256(f"{python.executable} {python.version}\n{text}".encode()).hexdigest()[:16]
    prefix, done = place / "prefix", place / "done"
    if not done.exists():
        write_text(place / LOCK, text)
        options = [
            "install",
            "--quiet",
            "--ignore-installed",
            "--no-deps",
            "--require-hashes",
            "--no-warn-script-location",
        ]
        run_pip(python, [*options, "--prefix", str(prefix), "-r", str(place / LOCK)])
        write_text(done, "")
    return prefix


def select_locked(python: Python, prefix: Path) -> Selection:
    """Choose the interpreter, and what pip installed, at the place that it would have in the notebook's environment."""
    interpreter = select_interpreter(python)
    installed = [f"{place}/{name}" for place, _folders, names in os.walk(prefix) for name in names]
    moved = {
        f"{python.prefix}{path[len(str(prefix)) :]}": path
        for path in installed
        if not path.endswith(".pyc") and not is_secret(path)
    }
    libraries = {path for path in needed_by(filter(is_elf, moved.values())) if not path.startswith(str(prefix))}
    return Selection(interpreter.files | libraries, interpreter.left_out, moved)


def run_pip(python: Python, options: Sequence[str]) -> str:
    """Run the pip of the notebook's interpreter, or ours for it; return what it wrote."""
    quiet = ["--disable-pip-version-check", "--no-input"]
    theirs = [python.executable, "-m", "pip", *quiet]
    ours = [sys.executable, "-m", "pip", "--python", python.executable, *quiet]
    has_pip = subprocess.run([*theirs, "--version"], capture_output=True, check=False).returncode == 0
    command = [*(theirs if has_pip else ours), *options]
    # User installations and their own settings would leave packages out.
    environment = {**os.environ, "PYTHONNOUSERSITE": "1", "PIP_USER": "0", "PIP_BREAK_SYSTEM_PACKAGES": "1"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineryFailed(f"pip can't be used: {error}", _USE_TRACE) from error
    if done.returncode:
        raise MachineryFailed(
            "pip can't get the versions that the recording used",
            _USE_TRACE,
            f"{' '.join(command)}\n{done.stderr[-3000:]}",
        )
    return done.stdout
