"""The oracle: what nbclient, an implementation that is not ours, gives for a notebook.

Run as a program by the interpreter of the notebooks' environment, so that notebook, kernel and nbclient are the pinned
ones. Prints one JSON document: the executed cells, the error that ended the notebook if one did, and the seconds.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError


def execute(path: Path, timeout: int) -> dict[str, Any]:
    """Run the notebook in its own folder with the kernel beside this interpreter, as ``jupyter execute`` would."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            # What the author's own run left there: nbclient keeps it in cells that it does not reach.
            cell.outputs, cell.execution_count = [], None
    place = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, timeout=timeout, kernel_name="python3", resources=place)
    started = time.monotonic()
    error = None
    try:
        client.execute()
    except CellExecutionError as raised:
        error = raised.ename
    except (CellTimeoutError, DeadKernelError) as stopped:
        error = type(stopped).__name__
    return {"cells": notebook.cells, "error": error, "seconds": time.monotonic() - started}


if __name__ == "__main__":
    print(json.dumps(execute(Path(sys.argv[1]), int(sys.argv[2]))))
