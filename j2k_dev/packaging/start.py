"""Starts a worker in a container: gives it what the image has for its home folder, then does what ``launch.py`` does.

Runs as a script in the image's support folder, in the notebook's interpreter, with nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import shutil
import sys

HOME = "/j2k/home"


def main() -> None:
    """Lay out the home folder, which is empty and can be written, and start."""
    # Where it can't be written, caches are missing and made anew; nothing else depends on them.
    with contextlib.suppress(OSError):
        shutil.copytree(HOME, os.environ["HOME"], dirs_exist_ok=True)
    sys.argv[0] = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launch.py")  # noqa: PTH100, PTH118, PTH120
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
