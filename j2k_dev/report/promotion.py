"""Promotions on a terminal: what a plan would do and what stands against it, and what releases there were.

Elsewhere the same, one line for each thing.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.text import Text

from j2k_dev.report.ansi import plain_text
from j2k_dev.report.lines import hanging, line
from j2k_dev.report.units import human_bytes, human_date, human_seconds, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from j2k_dev.promote.model import Change, FieldChange, PromotionPlan, Release, Right

_MARKS = {
    "create": ("+", "green"),
    "change": ("~", "yellow"),
    "delete": ("-", "red"),
    "same": ("=", "dim"),
    "conflict": ("!", "bold red"),
    "refused": ("✗", "bold red"),
}
_STATES = {
    "live": "bold green",
    "failed": "bold red",
    "superseded": "dim",
    "applying": "bold yellow",
    "testing": "bold yellow",
}
_SHOWN = 200  # characters of a value
_DIGITS = 12
_BESIDE = 17  # the column beside a release's number and state
_DIGEST = re.compile(rf"sha256:([0-9a-f]{{{_DIGITS}}})[0-9a-f]{{{64 - _DIGITS}}}")


def print_plan(console: Console, plan: PromotionPlan, path: Path | None = None, now: float | None = None) -> None:
    """Print what a plan would do, field by field, what it stands on, and what stands against it.

    ``now`` is the time that ages are counted to, seconds since 1970: by default, when the plan was made.
    """
    instead = f", in place of {plan.previous}" if plan.previous is not None else ", the first"
    head = Text.assemble((plain_text(plan.pipeline), "bold"), " to ", (plain_text(plan.context), "bold"))
    hanging(console, head.append(f", namespace {plain_text(plan.namespace)}: release {plan.release}{instead}"), "", 2)
    _print_proofs(console, plan, plan.made if now is None else now)
    _print_changes(console, plan.changes)
    _print_images(console, plan)
    _print_rights(console, plan.rights)
    _print_against(console, plan)
    _print_advice(console, plan)
    line(console, Text.assemble(("plan  ", "dim"), plan.digest[:_DIGITS] if path is None else str(path)))


def print_history(console: Console, releases: Sequence[Release], now: float) -> None:
    """Print the releases, the newest first: what became of each, when, by whom, and on what evidence."""
    if not releases:
        line(console, Text("Nothing was promoted there yet."))
    for release in sorted(releases, key=lambda release: -release.number):
        print_release(console, release, now)


def print_release(console: Console, release: Release, now: float) -> None:
    """Print one release."""
    lead = Text.assemble((f"{release.number:>3}  ", "bold"), (f"{release.state:<10}", _STATES[release.state]), "  ")
    told = f"{human_date(release.at)} ({_age(release.at, now)}), by {release.by}, {release.digest[:_DIGITS]}"
    hanging(console, lead, f"{told}{_after(release)}", _BESIDE)
    if release.reason:
        _detail(console, Text("failed: ", style="red"), release.reason)
    if release.without_evidence:
        _detail(console, Text("without evidence: ", style="bold yellow"), release.without_evidence)
    elif release.proofs:
        told = ", ".join(f"{proof.scenario} {proof.verdict}" for proof in release.proofs)
        _detail(console, Text("proven: ", style="dim"), told)


# --- the parts of a plan ----------------------------------------------------------------------------------------------


def _print_proofs(console: Console, plan: PromotionPlan, now: float) -> None:
    _heading(console, "Evidence")
    if plan.without_evidence:
        _item(console, Text("! promoted without evidence: ", style="bold yellow"), plan.without_evidence)
    width = max((len(proof.scenario) for proof in plan.proofs), default=0)
    for proof in plan.proofs:
        late = proof.verdict == "survived late"
        mark = Text("✓ ", style="yellow" if late else "green")
        told = f"{proof.verdict}, {_age(proof.started, now)}, run {proof.run}, signed by {proof.key}"
        _item(console, mark.append(f"{plain_text(proof.scenario):<{width}}  ", style="bold"), told)


def _print_changes(console: Console, changes: Sequence[Change]) -> None:
    counts: Counter[str] = Counter(change.action for change in changes)
    told = ", ".join(f"{counts[action]} {action}" for action in _MARKS if counts[action])
    _heading(console, "Changes", told or "none")
    for change in changes:
        if change.action != "same":
            _print_change(console, change)
    if counts.total() and counts["same"] == counts.total():
        _item(console, Text(), "nothing changes: the cluster has all of it already")


def _print_change(console: Console, change: Change) -> None:
    mark, style = _MARKS[change.action]
    lead = Text.assemble((f"{mark} {change.action:<8} ", style), plain_text(f"{change.kind} {change.name}"))
    _item(console, lead, f": {change.told}" if change.told else "")
    for each in change.fields:
        _print_field(console, each)


def _print_field(console: Console, each: FieldChange) -> None:
    owner = f"  (set by {plain_text(each.manager)})" if each.manager else ""
    before, after = _value(each.before), _value(each.after)
    lead = Text.assemble("      ", (plain_text(each.path), "cyan"), (owner, "bold red"), ": ")
    if each.before is None or each.after is None:
        word, value, style = ("added", after, "green") if each.before is None else ("removed", before, "red")
        hanging(console, lead, Text.assemble((f"{word} ", "dim"), (value, style)), 8)
    else:
        hanging(console, lead, Text.assemble((before, "red"), (" → ", "dim"), (after, "green")), 8)


def _print_images(console: Console, plan: PromotionPlan) -> None:
    total = sum(image.missing_bytes for image in plan.images)
    _heading(console, "Images", f"{human_bytes(total)} to copy" if total else "nothing to copy")
    for image in plan.images:
        size = f"{human_bytes(image.missing_bytes)} to copy" if image.missing_bytes else "there already"
        _item(console, Text(plain_text(image.name), style="bold"), f": {size}, {image.target}@{_brief(image.digest)}")


def _print_rights(console: Console, rights: Sequence[Right]) -> None:
    lacking = [right for right in rights if not right.allowed]
    told = f"{len(lacking)} of {len(rights)} missing" if lacking else f"all {len(rights)} that are needed are there"
    _heading(console, "Rights", told)
    for right in lacking:
        where = f" in {right.namespace}" if right.namespace else ""
        name = f" {right.name}" if right.name else ""
        group = f".{right.group}" if right.group else ""
        _item(console, Text("✗ ", style="red"), f"{right.verb} {right.resource}{group}{name}{where}")


def _print_against(console: Console, plan: PromotionPlan) -> None:
    if plan.lacks:
        _heading(console, "The cluster lacks", str(len(plan.lacks)))
    for lack in plan.lacks:
        _item(console, Text("✗ ", style="red"), lack.what)
        _way_out(console, lack.way_out)
    if plan.findings:
        _heading(console, "Rules that are broken", str(len(plan.findings)))
    for finding in plan.findings:
        lead = Text.assemble(("✗ ", "red"), (plain_text(finding.rule), "bold"), f" {plain_text(finding.where)}: ")
        _item(console, lead, finding.told)
        _way_out(console, finding.mend)


def _print_advice(console: Console, plan: PromotionPlan) -> None:
    if plan.advice:
        _heading(console, "Storage")
    for advice in plan.advice:
        lead = Text.assemble((plain_text(advice.volume), "bold"), " on ", (plain_text(advice.choice), "bold"), ": ")
        _item(console, lead, advice.why)
        for cost in advice.costs:
            hanging(console, Text("      "), cost, 8)


# --- words ------------------------------------------------------------------------------------------------------------


def _heading(console: Console, name: str, told: str = "") -> None:
    if console.is_terminal:
        console.print()
    text = Text(name, style="bold")
    line(console, text.append(f"  {told}", style="not bold") if told else text)


def _item(console: Console, lead: Text, told: str) -> None:
    hanging(console, Text("  ").append_text(lead), told, 6)


def _detail(console: Console, lead: Text, told: str) -> None:
    hanging(console, Text(" " * _BESIDE).append_text(lead), told, _BESIDE)


def _way_out(console: Console, told: str) -> None:
    hanging(console, Text.assemble("    ", ("way out: ", "dim")), told, 6)


def _value(value: Any) -> str:
    """Write a value in one line; a long one is cut in its middle (the plan's file has all of it)."""
    told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shortened(plain_text(_brief(" ".join(told.split()))) or '""', _SHOWN)


def _brief(text: str) -> str:
    """Cut digests short: their beginnings tell them apart."""
    return _DIGEST.sub(r"sha256:\1…", text)


def _after(release: Release) -> str:
    parts = [f"run {release.run}"] if release.run else []
    parts += [f"in place of {release.previous}"] if release.previous is not None else []
    return "".join(f", {part}" for part in parts)


def _age(then: float, now: float) -> str:
    return f"{human_seconds(max(round(now - then), 1))} ago"
