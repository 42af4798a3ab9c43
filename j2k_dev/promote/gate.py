"""The gate: what is not proven of what is there to promote, and the command that proves it. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from j2k_dev.evidence.record import EQUAL, VERIFY, stale
from j2k_dev.model.errors import Refused
from j2k_dev.promote.model import Proof
from j2k_dev.promote.requirements import needed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from j2k_dev.evidence.record import Doubt, Entry, Evidence
    from j2k_dev.promote.requirements import Required

# Where everything has to be proven: in pods.
ENGINE: Final = "kind"
SCENARIO_FILE = "scenario file"

Why = Literal[
    "missing", "stale", "edited", "unsigned", "unknown key", "damaged", "expired", "broken", "late", "replaced"
]

_EDITED = "is stale: the manifests changed"
_DAY = 24 * 3600.0
# Clocks of machines that share evidence differ by as much.
_AHEAD_SECONDS = 300.0


@dataclass(frozen=True)
class Now:
    """What is there to promote: its hashes as they are now, by the names that evidence has for them.

    ``notebook`` is the name of its file, ``path`` what commands call it, ``place`` what they have to say besides
    (``--workspace DIR``, or nothing). ``stages`` are the pipeline's. ``scenario_files`` has the hash of each required
    scenario's file, ``replaced`` the file of each that ships where another one of its name counts instead.
    """

    notebook: str
    stages: tuple[str, ...]
    of: Mapping[str, str]
    versions: Mapping[str, str]
    scenario_files: Mapping[str, str] = field(default_factory=dict)
    replaced: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    place: str = ""


@dataclass(frozen=True)
class Missing:
    """Something that is not proven: the scenario (or ``verify``), in one word and in a sentence why, what proves it.

    ``put_back`` is what undoes the only change since, which may be an edit by hand; else empty.
    """

    scenario: str
    why: Why
    told: str
    command: str
    put_back: str = ""


def missing(required: Required, evidence: Evidence, now: Now, at: float) -> tuple[Missing, ...]:
    """Say what is not proven; ``at`` is the time, in seconds since the epoch. Nothing is said where all is."""
    found = (_wrong(name, required, evidence, now, at) for name in (VERIFY, *needed(required, now.stages)))
    return tuple(each for each in found if each is not None)


def proofs(required: Required, evidence: Evidence, now: Now, at: float) -> tuple[Proof, ...]:
    """Return the verdicts that a promotion stands on: those of the required ones that hold."""
    names = (VERIFY, *needed(required, now.stages))
    lacking = {each.scenario for each in missing(required, evidence, now, at)}
    entries = (evidence.find(now.notebook, name, ENGINE) for name in names if name not in lacking)
    return tuple(Proof(each.scenario, each.verdict, each.run, each.started, each.key) for each in entries if each)


def commands(lacking: Iterable[Missing]) -> tuple[str, ...]:
    """List what to run, in an order that works: the run first, then the scenarios on what it verified, in one go."""
    lacking = tuple(lacking)
    names = " ".join(shlex.quote(each.scenario) for each in lacking if each.scenario != VERIFY)
    runs = dict.fromkeys(each.command for each in lacking if each.scenario == VERIFY)
    every = dict.fromkeys(each.command.replace(shlex.quote(each.scenario), names, 1) for each in lacking[len(runs) :])
    return (*runs, *every)


def refusal(lacking: Iterable[Missing]) -> Refused:
    """Word why nothing is promoted, with the commands that change that."""
    lacking = tuple(lacking)
    told = "; ".join(f"{each.scenario} {each.told}" for each in lacking)
    way_out = f"{' && '.join(commands(lacking))}  (or --without-evidence REASON, which is kept with the release)"
    if all(each.put_back for each in lacking):
        way_out = f"{lacking[0].put_back}  writes the manifests as they were verified; if they are, {way_out}"
    return Refused(f"not promoted, because it is not proven: {told}", way_out)


# --- one of them ------------------------------------------------------------------------------------------------------


def _wrong(name: str, required: Required, evidence: Evidence, now: Now, at: float) -> Missing | None:
    if name in now.replaced:
        told = f"is not the one that ships: {now.replaced[name]} counts instead, and may prove less (call it otherwise)"
        return Missing(name, "replaced", told, _command(name, now))
    entry = evidence.find(now.notebook, name, ENGINE)
    found = _absent(name, evidence, now) if entry is None else _judged(entry, required, now, at)
    if found is None:
        return None
    put_back = f"j2k render {_where(now)}" if found == ("stale", _EDITED) else ""
    return Missing(name, *found, _command(name, now), put_back)


def _absent(name: str, evidence: Evidence, now: Now) -> tuple[Why, str]:
    """Say why there is no entry: what was put there in its place, or a file that can't be read."""
    doubts = [each for each in evidence.doubts if _is_about(each, now.notebook, name)]
    if not doubts:
        return "missing", "was never run in pods of the sandbox"
    return _kind(doubts[0]), f"does not count: {doubts[0].why}"


def _is_about(doubt: Doubt, notebook: str, name: str) -> bool:
    of_all = not doubt.scenario and not doubt.notebook
    return of_all or (doubt.notebook, doubt.scenario, doubt.engine) == (notebook, name, ENGINE)


def _kind(doubt: Doubt) -> Why:
    return "damaged" if doubt.kind == "earlier" else doubt.kind


def _judged(entry: Entry, required: Required, now: Now, at: float) -> tuple[Why, str] | None:
    """Judge an entry whose signature fits; None where it holds."""
    if entry.verdict not in (EQUAL, "survived", "survived late"):
        return "broken", f"was {entry.verdict} in the run {entry.run}"
    if entry.verdict == "survived late" and not required.survived_late:
        return "late", f"was survived late in the run {entry.run}, which the policy does not let pass"
    if changed := _changed(entry, now):
        return "stale", f"is stale: {', '.join(changed)}"
    days = (at - entry.started) / _DAY
    if days > required.max_age_days:
        return "expired", f"is {days:.0f} days old, and {required.max_age_days} are allowed"
    if entry.started > at + _AHEAD_SECONDS:
        return "expired", "is dated in the future: a clock is wrong"
    return None


def _changed(entry: Entry, now: Now) -> tuple[str, ...]:
    """Say what is not as it was; versions that nobody knows now, because the sandbox is down, have not changed."""
    own = {} if entry.scenario == VERIFY else {SCENARIO_FILE: now.scenario_files.get(entry.scenario, "")}
    versions = {**entry.versions, **now.versions}
    return stale(entry, {**now.of, **own}, versions)


def _command(name: str, now: Now) -> str:
    """Write the command that proves it; a run by that name is made anew, also where nothing seems to have changed."""
    if name == VERIFY:
        return f"j2k run {_where(now)} --engine {ENGINE} --fresh"
    return f"j2k scenario {shlex.quote(name)} --notebook {_where(now)} --engine {ENGINE}"


def _where(now: Now) -> str:
    """Name the notebook, and the workspace where it is not beside it."""
    return f"{shlex.quote(now.path or now.notebook)} {now.place}".rstrip()
