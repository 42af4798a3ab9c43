"""What is verified: which run showed it, the hashes of everything that it rests on, and the signed entry that says so.

A run that gave what the notebook gives, on this machine or its sandbox and without parameters, keeps these hashes
beside its results (``verified.json``) and adds an entry to the evidence. A later ``j2k up`` that changes nothing signs
nothing, unless the entry is gone: then it is signed again if all is as that run had it.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from j2k_dev import __version__
from j2k_dev.engine.workspace import read_json, write_json
from j2k_dev.evidence.hashes import hashes, of_base, read_base
from j2k_dev.model.codec import from_plain, to_plain
from j2k_dev.model.errors import J2kError
from j2k_dev.model.pipeline import Pipeline
from j2k_dev.notebook.reader import read_notebook

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from j2k_dev.actions.context import Context
    from j2k_dev.engine.workspace import Workspace
    from j2k_dev.evidence.hashes import Texts
    from j2k_dev.model.run import RunSummary

VERIFIED = "verified.json"
# Beside a run's results: the hashes of the manifests and images of its pods.
DEPLOYED = "deployed.json"
KIND = "kind"


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


@dataclass(frozen=True)
class Proof:
    """What a run rested on; ``started`` in seconds since the epoch, ``seconds`` how long it took."""

    of: dict[str, str]
    versions: dict[str, str]
    started: float
    seconds: float


@dataclass(frozen=True)
class Ready:
    """What is there to promote, each file read once: what was hashed is what is handed on.

    ``base`` are the manifests by their names, ``of`` the hashes of all of it as it is now.
    """

    notebook: Path
    verified: Verified
    base: Texts = field(repr=False)
    of: dict[str, str]
    versions: dict[str, str]


def ready(workspace: Workspace, notebook: Path) -> Ready | None:
    """Read what the latest run in pods of the sandbox left to promote; None where there was no such run.

    The run need not have been equal: evidence says what was.
    """
    verified = _latest_in_pods(workspace, notebook)
    base = _base(workspace)
    if verified is None or not base:
        return None
    of = hashes(notebook.read_bytes(), verified.pipeline, verified.recording, base)
    return Ready(notebook, verified, base, of, versions(workspace, verified))


def latest_verified(workspace: Workspace, notebook: Path, engine: str) -> Verified | None:
    """Find the latest run of a notebook on an engine that gave what the notebook gives."""
    for run in workspace.run_names():
        told = read_json(workspace.run(run).summary) or {}
        if (told.get("notebook"), told.get("engine"), told.get("verdict")) == (notebook.name, engine, "equal"):
            return _verified(workspace, run, told)
    return None


def what_is_verified(notebook: Path, workspace: Workspace, verified: Verified) -> dict[str, str]:
    """Hash the notebook, its plan and recording and, on a cluster, images and manifests."""
    # Overlays say what may differ: replicas, storage, placement.
    base = _base(workspace) if verified.engine == KIND else None
    return hashes(notebook.read_bytes(), verified.pipeline, verified.recording, base)


def what_was_verified(notebook: Path, workspace: Workspace, verified: Verified, run: str) -> dict[str, str]:
    """Hash the same as it was for a run: its pods are of the manifests that there were when it began."""
    deployed = deployed_for(workspace, run)
    if not deployed:
        return what_is_verified(notebook, workspace, verified)
    return hashes(notebook.read_bytes(), verified.pipeline, verified.recording, None) | deployed


def versions(workspace: Workspace, verified: Verified) -> dict[str, str]:
    """Say with which versions of what it was verified; what is down says nothing."""
    found = {"j2k": __version__, "python": platform.python_version()}
    if verified.engine != KIND:
        return found
    from j2k_dev.sandbox.model import Sandbox  # noqa: PLC0415 - only for a cluster
    from j2k_dev.sandbox.state import read_state  # noqa: PLC0415 - see above

    state = read_state(Sandbox(workspace.root))
    if state is not None:
        found |= {"kubernetes": state.kubernetes, "kafka": to_plain(state.images["kafka"])["digest"]}
    return found


def keep_deployed(context: Context) -> None:
    """Keep what the pods of a run are made of, right after it was written: while it runs, others may write anew."""
    write_json(context.workspace.run(context.run).root / DEPLOYED, of_base(_base(context.workspace)))


def deployed_for(workspace: Workspace, run: str) -> dict[str, str]:
    """Return the hashes of the manifests and images of a run's pods; none where it had no pods."""
    told: dict[str, str] = read_json(workspace.run(run).root / DEPLOYED) or {}
    return told


