"""What came of scenarios, kept whole: so that the page shows every verdict that still holds, not those of one call."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from j2k_dev.actions.scenarios.listing import holding
from j2k_dev.actions.scenarios.mend import FOLDER
from j2k_dev.engine.workspace import read_json, workspace_at, write_json
from j2k_dev.model.codec import CodecError, from_plain, to_plain
from j2k_dev.model.scenario import ScenarioResult

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from j2k_dev.engine.workspace import Workspace


def keep(result: ScenarioResult, workspace: Workspace) -> None:
    """Keep a result in place of the one before."""
    write_json(_folder(workspace) / f"{result.notebook}-{result.scenario}.json", to_plain(result))


def earlier(notebook: Path, override: Path | None, but: Collection[str]) -> tuple[ScenarioResult, ...]:
    """Return what calls before found and what holds still, in the order of time; ``but`` are names to leave out."""
    folder = _folder(workspace_at(notebook, override))
    still = {name: run for name, run in holding(notebook, override).items() if name not in but}
    found = [_read(folder / f"{notebook.name}-{name}.json") for name in still]
    kept = [result for result in found if result and result.run == still[result.scenario]]
    return tuple(sorted(kept, key=lambda result: result.started))


def _folder(workspace: Workspace) -> Path:
    return workspace.root / FOLDER / "results"


def _read(file: Path) -> ScenarioResult | None:
    """Read a result; one that is damaged, or of another version of j2k, is none."""
    with suppress(CodecError):
        return from_plain(ScenarioResult, read_json(file))
    return None
