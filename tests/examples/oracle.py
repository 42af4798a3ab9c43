"""What nbclient, an implementation that is not ours, gives for an example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nbformat
from nbclient import NotebookClient

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Outputs = dict[int, list["Mapping[str, Any]"]]


def by_nbclient(path: Path) -> Outputs:
    """Run a notebook in its own folder, and give what its code cells put out."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    return outputs(notebook)


def outputs(notebook: nbformat.NotebookNode) -> Outputs:
    """Give the outputs of code cells, by their place in the notebook."""
    return {index: cell.outputs for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"}
