"""From what was proven to a plan: the gate, the tree, the rules, and what the cluster says to all of it."""

from __future__ import annotations

import shlex
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from j2k_dev.actions.promotion.images import entrypoint_of, missing_bytes, source_of
from j2k_dev.actions.promotion.records import read_releases
from j2k_dev.actions.record import find_recording
from j2k_dev.actions.verified import ready
from j2k_dev.deploy.target_tree import overlay_of
from j2k_dev.deploy.tree import BASE
from j2k_dev.evidence.hashes import images, sha256
from j2k_dev.evidence.record import read
from j2k_dev.model.codec import to_plain
from j2k_dev.model.errors import Refused
from j2k_dev.promote.advice import advice
from j2k_dev.promote.differences import unexpected
from j2k_dev.promote.gate import ENGINE, Now, missing, proofs, refusal
from j2k_dev.promote.images import copies, pulled_as
from j2k_dev.promote.lacks import lacks_of
from j2k_dev.promote.look import changes_of, cluster_id, moved
from j2k_dev.promote.model import PromotionPlan
from j2k_dev.promote.plan import digest_of, plan_path, read_plan
from j2k_dev.promote.policy import check
from j2k_dev.promote.release import goes_on, live, next_number, unfinished
from j2k_dev.promote.requirements import needed, read_policy
from j2k_dev.promote.rights import rights_of
from j2k_dev.promote.tree import built_tree, promoted_tree, read_objects
from j2k_dev.promote.waves import identity, left_over
from j2k_dev.scenario.catalogue import find, shipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from j2k_dev.actions.promotion.context import Promotion
    from j2k_dev.actions.verified import Ready
    from j2k_dev.promote.model import Advice, Change, Object, Release, Right
    from j2k_dev.promote.requirements import Required

_SHOWN = 5


class Gate:
    """Lets through what is proven, with exactly the hashes that it has now; the rest only with a reason."""

    def execute(self, promotion: Promotion) -> Promotion:
        """Hold what is there against the evidence; raise Refused with what to run."""
        options = promotion.options
        there = ready(promotion.workspace, options.notebook)
        if there is None:
            told = f"{options.notebook.name} was never run in pods of the sandbox: there is nothing to promote"
            raise Refused(told, f"j2k up {shlex.quote(str(options.notebook))} --engine {ENGINE}")
        _refuse_other_inputs(promotion, there)
        folder = options.notebook.absolute().parent
        required, evidence = read_policy(options.policy, folder), read(promotion.workspace.root)
        now = _now(promotion, there, _scenario_files(required, there, folder))
        lacking = missing(required, evidence, now, time.time())
        if lacking and not options.reason:
            raise refusal(lacking)
        found = proofs(required, evidence, now, time.time())
        entries = [evidence.find(now.notebook, proof.scenario, ENGINE) for proof in found]
        reason = options.reason if lacking else ""
        if options.reason and not lacking:
            promotion.ui.note("everything is proven: the reason for promoting without evidence is of no use")
        elif lacking:
            promotion.ui.note(f"promoting without evidence for {', '.join(one.scenario for one in lacking)}: {reason}")
        kept = tuple(to_plain(entry) for entry in entries if entry is not None)
        return replace(promotion, options=replace(options, reason=reason), ready=there, proofs=found, evidence=kept)


class Tree:
    """Makes the tree that is promoted, and the objects that come of it."""

    def execute(self, promotion: Promotion) -> Promotion:
        """Put the target's overlays on the base as it was verified."""
        assert promotion.ready is not None
        to, kubectl = promotion.to, promotion.to.calls.cluster.kubectl
        pulled = pulled_as(images(promotion.ready.base), to.target.registry.pulled(to.pipeline))
        tree = promoted_tree(promotion.ready.base, to.target, pulled)
        return replace(promotion, tree=tree, objects=built_tree(kubectl, tree, overlay_of(to.target)))


