"""The gate of a promotion: what is there to promote, what has to be proven of it, and what is."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from j2k_dev.actions.verified import ready
from j2k_dev.evidence.hashes import sha256
from j2k_dev.evidence.record import Entry, read
from j2k_dev.model.errors import Refused
from j2k_dev.promote.gate import ENGINE, Now, missing, proofs, refusal
from j2k_dev.promote.requirements import needed, read_policy
from j2k_dev.scenario.catalogue import find

if TYPE_CHECKING:
    from pathlib import Path

    from j2k_dev.actions.verified import Ready
    from j2k_dev.engine.workspace import Workspace
    from j2k_dev.promote.gate import Missing
    from j2k_dev.promote.model import Proof
    from j2k_dev.promote.requirements import Required


@dataclass(frozen=True)
class Passed:
    """What may be promoted: what was read and hashed, and what proves it; ``lacking`` is what is not proven.

    ``entries`` are the signed entries that ``proofs`` are of. Nothing is lacking unless a reason was given.
    """

    ready: Ready
    proofs: tuple[Proof, ...]
    entries: tuple[Entry, ...]
    lacking: tuple[Missing, ...] = ()
    without_evidence: str = ""


def passed(
    workspace: Workspace, notebook: Path, policy: Path | None = None, reason: str = "", place: str = ""
) -> Passed:
    """Let through what is proven, or what there is a ``reason`` for promoting without; raise Refused otherwise.

    ``place`` is what commands in messages have to say besides the notebook: ``--workspace DIR``, or nothing. Files are
    read here once: whatever is changed from here on is not promoted.
    """
    required = read_policy(policy, notebook.absolute().parent)
    found = ready(workspace, notebook)
    if found is None:
        told = f"{notebook.name} never ran in pods of the sandbox, and nothing else is promoted"
        command = f"j2k up {shlex.quote(str(notebook))} --engine {ENGINE} {place}".rstrip()
        raise Refused(told, f"{command}, then j2k promote again, which says what else has to be run")
    now, evidence, at = _now(found, required, place), read(workspace.root), time.time()
    lacking = missing(required, evidence, now, at)
    if lacking and not reason.strip():
        raise refusal(lacking)
    proven = proofs(required, evidence, now, at)
    entries = tuple(each for each in evidence.entries if any(each.run == proof.run for proof in proven))
    return Passed(found, proven, entries, lacking, reason.strip() if lacking else "")


def _now(found: Ready, required: Required, place: str) -> Now:
    beside = found.notebook.absolute().parent
    names = needed(required, found.verified.stages)
    files = {name: sha256(find(name, beside).file.read_bytes()) for name in names}
    return Now(found.notebook.name, found.verified.stages, found.of, found.versions, files, str(found.notebook), place)
