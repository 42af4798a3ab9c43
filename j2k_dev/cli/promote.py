"""The command that brings what was proven to another cluster, goes back, and tells what was brought when."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from j2k_dev.cli.cluster import write_target
from j2k_dev.cli.command import add
from j2k_dev.cli.latest import notebook_of
from j2k_dev.model.codec import to_plain
from j2k_dev.model.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path

    import typer

    from j2k_dev.actions.promotion.context import PromoteOptions
    from j2k_dev.actions.promotion.promote import Promoted
    from j2k_dev.cli.session import Session
    from j2k_dev.promote.model import PromotionPlan, Release

_OPTIONS = "to_context beside target planned yes output rollback history new_target policy_file reason take_over python"


def register(app: typer.Typer) -> None:
    """Add this command."""
    examples = (
        "--new prod",
        "--context prod --plan",
        "--context prod --yes",
        "--context prod --output deploy/prod",
        "--context prod --history",
        "--context prod --rollback",
    )
    add(app, promote, _OPTIONS, examples)


def promote(session: Session, values: dict[str, Any]) -> int:
    """Bring what was proven, and nothing else, to another cluster: plan, apply, try, and go back where it fails."""
    chosen = [name for name in ("rollback", "history", "output", "new_target") if values[name]]
    if len(chosen) > 1:
        raise BadInput(f"{' and '.join(map(_written, chosen))} at once", "one of them at a time")
    if values["new_target"]:
        return write_target(session, values["new_target"], f"j2k promote --context {values['new_target']} --plan")
    if not values["to_context"]:
        raise BadInput(
            "which cluster? The current context is never taken", "--context NAME (--new NAME begins with one)"
        )
    options = _asked(session, values)
    if values["history"]:
        return _history(session, options)
    from j2k_dev.actions.promotion.promote import promote as action  # noqa: PLC0415 - help needs none of it
    from j2k_dev.actions.promotion.rollback import rollback  # noqa: PLC0415 - see above

    done = (rollback if values["rollback"] else action)(options, session.ui, _Console(session))
    return _show(session, done)


def _asked(session: Session, values: dict[str, Any]) -> PromoteOptions:
    from j2k_dev.actions.promotion.context import PromoteOptions  # noqa: PLC0415 - see promote

    return PromoteOptions(
        notebook=notebook_of(session, values),
        context=values["to_context"],
        target=values["target"],
        workspace=session.override,
        python=values["python"],
        policy=values["policy_file"],
        reason=values["reason"] or "",
        planned=values["planned"],
        yes=values["yes"],
        output=values["output"],
        take_over=values["take_over"],
    )


class _Console:
    """Shows plans on this session's console, and asks there; in JSON it keeps quiet, and says no."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def show(self, plan: PromotionPlan, file: Path | None) -> None:
        """Show a plan."""
        from j2k_dev.report.promotion import print_plan  # noqa: PLC0415 - see promote

        if not self._session.as_json:
            print_plan(self._session.stdout, plan, file)

    def agree(self, plan: PromotionPlan) -> bool:
        """Ask, where there is somebody to ask."""
        import typer  # noqa: PLC0415 - see promote

        if self._session.as_json or not sys.stdin.isatty():
            return False
        return typer.confirm(f"Promote {plan.pipeline} to {plan.context}?")


def _history(session: Session, options: PromoteOptions) -> int:
    from j2k_dev.actions.promotion.rollback import history  # noqa: PLC0415 - see promote
    from j2k_dev.report.promotion import print_history  # noqa: PLC0415 - see promote

    releases = history(options, session.ui)
    if session.as_json:
        session.emit({"releases": [_plain(release) for release in releases], "exit_code": 0})
    else:
        print_history(session.stdout, releases, time.time())
    return 0


def _show(session: Session, done: Promoted) -> int:
    results = str(session.workspace().run(done.summary.run).root) if done.summary else ""
    if session.as_json:
        session.emit(
            {
                "release": _plain(done.release) if done.release else None,
                "plan": to_plain(replace(done.plan, objects=())) if done.plan else None,
                "plan_file": str(done.plan_file or ""),
                "output": str(done.output or ""),
                "unchanged": done.unchanged,
                "verdict": done.summary.verdict if done.summary else "",
                "results": results,
                "exit_code": 0,
            }
        )
        return 0
    for line in _lines(done, results):
        session.say(line)
    return 0


def _lines(done: Promoted, results: str) -> list[str]:
    if done.output:
        return [f"{done.output}: kubectl apply --server-side -k, or Argo CD, takes it as it is"]
    if done.plan_file and done.plan:
        return [f"nothing was applied; j2k promote --context {done.plan.context} --yes  applies exactly this"]
    if done.release is None or done.plan is None:
        return []
    told = f"release {done.release.number} of {done.release.pipeline} is live on {done.plan.context}"
    if done.unchanged:
        return [f"{told}; nothing changed, and nothing was applied"]
    tried = f", and its smoke run is equal: {results}" if done.summary else "; its pods are ready (no smoke run)"
    return [told + tried]


def _plain(release: Release) -> dict[str, Any]:
    """Tell programs of a release, without what was applied."""
    plain: dict[str, Any] = to_plain(replace(release, objects=(), evidence=()))
    return {name: value for name, value in plain.items() if name not in ("objects", "evidence")}


def _written(name: str) -> str:
    return f"--{name.removesuffix('_target')}"