class Policy:
    """Holds the objects against the rules, and against what was verified."""

    def execute(self, promotion: Promotion) -> Promotion:
        """Raise Refused with everything that breaks a rule."""
        base = tuple(read_objects(_texts_below(BASE, promotion.tree)))
        found = (*check(promotion.objects, promotion.to.target), *unexpected(base, promotion.objects))
        if found:
            told = "; ".join(f"{each.where} ({each.rule}): {each.told}" for each in found)
            raise Refused(f"not promoted: {told}", "; ".join(dict.fromkeys(each.mend for each in found)))
        return promotion


class Look:
    """Asks the cluster and the registry what promoting would do; nothing is changed."""

    def execute(self, promotion: Promotion) -> Promotion:
        """Make the plan."""
        to, calls, there = promotion.to, promotion.to.calls, promotion.ready
        assert there is not None
        with promotion.ui.step(f"looking at {to.context}"):
            found, releases = read_releases(calls, to.namespace, to.pipeline)
            earlier = _owned(releases, promotion.objects)
            changes = changes_of(calls, promotion.objects, earlier)
            rights = rights_of(calls, promotion.objects, to.namespace, changes)
            lacks = lacks_of(calls, promotion.objects, to.target)
        stages = images(there.base)
        with promotion.ui.step(f"looking at {to.registry.address}"):
            absent = missing_bytes(promotion, stages)
        previous, own = live(releases), _own(promotion, releases)
        plan = PromotionPlan(
            pipeline=to.pipeline, notebook=there.notebook.name, context=to.context, namespace=to.namespace,
            cluster=cluster_id(calls), release=own.number if own else next_number(found),
            previous=previous.number if previous else None, digest=digest_of(promotion.objects), of=there.of,
            objects=promotion.objects, changes=changes,
            images=copies(stages, to.target.registry.pushed(to.pipeline), absent),
            rights=rights, lacks=lacks, advice=_advice(promotion, there), proofs=promotion.proofs,
            without_evidence=promotion.options.reason, made=time.time(),
        )  # fmt: skip
        entrypoint = entrypoint_of(source_of(promotion, next(iter(stages.values()))))
        return replace(promotion, releases=releases, plan=plan, entrypoint=entrypoint)


def _advice(promotion: Promotion, there: Ready) -> tuple[Advice, ...]:
    """Say where volumes belong, as the recording that is promoted saw them used."""
    start = promotion.start
    recording = find_recording(start, start.notebook) if start else None
    if recording is None or recording.key != there.verified.recording:
        return ()
    return advice(there.verified.pipeline, recording, promotion.to.target)


def agreed_plan(promotion: Promotion) -> Promotion:
    """Take the plan that people have seen, if there is one; raise Refused where something moved since."""
    path = plan_path(promotion.workspace.root, promotion.to.context)
    if not path.exists():
        return promotion
    seen, found = read_plan(path), promotion.decided
    if seen.pipeline != found.pipeline:  # another notebook's, of this folder
        return promotion
    again = "j2k promote --plan shows what would be done now"
    if (seen.digest, seen.cluster, seen.namespace) != (found.digest, found.cluster, found.namespace):
        raise Refused(f"what is promoted is not what the plan {path} says any more", again)
    if _own(promotion, promotion.releases) is None and (told := moved(promotion.to.calls, seen)):
        raise Refused(f"the cluster moved since the plan was made: {'; '.join(told)}", again)
    return promotion


def blocked(plan: PromotionPlan) -> Refused | None:
    """Say everything that stands against a plan on its cluster; None where nothing does."""
    barred = [_named(right) for right in plan.rights if not right.allowed]
    conflicts = _conflicts(plan.changes)
    found = [
        *conflicts,
        *(f"{each.kind} {each.name}: {each.told}" for each in plan.changes if each.action == "refused"),
        *([f"this user may not {', '.join(barred)}"] if barred else []),
        *(each.what for each in plan.lacks),
    ]
    ways = [
        *(["take the change into the target file or the notebook, or give the field back"] if conflicts else []),
        *(["an administrator grants what docs/admin.md says"] if barred else []),
        *(each.way_out for each in plan.lacks),
    ]
    if not found:
        return None
    return Refused(f"not promoted to {plan.context}: {'; '.join(found)}", "; ".join(dict.fromkeys(ways)))