def keep_verified(context: Context, summary: RunSummary) -> None:
    """Keep what an equal run rested on, and sign that; where it can't be signed, the results are as good, and noted."""
    if not _counts(context, summary):
        return
    assert context.pipeline is not None
    verified = Verified(summary.run, summary.engine, summary.recording, context.pipeline)
    content = _unchanged(context)
    if content is None:
        context.ui.note("not signed as evidence, which promotion needs: the notebook was edited while it ran")
        return
    deployed = deployed_for(context.workspace, summary.run)
    of = hashes(content, verified.pipeline, verified.recording, None) | deployed
    proof = Proof(of, versions(context.workspace, verified), summary.started, summary.seconds)
    write_json(context.workspace.run(summary.run).root / VERIFIED, to_plain(proof))
    _sign(context, summary, proof)


def keep_known(context: Context, summary: RunSummary) -> None:
    """Sign what an earlier run rested on if nothing of it changed and no entry says so yet."""
    if not _counts(context, summary) or _is_signed(context, summary):
        return
    kept = read_json(context.workspace.run(summary.run).root / VERIFIED)
    if kept is None or context.pipeline is None:
        return  # a run of an earlier j2k, which did not write down what it rested on
    verified = Verified(summary.run, summary.engine, summary.recording, context.pipeline)
    proof = from_plain(Proof, kept)
    if proof.of == what_is_verified(context.notebook.path, context.workspace, verified):
        _sign(context, summary, proof)


def _counts(context: Context, summary: RunSummary) -> bool:
    """Tell whether a run shows what evidence is to say: the notebook as it is, here, and not a run under a scenario."""
    here = not context.options.cluster and not context.options.run
    return summary.verdict == "equal" and not summary.parameters and here


def _unchanged(context: Context) -> bytes | None:
    """Read the notebook's file, if the code in it is what ran; None where it was edited since."""
    path = context.notebook.path
    content = path.read_bytes()
    same = read_notebook(path).sha256 == context.notebook.sha256 and path.read_bytes() == content
    return content if same else None


def _is_signed(context: Context, summary: RunSummary) -> bool:
    """Tell whether there is an entry of this run. Whether its signature fits is looked at by who needs it."""
    from j2k_dev.evidence.record import VERIFY, claims  # noqa: PLC0415 - takes its time to import

    return claims(context.workspace.root, (summary.notebook, VERIFY, summary.engine)) == summary.run


def _sign(context: Context, summary: RunSummary, proof: Proof) -> None:
    from j2k_dev.evidence import keys, record  # noqa: PLC0415 - takes its time to import

    title = "The pipeline gives what the notebook gives"
    entry = record.Entry(
        summary.notebook, record.VERIFY, summary.engine, title, record.EQUAL, summary.run, proof.started, proof.seconds,
        of=proof.of, versions=proof.versions, attempts={stage.name: stage.attempts for stage in summary.stages},
    )  # fmt: skip
    try:
        record.add(context.workspace.root, entry, keys.signing_key(note=context.ui.note), context.ui.note)
    except J2kError as error:
        context.ui.note(f"not signed as evidence, which promotion needs: {error.message} ({error.way_out})")


def _latest_in_pods(workspace: Workspace, notebook: Path) -> Verified | None:
    """Find the latest run that what is in the manifests was made for."""
    for run in workspace.run_names():
        told = read_json(workspace.run(run).summary) or {}
        kept = (workspace.run(run).root / VERIFIED).exists()
        if told.get("notebook") == notebook.name and told.get("engine") == KIND and kept:
            return _verified(workspace, run, told)
    return latest_verified(workspace, notebook, KIND)


def _verified(workspace: Workspace, run: str, told: Mapping[str, object]) -> Verified:
    pipeline = from_plain(Pipeline, read_json(workspace.run(run).pipeline))
    return Verified(run, str(told["engine"]), str(told["recording"]), pipeline)


def _base(workspace: Workspace) -> Texts:
    from j2k_dev.deploy.tree import BASE, MANIFESTS  # noqa: PLC0415 - only for a cluster

    return read_base(workspace.root / MANIFESTS / BASE)
