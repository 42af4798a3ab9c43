"""What a promotion is made of: the plan, what it was made from, and the release that comes of it. Nothing here acts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Object = dict[str, Any]
# ``refused``: the server does not take it as it is (a field that can't be changed, a right, a quota).
Action = Literal["create", "change", "delete", "same", "conflict", "refused"]
# What becomes of a release: being applied, being tried, in use, given up, replaced by a later one.
State = Literal["applying", "testing", "live", "failed", "superseded"]


@dataclass(frozen=True)
class Finding:
    """A rule that an object breaks; ``where`` is ``Deployment/stage-1-load``."""

    rule: str
    where: str
    told: str
    mend: str


@dataclass(frozen=True)
class FieldChange:
    """One field that differs: ``spec.replicas``; None where it is on one side only. ``manager`` owns it if not j2k."""

    path: str
    before: Any = None
    after: Any = None
    manager: str = ""


@dataclass(frozen=True)
class Change:
    """What applying does to one object; ``seen`` is the hash of the live object that this was found with, or empty.

    ``told`` is what the server says against it, or why it could not be rehearsed.
    """

    kind: str
    name: str
    namespace: str
    action: Action
    fields: tuple[FieldChange, ...] = ()
    seen: str = ""
    told: str = ""


@dataclass(frozen=True)
class ImageCopy:
    """An image to have in the target's registry, by digest; ``missing_bytes`` are those of layers not there yet."""

    name: str
    source: str
    target: str
    digest: str
    missing_bytes: int


@dataclass(frozen=True)
class Right:
    """Something that the user has to be allowed to do on the cluster, and whether it is."""

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    name: str = ""
    allowed: bool = True


@dataclass(frozen=True)
class Lack:
    """Something that the cluster has to have and has not: a class, a driver, a Secret."""

    what: str
    way_out: str


@dataclass(frozen=True)
class Advice:
    """Where a volume belongs (``EFS``, ``EBS``), why, and what each stage's file operations cost there, in words."""

    volume: str
    choice: str
    why: str
    costs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proof:
    """One verdict that a promotion stands on; ``started`` in seconds since the epoch, ``key`` a fingerprint."""

    scenario: str
    verdict: str
    run: str
    started: float
    key: str


@dataclass(frozen=True)
class PromotionPlan:
    """Everything that applying will do, for people to read and for nothing else to be applied.

    ``cluster`` tells clusters apart, ``release`` is the number to be, ``previous`` the live one's. ``of`` are the
    hashes of what is promoted, as evidence names them; ``objects`` those to apply; ``digest`` stands for them.
    ``without_evidence`` is the reason that was given for promoting what is not proven. ``made`` in seconds since the
    epoch.
    """

    pipeline: str
    notebook: str
    context: str
    namespace: str
    cluster: str
    release: int
    previous: int | None
    digest: str
    of: dict[str, str]
    objects: tuple[Object, ...]
    changes: tuple[Change, ...]
    images: tuple[ImageCopy, ...] = ()
    findings: tuple[Finding, ...] = ()
    rights: tuple[Right, ...] = ()
    lacks: tuple[Lack, ...] = ()
    advice: tuple[Advice, ...] = ()
    proofs: tuple[Proof, ...] = ()
    without_evidence: str = ""
    made: float = 0.0


@dataclass(frozen=True)
class Release:
    """What the cluster keeps of a promotion; ``by`` is who promoted, ``at`` when, in seconds since the epoch.

    ``run`` is the smoke run; ``reason`` says why it failed. ``objects`` are what was applied: rolling back needs them.
    ``evidence`` are the signed entries that ``proofs`` are of; ``workspace`` is where it is promoted from, which goes
    on with it alone; ``touched`` when something was last done for it, in seconds since the epoch. ``entrypoint`` starts
    the interpreter in its images.
    """

    number: int
    pipeline: str
    notebook: str
    state: State
    by: str
    at: float
    digest: str
    of: dict[str, str]
    proofs: tuple[Proof, ...] = ()
    without_evidence: str = ""
    previous: int | None = None
    run: str = ""
    reason: str = ""
    workspace: str = ""
    touched: float = 0.0
    entrypoint: tuple[str, ...] = ()
    evidence: tuple[Object, ...] = field(default=(), repr=False)
    objects: tuple[Object, ...] = field(default=(), repr=False)
