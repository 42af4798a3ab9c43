"""Which notebook a command is about where none is named: that of the latest run here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from j2k_dev.engine.workspace import read_json, workspace_at
from j2k_dev.model.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path

    from j2k_dev.cli.session import Session


def notebook_of(session: Session, values: dict[str, Any]) -> Path:
    """Find the notebook; raise BadInput where there is none."""
    if (found := known_notebook(session, values)) is None:
        raise BadInput("no notebook was run here", "j2k up NOTEBOOK, or --notebook NOTEBOOK")
    return found


def known_notebook(session: Session, values: dict[str, Any]) -> Path | None:
    """Find the notebook, if there is one: the one that is named, else that of the latest run."""
    if values["beside"]:
        found: Path = values["beside"]
        return found
    workspace = workspace_at(None, session.override)
    for run in workspace.run_names():
        told = read_json(workspace.run(run).summary)
        if isinstance(told, dict) and (place := workspace.root.parent / str(told.get("notebook", ""))).is_file():
            return place
    return None
