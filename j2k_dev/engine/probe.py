"""Says what a Python is and what it has: runs inside the notebook's interpreter, Python 3.10 or later.

Prints one line of JSON behind a mark, because start-up files of the interpreter may print things of their own.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import sys
import sysconfig

MARK = "j2k-probe:"


def main() -> None:
    """Print what is asked of an interpreter before it is used."""
    facts = {
        "executable": sys.executable,
        "implementation": sys.implementation.name,
        "version": platform.python_version(),
        "fixed_hashes": not sys.flags.hash_randomization,
        "missing": [name for name in ("IPython", "ipykernel") if importlib.util.find_spec(name) is None],
        "managed": sys.prefix == sys.base_prefix and os.path.exists(_managed_mark()),  # noqa: PTH110 - see below
        "packages": _packages(),
        "watched": [entry for entry in sys.path if os.path.isdir(entry)],  # noqa: PTH112 - pathlib is not needed here
    }
    print(MARK + json.dumps(facts))  # noqa: T201 - this line is the result


def _managed_mark() -> str:
    """Name the file by which a distribution keeps pip out (PEP 668)."""
    return os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")  # noqa: PTH118 - pathlib is not needed here


def _packages() -> dict[str, str]:
    """Name the installed distributions; the first on the path is the one that is imported."""
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        # A folder that an interrupted installation left behind has neither name nor version.
        name, version = distribution.metadata["Name"], distribution.metadata["Version"]
        if name and version:
            found.setdefault(name, version)
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


if __name__ == "__main__":
    main()
