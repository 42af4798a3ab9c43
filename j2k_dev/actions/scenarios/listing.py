"""What scenarios there are, and what is known of them: for ``j2k scenario --list``."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from j2k_dev.actions.scenarios.evidence import holds_for
from j2k_dev.engine.workspace import workspace_at
from j2k_dev.evidence.record import read, stale
from j2k_dev.model.errors import BadInput
from j2k_dev.model.scenario import Listed
from j2k_dev.scenario.catalogue import catalogue, find
from j2k_dev.scenario.faults.table import engines_of

if TYPE_CHECKING:
    from pathlib import Path

    from j2k_dev.engine.workspace import Workspace
    from j2k_dev.evidence.record import Doubt, Entry
    from j2k_dev.scenario.catalogue import Named


def listed(notebook: Path, override: Path | None, engine: str = "") -> tuple[Listed, ...]:
    """List the scenarios, with the latest verdict on each for this notebook, on any engine or on one.

    Those that ship, those beside the notebook, and whatever else there is a verdict on: ``kill-stage-3``.
    """
    workspace, beside = workspace_at(notebook, override), notebook.absolute().parent
    latest = _latest(notebook, workspace, engine)
    there = {named.name: named for named in catalogue(beside)}
    others = {name: named for name in latest if name not in there and (named := _found(name, beside))}
    return tuple(
        _listed(named, latest.get(named.name), notebook, workspace)
        for named in sorted((there | others).values(), key=lambda named: named.name)
    )


def holding(notebook: Path, override: Path | None) -> dict[str, str]:
    """Return the latest verdicts that hold still: the run that showed it, by the scenario's name."""
    workspace, beside = workspace_at(notebook, override), notebook.absolute().parent
    return {
        name: entry.run
        for name, entry in _latest(notebook, workspace).items()
        if (named := _found(name, beside)) and not stale(entry, *holds_for(entry, named, notebook, workspace))
    }


def doubts(notebook: Path, override: Path | None) -> tuple[str, ...]:
    """Say what claims to be a verdict on this notebook and is none, why, and what to do."""
    found = read(workspace_at(notebook, override).root).doubts
    return tuple(
        f"{_about(doubt)} counts for nothing: {doubt.why}; {doubt.way_out}"
        for doubt in found
        if doubt.notebook in ("", notebook.name)
    )


def _latest(notebook: Path, workspace: Workspace, engine: str = "") -> dict[str, Entry]:
    entries = [
        entry
        for entry in read(workspace.root).entries
        if entry.notebook == notebook.name and engine in ("", "auto", entry.engine)
    ]
    return {entry.scenario: entry for entry in sorted(entries, key=lambda entry: entry.started)}


def _found(name: str, beside: Path) -> Named | None:
    """Find a scenario by its name; one that chance chose has none, nor has ``verify``."""
    with suppress(BadInput):
        return find(name, beside)
    return None


def _about(doubt: Doubt) -> str:
    return f"the verdict on {doubt.scenario} ({doubt.engine})" if doubt.scenario else "evidence"


def _listed(named: Named, entry: Entry | None, notebook: Path, workspace: Workspace) -> Listed:
    told = Listed(named.name, named.scenario.title, _engines(named), _needs(named))
    if entry is None:
        return told
    changed = stale(entry, *holds_for(entry, named, notebook, workspace))
    return replace(told, verdict=f"{entry.verdict}", at=entry.started, stale=changed)


def _engines(named: Named) -> tuple[str, ...]:
    """Say which engines can do all that a scenario does."""
    faults = [strike.fault for strike in named.scenario.method]
    return tuple(one for one in named.scenario.engines if all(one in engines_of(fault) for fault in faults))


def _needs(named: Named) -> str:
    scenario = named.scenario
    nodes = f"{scenario.nodes} nodes" if scenario.nodes > 1 else ""
    replicas = f"{scenario.replicas} workers" if scenario.replicas > 1 else ""
    return ", ".join(filter(None, (nodes, replicas)))
