"""Verdicts of scenarios as entries of the evidence, and what such an entry holds for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from j2k_dev.actions.verified import Verified, latest_verified, versions, what_is_verified, what_was_verified
from j2k_dev.evidence.hashes import sha256
from j2k_dev.evidence.record import Entry

if TYPE_CHECKING:
    from pathlib import Path

    from j2k_dev.engine.workspace import Workspace
    from j2k_dev.model.scenario import ScenarioResult
    from j2k_dev.scenario.catalogue import Named

__all__ = ["SCENARIO_FILE", "Verified", "entry_of", "holds_for"]

SCENARIO_FILE = "scenario file"


def entry_of(result: ScenarioResult, named: Named, notebook: Path, workspace: Workspace, verified: Verified) -> Entry:
    """Turn a result into an entry of the evidence; the manifests are those of the run that was struck."""
    of = what_was_verified(notebook, workspace, verified, result.run)
    return Entry(
        result.notebook, result.scenario, result.engine, result.title, result.verdict, result.run, result.started,
        result.seconds, result.recovery,
        of={**of, SCENARIO_FILE: sha256(named.file.read_bytes())},
        versions=versions(workspace, verified),
        struck=tuple(f"{one.fault} {one.stage} {one.point}: {one.told}" for one in result.struck),
        attempts={tale.stage: tale.attempts for tale in result.stages},
    )  # fmt: skip


def holds_for(
    entry: Entry, named: Named, notebook: Path, workspace: Workspace
) -> tuple[dict[str, str], dict[str, str]]:
    """Return what an entry would have to hold for now: the hashes, and the versions."""
    verified = latest_verified(workspace, notebook, entry.engine)
    if verified is None:
        return {}, {}
    of = {**what_is_verified(notebook, workspace, verified), SCENARIO_FILE: sha256(named.file.read_bytes())}
    return of, versions(workspace, verified)
