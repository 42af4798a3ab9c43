"""Tells which files the running interpreter and its distributions consist of, as JSON on stdout.

Runs as a script in the notebook's interpreter, Python 3.10 or later, with nothing but the standard library.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import sys
import sysconfig
from typing import Any


def main() -> None:
    """Print the inventory on the last line: whatever the interpreter prints at its start comes before."""
    paths, here = sysconfig.get_paths(), os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    sites = [entry for entry in sys.path if os.path.basename(entry) in ("site-packages", "dist-packages")]  # noqa: PTH119
    found = {
        "executable": sys.executable,
        "version": ".".join(map(str, sys.version_info[:3])),
        "prefix": sys.prefix,
        "prefixes": sorted({sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}),
        "libraries": sorted({_standard_library(paths[name]) for name in ("stdlib", "platstdlib")}),
        "sites": list(dict.fromkeys([*sites, paths["purelib"], paths["platlib"]])),
        "path": [entry for entry in sys.path if os.path.isabs(entry) and entry != here],  # noqa: PTH117
        "cache_tag": sys.implementation.cache_tag or "",
        "distributions": [_distribution(found) for found in importlib.metadata.distributions()],
    }
    sys.stdout.write("\n" + json.dumps(found) + "\n")


def _standard_library(path: str) -> str:
    """Name the standard library of the interpreter itself: a virtual environment's is empty."""
    for prefix, base in ((sys.prefix, sys.base_prefix), (sys.exec_prefix, sys.base_exec_prefix)):
        if path.startswith(prefix + os.sep):
            return base + path[len(prefix) :]
    return path


def _distribution(found: importlib.metadata.Distribution) -> dict[str, Any]:
    files = [os.path.normpath(str(found.locate_file(file))) for file in found.files or ()]
    needs = [_required(line) for line in found.requires or () if "extra ==" not in line]
    return {
        "name": _normal(found.metadata["Name"] or ""),
        "version": found.version or "",
        "files": files,
        "needs": needs,
        "editable": '"editable": true' in (found.read_text("direct_url.json") or ""),
        "local": found.read_text("direct_url.json") is not None,
    }


def _required(line: str) -> str:
    named = re.match(r"[\w.-]+", line.strip())
    return _normal(named[0]) if named else ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
