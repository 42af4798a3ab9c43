"""Where the manifests that ship with j2k lie: for administrators and as an example (``manifests/`` at the top)."""

from __future__ import annotations

from pathlib import Path

import j2k_dev


def manifests_folder() -> Path:
    """Find the folder: inside an installed wheel, or beside the package in a checkout."""
    package = Path(j2k_dev.__file__).parent
    shipped = package / "_data" / "manifests"
    return shipped if shipped.is_dir() else package.parent / "manifests"
