"""The shared libraries that programs and modules need, as the system's own loader finds them."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FOUND = re.compile(r"^\s+(?:\S+ => )?(/\S.*?) \(0x[0-9a-f]+\)$", re.MULTILINE)
_AT_ONCE = 200
_SECONDS = 300.0
_ELF = b"\x7fELF"


def is_elf(path: str) -> bool:
    """Tell programs and shared libraries from other files by how they begin."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - thousands of them
            return file.read(4) == _ELF
    except OSError:
        return False


def needed_by(paths: Iterable[str]) -> set[str]:
    """List what ``ldd`` says that these files need; nothing where there is no ``ldd``."""
    files = sorted(paths)
    found: set[str] = set()
    for start in range(0, len(files), _AT_ONCE):
        found |= _ldd(files[start : start + _AT_ONCE])
    return {os.path.normpath(path) for path in found}


def _ldd(files: Sequence[str]) -> set[str]:
    try:
        # What a file needs may be missing here too: then it could not be loaded in the notebook's run either.
        done = subprocess.run(
            ["ldd", *files], capture_output=True, text=True, errors="surrogateescape", timeout=_SECONDS, check=False
        )
    except FileNotFoundError:
        return set()
    return set(_FOUND.findall(done.stdout))
