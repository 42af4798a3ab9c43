"""What a verdict holds for: the hashes of everything that it rests on, as evidence has them."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from j2k_dev import __version__
from j2k_dev.actions.run import PIPELINE
from j2k_dev.deploy.tree import MANIFESTS
from j2k_dev.engine.workspace import read_json
from j2k_dev.evidence.record import Entry
from j2k_dev.model.codec import from_plain, to_plain
from j2k_dev.model.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Any

    from j2k_dev.engine.workspace import Workspace
    from j2k_dev.model.scenario import ScenarioResult
    from j2k_dev.scenario.catalogue import Named


@dataclass(frozen=True)
class Verified:
    """A run that showed that the pipeline gives what the notebook gives: its name, its engine and its plan."""

    run: str
    engine: str
    recording: str
    pipeline: Pipeline

    @property
    def stages(self) -> tuple[str, ...]:
        """Name the stages, in order."""
        return tuple(stage.name for stage in self.pipeline.stages)


def entry_of(result: ScenarioResult, named: Named, notebook: Path, workspace: Workspace, verified: Verified) -> Entry:
    """Turn a result into an entry of the evidence."""
    return Entry(
        result.notebook, result.scenario, result.engine, result.title, result.verdict, result.run, result.started,
        result.seconds, result.recovery,
        of={**what_is_verified(notebook, workspace, verified), "scenario file": _hash(named.file.read_bytes())},
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
    of = {**what_is_verified(notebook, workspace, verified), "scenario file": _hash(named.file.read_bytes())}
    return of, versions(workspace, verified)


def latest_verified(workspace: Workspace, notebook: Path, engine: str) -> Verified | None:
    """Find the latest run of a notebook on an engine that gave what the notebook gives."""
    for run in workspace.run_names():
        told = read_json(workspace.run(run).summary) or {}
        if (told.get("notebook"), told.get("engine"), told.get("verdict")) == (notebook.name, engine, "equal"):
            pipeline = from_plain(Pipeline, read_json(workspace.run(run).root / PIPELINE))
            return Verified(run, engine, str(told["recording"]), pipeline)
    return None


def what_is_verified(notebook: Path, workspace: Workspace, verified: Verified) -> dict[str, str]:
    """Hash the notebook, its plan and recording and, on a cluster, images and manifests."""
    plan = [[stage.name, list(stage.cells), list(stage.pruned)] for stage in verified.pipeline.stages]
    found = {
        "notebook": _hash(notebook.read_bytes()),
        "pipeline": _hash(json.dumps(plan).encode()),
        "recording": verified.recording,
    }
    if verified.engine == "kind":
        base = workspace.root / MANIFESTS / "base"  # overlays say what may differ: replicas, storage, placement
        found["manifests"] = _hash(b"\0".join(_contents(sorted(base.rglob("*.yaml")), base)))
        found |= {f"image {stage}": digest for stage, digest in _images(base).items()}
    return found


def versions(workspace: Workspace, verified: Verified) -> dict[str, str]:
    """Say with which versions of what it was verified."""
    from j2k_dev.sandbox.model import Sandbox  # noqa: PLC0415 - only for a cluster
    from j2k_dev.sandbox.state import read_state  # noqa: PLC0415 - see above

    found = {"j2k": __version__, "python": platform.python_version()}
    state = read_state(Sandbox(workspace.root)) if verified.engine == "kind" else None
    if state is not None:
        found |= {"kubernetes": state.kubernetes, "kafka": to_plain(state.images["kafka"])["digest"]}
    return found


def _images(base: Path) -> dict[str, str]:
    """Read the images of the stages, by digest, from the manifests."""
    import yaml  # noqa: PLC0415 - only for a cluster

    found = {}
    for path in sorted(base.glob("stage-*.yaml")):
        for each in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if each and each["kind"] == "Deployment":
                container: Any = each["spec"]["template"]["spec"]["containers"][0]
                values = {one["name"]: one.get("value", "") for one in container["env"]}
                found[values["J2K_STAGE"]] = container["image"].rpartition("@")[2]
    return found


def _contents(files: Iterable[Path], root: Path) -> Iterable[bytes]:
    for path in files:
        yield str(path.relative_to(root)).encode()
        yield path.read_bytes()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
