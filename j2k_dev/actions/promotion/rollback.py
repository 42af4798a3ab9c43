"""Going back to the release before, by hand; and the history of releases."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from j2k_dev.actions.promotion.context import destination, opened
from j2k_dev.actions.promotion.plan import blocked
from j2k_dev.actions.promotion.promote import APPLYING, Promoted, applied, begun
from j2k_dev.actions.promotion.records import read_releases
from j2k_dev.actions.promotion.smoke import SmokeRun
from j2k_dev.actions.record import find_recording
from j2k_dev.actions.verified import ready
from j2k_dev.engine.locks import lock
from j2k_dev.model.errors import BadInput, Refused
from j2k_dev.promote.lacks import lacks_of
from j2k_dev.promote.look import changes_of, cluster_id
from j2k_dev.promote.model import PromotionPlan
from j2k_dev.promote.release import before, goes_on, live, next_number, unfinished
from j2k_dev.promote.rights import rights_of
from j2k_dev.promote.waves import left_over

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from j2k_dev.actions.promotion.context import PromoteOptions, Promotion
    from j2k_dev.actions.promotion.promote import Talk
    from j2k_dev.actions.ui import Ui
    from j2k_dev.actions.verified import Ready
    from j2k_dev.promote.model import Release

# What two releases have in common if the notebook here, with its recorded inputs, can try either.
_TRIED_BY = ("notebook", "pipeline", "recording")


def history(options: PromoteOptions, ui: Ui) -> tuple[Release, ...]:
    """Return the releases of a notebook's pipeline on a cluster, the earliest first."""
    to = destination(options, ui)
    return read_releases(to.calls, to.namespace, to.pipeline)[1]


def rollback(options: PromoteOptions, ui: Ui, talk: Talk) -> Promoted:
    """Have the release before the present one in use again, as a new release."""
    with _opened(options, ui) as promotion:
        planned = _planned(promotion)
        problem = blocked(planned.decided)
        if options.planned or not options.yes or problem is not None:
            talk.show(planned.decided, None)
        if problem is not None:
            raise problem
        if options.planned:
            return Promoted(planned.plan)
        if not options.yes and not talk.agree(planned.decided):
            raise Refused("nothing was applied", "--yes applies it without asking")
        tried = planned.ready is not None
        if not tried:
            ui.note("the notebook here is not the one of that release: no smoke run, its pods have to be ready")
        return applied(planned, tuple(each for each in APPLYING if tried or not isinstance(each, SmokeRun)))


@contextlib.contextmanager
def _opened(options: PromoteOptions, ui: Ui) -> Iterator[Promotion]:
    """Begin with the notebook, or without it where it can't be read: going back needs none."""
    with contextlib.ExitStack() as stack:
        try:
            promotion = stack.enter_context(begun(options, ui))
        except BadInput as error:
            promotion = opened(options, ui)
            ui.note(f"without the notebook: {error.message}")
            stack.enter_context(lock(promotion.workspace, note=ui.note))
        yield promotion


def release_to_go_back_to(releases: Sequence[Release]) -> Release:
    """Choose what to go back to: the release before the present one, or the present one where a later was cut off."""
    present, cut_off = live(releases), unfinished(releases)
    earlier = before(releases, present) if present else None
    goes_back = cut_off is not None and earlier is not None and cut_off.digest == earlier.digest
    wanted = earlier if cut_off is None or goes_back else present
    if wanted is None:
        raise Refused("there is no earlier release to go back to", "j2k promote --history shows them")
    return wanted


def _number(promotion: Promotion, releases: Sequence[Release], following: int) -> int:
    """Return the number of a rollback that was cut off here, else the next one."""
    cut_off, wanted = unfinished(releases), release_to_go_back_to(releases)
    if cut_off is None or not goes_on(cut_off, promotion.by, str(promotion.workspace.root)):
        return following
    return cut_off.number if cut_off.digest == wanted.digest else following


def _planned(promotion: Promotion) -> Promotion:
    """Plan to apply what an earlier release applied; its images are in the registry still."""
    to, calls = promotion.to, promotion.to.calls
    with promotion.ui.step(f"looking at {to.context}"):
        found, releases = read_releases(calls, to.namespace, to.pipeline)
        wanted, present = release_to_go_back_to(releases), live(releases)
        earlier = [each for release in releases for each in left_over(release.objects, wanted.objects)]
        changes = changes_of(calls, wanted.objects, earlier)
        plan = PromotionPlan(
            pipeline=to.pipeline, notebook=wanted.notebook, context=to.context, namespace=to.namespace,
            cluster=cluster_id(calls), release=_number(promotion, releases, next_number(found)),
            previous=present.number if present else None, digest=wanted.digest, of=wanted.of, objects=wanted.objects,
            changes=changes, rights=rights_of(calls, wanted.objects, to.namespace, changes),
            lacks=lacks_of(calls, wanted.objects, to.target), proofs=wanted.proofs,
            without_evidence=wanted.without_evidence, made=time.time(),
        )  # fmt: skip
    return replace(
        promotion, releases=releases, plan=plan, objects=wanted.objects, entrypoint=wanted.entrypoint,
        evidence=wanted.evidence, ready=_tried_with(promotion, wanted),
    )  # fmt: skip


def _tried_with(promotion: Promotion, wanted: Release) -> Ready | None:
    """Return what the release can be tried with: its notebook with the recorded inputs, where these are here."""
    if promotion.start is None:
        return None
    there = ready(promotion.workspace, promotion.options.notebook)
    recording = find_recording(promotion.start, promotion.start.notebook)
    same = there is not None and all(there.of.get(name) == wanted.of.get(name) for name in _TRIED_BY)
    return there if same and recording is not None and recording.key == wanted.of.get("recording") else None
