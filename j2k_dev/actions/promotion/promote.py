"""Promote: what was proven, and nothing else, to another cluster. The lists of actions are what ``j2k promote`` does.

Killed at any moment and called again, it goes on: what a release is, and how far it is, is written down on the cluster.
"""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from j2k_dev.actions.context import UpOptions
from j2k_dev.actions.context import opened as opened_notebook
from j2k_dev.actions.promotion.apply import Apply, Prune, Topics, failed, go_back, remove_couriers
from j2k_dev.actions.promotion.context import PromoteOptions, Promotion, opened
from j2k_dev.actions.promotion.images import CopyImages
from j2k_dev.actions.promotion.output import write_output
from j2k_dev.actions.promotion.plan import Gate, Look, Policy, Tree, agreed_plan, blocked, is_live, plan_file
from j2k_dev.actions.promotion.records import Claim, GoLive
from j2k_dev.actions.promotion.smoke import SmokeRun
from j2k_dev.model.errors import Different, J2kError, MachineryFailed, Refused
from j2k_dev.promote.plan import write_plan
from j2k_dev.promote.release import live

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from j2k_dev.actions.ui import Ui
    from j2k_dev.model.run import RunSummary
    from j2k_dev.promote.model import PromotionPlan, Release

_AGAIN = "run the same command again: it goes on where it was"
# What kubectl says of a cluster that is away, and not of what was asked.
_AWAY = re.compile(
    r"connection refused|was refused - |Unable to connect|EOF|timed out|timeout|ServiceUnavailable|InternalError"
    r"|etcdserver|no route to host|reset by peer|TooManyRequests|unable to handle the request|did not end within"
)


class Action(Protocol):
    """A step of a promotion."""

    def execute(self, promotion: Promotion) -> Promotion:
        """Do it, and return what is known then."""


# What is proven, and what comes of it: nothing is asked of the cluster.
PROVING: tuple[Action, ...] = (Gate(), Tree(), Policy())
PLANNING: tuple[Action, ...] = (*PROVING, Look())
# Before the workers: their topics, so that they find what they read.
APPLYING: tuple[Action, ...] = (Apply(last=False), Topics(), Apply(last=True), SmokeRun())
FINISHING: tuple[Action, ...] = (GoLive(), Prune())


@dataclass(frozen=True)
class Promoted:
    """What came of it; ``unchanged``: nothing was to be done. ``plan_file`` where only a plan was made."""

    plan: PromotionPlan | None = None
    release: Release | None = None
    summary: RunSummary | None = None
    unchanged: bool = False
    plan_file: Path | None = None
    output: Path | None = None


class Talk(Protocol):
    """How the one who promotes is told of a plan, and asked."""

    def show(self, plan: PromotionPlan, file: Path | None) -> None:
        """Show a plan, and the file it is in."""

    def agree(self, plan: PromotionPlan) -> bool:
        """Ask whether it is to be done."""


def promote(options: PromoteOptions, ui: Ui, talk: Talk) -> Promoted:
    """Bring what was proven to the cluster that the options name."""
    with begun(options, ui) as promotion:
        if options.output is not None:
            return _written(promotion, options.output)
        planned = _done(PLANNING, promotion)
        if is_live(planned):
            plan_file(planned).unlink(missing_ok=True)
            return Promoted(planned.decided, live(planned.releases), unchanged=True)
        return _plan_only(planned, talk) if options.planned else _decided(planned, talk)


@contextmanager
def begun(options: PromoteOptions, ui: Ui) -> Iterator[Promotion]:
    """Begin with the notebook as it is now, alone in its workspace."""
    promotion = opened(options, ui)
    asked = UpOptions(
        options.notebook, "kind", workspace=options.workspace, python=options.python, cluster=options.context,
        target=options.target, rerun=True,
    )  # fmt: skip
    with opened_notebook(asked, ui) as start:
        yield replace(promotion, start=start)


def _done(actions: tuple[Action, ...], promotion: Promotion) -> Promotion:
    for action in actions:
        promotion = action.execute(promotion)
    return promotion


def _written(promotion: Promotion, folder: Path) -> Promoted:
    """Write the tree for GitOps; the images go where it says that they are."""
    made = _done(PROVING, promotion)
    return Promoted(output=write_output(made, folder))


def _plan_only(promotion: Promotion, talk: Talk) -> Promoted:
    """Write the plan down and show it; raise Refused where something stands against it."""
    file = plan_file(promotion)
    problem = blocked(promotion.decided)
    if problem is None:
        write_plan(file, promotion.decided)
    else:
        file.unlink(missing_ok=True)
    talk.show(promotion.decided, file if problem is None else None)
    if problem is not None:
        raise problem
    return Promoted(promotion.decided, plan_file=file)


def _decided(promotion: Promotion, talk: Talk) -> Promoted:
    """Do what the plan says, if that is agreed to."""
    problem = blocked(promotion.decided)
    if not promotion.options.yes or problem is not None:
        talk.show(promotion.decided, None)
    if problem is not None:
        raise problem
    promotion = agreed_plan(promotion)
    if not promotion.options.yes and not talk.agree(promotion.decided):
        raise Refused("nothing was applied", "--yes applies it without asking; --plan keeps the plan to read")
    return applied(promotion)


def applied(promotion: Promotion, actions: tuple[Action, ...] = APPLYING) -> Promoted:
    """Copy, apply, try, and go live; where it does not work, what was before is in use again."""
    promotion = Claim().execute(CopyImages().execute(promotion))
    remove_couriers(promotion)
    try:
        for action in actions:
            promotion = action.execute(promotion)
    except J2kError as error:
        raise _undone(promotion, error) from error
    promotion = _finished(promotion)
    plan_file(promotion).unlink(missing_ok=True)
    return Promoted(promotion.plan, promotion.release, promotion.summary)


def _finished(promotion: Promotion) -> Promotion:
    try:
        promotion = _done(FINISHING, promotion)
    except MachineryFailed as error:
        raise MachineryFailed(error.message, _AGAIN, error.detail) from error
    with suppress(MachineryFailed):  # it ends by itself
        remove_couriers(promotion)
    return promotion


def _undone(promotion: Promotion, error: J2kError) -> J2kError:
    """Go back to what was in use before, and word what happened; where the cluster is away, all is left as it is."""
    number = promotion.begun.number
    if _is_away(error):
        return MachineryFailed(f"release {number} is not finished: {error.message}", _AGAIN, error.detail)
    try:
        told = go_back(promotion)
        failed(promotion, error.message)
        remove_couriers(promotion)
    except J2kError as second:
        both = f"release {number} failed: {error.message}; and what was before could not be restored: {second.message}"
        return MachineryFailed(both, f"{_AGAIN}; or j2k promote --rollback", f"{error.detail}\n{second.detail}".strip())
    plan_file(promotion).unlink(missing_ok=True)
    kind = next((kind for kind in (Different, Refused) if isinstance(error, kind)), MachineryFailed)
    return kind(f"release {number} failed, {told}: {error.message}", error.way_out, error.detail)


def _is_away(error: J2kError) -> bool:
    """Tell whether the cluster did not answer: what was asked may be done by now, or not."""
    said = f"{error.message} {error.detail}"
    return isinstance(error, MachineryFailed) and "kubectl" in said and _AWAY.search(said) is not None
