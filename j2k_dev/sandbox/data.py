"""Where the sandbox's data files lie: recipes, configuration, small scripts (the folder ``sandbox/`` at the top)."""

from __future__ import annotations

from pathlib import Path

import j2k_dev


def data_folder() -> Path:
    """Find the folder: inside an installed wheel, or beside the package in a checkout."""
    package = Path(j2k_dev.__file__).parent
    shipped = package / "_data" / "sandbox"
    return shipped if shipped.is_dir() else package.parent / "sandbox"