def is_live(promotion: Promotion) -> bool:
    """Tell whether exactly this is in use already, and nothing on the cluster is otherwise."""
    plan, current = promotion.decided, live(promotion.releases)
    same = all(change.action == "same" for change in plan.changes)
    whole = not any(image.missing_bytes for image in plan.images)
    settled = unfinished(promotion.releases) is None
    return current is not None and current.digest == plan.digest and same and whole and settled


# --- the details ------------------------------------------------------------------------------------------------------


def _refuse_other_inputs(promotion: Promotion, there: Ready) -> None:
    """Refuse where the smoke run would have other inputs than the recording, which it is compared with."""
    assert promotion.start is not None
    recording = find_recording(promotion.start, promotion.start.notebook)
    if recording is None or recording.key != there.verified.recording:
        told = "the notebook, its inputs, its interpreter or j2k itself changed since the run that is promoted"
        again = f"j2k run {shlex.quote(str(promotion.options.notebook))} --engine {ENGINE} --fresh"
        raise Refused(told, f"{again}, then the scenarios")


def _now(promotion: Promotion, there: Ready, scenario_files: Mapping[str, Path]) -> Now:
    options = promotion.options
    place = f"--workspace {shlex.quote(str(options.workspace))}" if options.workspace else ""
    return Now(
        there.notebook.name, there.verified.stages, there.of, there.versions,
        {name: sha256(file.read_bytes()) for name, file in scenario_files.items()}, replaced(scenario_files),
        str(options.notebook), place,
    )  # fmt: skip


def _scenario_files(required: Required, there: Ready, folder: Path) -> dict[str, Path]:
    return {name: find(name, folder).file for name in needed(required, there.verified.stages)}


def replaced(scenario_files: Mapping[str, Path]) -> dict[str, str]:
    """Return those scenarios that ship where the notebook's folder has others of their names."""
    ours = {name: shipped() / file.name for name, file in scenario_files.items()}
    return {
        name: f"{file.parent.name}/{file.name}"
        for name, file in scenario_files.items()
        if ours[name].is_file() and ours[name].read_bytes() != file.read_bytes()
    }


def _texts_below(folder: str, tree: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix(f"{folder}/"): text for name, text in tree.items() if name.startswith(f"{folder}/")}


def _owned(releases: Iterable[Release], objects: Iterable[Object]) -> tuple[Object, ...]:
    """List what any earlier release applied and this one lacks, each once."""
    found = {identity(each): each for release in releases for each in left_over(release.objects, objects)}
    return tuple(found.values())


def _own(promotion: Promotion, releases: tuple[Release, ...]) -> Release | None:
    """Return the release that this command began and that was cut off, if it was of exactly this."""
    begun = unfinished(releases)
    if begun is None or begun.digest != digest_of(promotion.objects):
        return None
    return begun if goes_on(begun, promotion.by, str(promotion.workspace.root)) else None


def _named(right: Right) -> str:
    name = f" {right.name}" if right.name else ""
    return f"{right.verb} {right.resource}{name}{f' in {right.namespace}' if right.namespace else ''}"


def _conflicts(changes: Iterable[Change]) -> list[str]:
    return [f"{each.kind} {each.name}: {', '.join(_theirs(each))}" for each in changes if each.action == "conflict"]


def _theirs(change: Change) -> list[str]:
    """Name the fields of somebody else, with both values."""
    theirs = [field for field in change.fields if field.manager]
    told = [f"{field.path} is {field.before!r} by {field.manager}, and would be {field.after!r}" for field in theirs]
    return [*told[:_SHOWN], *([f"and {len(told) - _SHOWN} more"] if len(told) > _SHOWN else [])]


def plan_file(promotion: Promotion) -> Path:
    """Name the file of the plan."""
    return plan_path(promotion.workspace.root, promotion.to.context)
