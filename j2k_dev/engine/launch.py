"""Starts one of our modules inside the notebook's interpreter, with ``sys.path`` as Jupyter's kernel has it.

Runs as a script in the support folder, in Python 3.10 or later, with nothing but the standard library:
``python SUPPORT/launch.py MODULE [ARGUMENT]…`` calls ``MODULE.main([ARGUMENT…])``. Our modules come last on the path,
so that they never hide the notebook's own. The current folder joins the path when our modules are loaded and not
before: an ``ipykernel.py`` beside the notebook must not end up in them.
"""

from __future__ import annotations

import importlib
import os
import sys


def main() -> int | None:
    """Load the module named on the command line, then run it."""
    support = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - importing pathlib costs 5 ms here
    sys.path[:] = [*(entry for entry in sys.path if entry not in ("", support)), support]
    sys.argv = sys.argv[1:]
    module = importlib.import_module(sys.argv[0])
    _add_current_folder()
    result: int | None = module.main(sys.argv[1:])
    return result


def _add_current_folder() -> None:
    """Put the current folder where IPython's ``init_path`` does: after the standard library, or nowhere if asked."""
    if getattr(sys.flags, "safe_path", False):
        return
    packages = ("site-packages", "dist-packages")
    places = [place for place, entry in enumerate(sys.path) if os.path.basename(entry) in packages]  # noqa: PTH119
    sys.path.insert(places[0] if places else 0, "")


if __name__ == "__main__":
    sys.exit(main())
