"""What to make of a pair of executions: the verdicts of the fidelity test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from j2k_dev.notebook.compare import compare_notebook, unstable_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.outside.execution import Execution, Reply

Verdict = Literal[
    "equal",
    "equal except unstable",
    "raised alike",
    "refused",
    "SILENTLY DIFFERENT",
    "different",
    "raised unlike",
    "machinery",
]
GOOD: tuple[Verdict, ...] = ("equal", "equal except unstable", "raised alike", "refused")


@dataclass(frozen=True)
class Judgement:
    """The verdict on one run of j2k; ``unstable`` are cells that nbclient itself does not reproduce."""

    verdict: Verdict
    reason: str = ""
    unstable: tuple[int, ...] = ()


def judge(reply: Reply, oracle: Callable[[int], Execution]) -> Judgement:
    """Compare what j2k said and gave with what nbclient gives; ``oracle(n)`` is nbclient's n-th run."""
    if reply.code == 4:
        return _refused(reply)
    if reply.code == 3:
        return Judgement("different", _said(reply))
    claimed = {0: "equal", 1: "failed"}.get(reply.code)
    if claimed is None or reply.document.get("verdict", "failed") != claimed:
        return Judgement("machinery", f"exit code {reply.code}: {_said(reply)}")
    return _judge_results(reply, oracle)


def _refused(reply: Reply) -> Judgement:
    error = reply.document.get("error") or {}
    if not (error.get("message") and error.get("way_out")):
        return Judgement("machinery", f"refused without a reason or a way out: {_said(reply)}")
    return Judgement("refused", f"{error['message']}. Way out: {error['way_out']}")


def _judge_results(reply: Reply, oracle: Callable[[int], Execution]) -> Judgement:
    first = oracle(1)
    if (reply.code == 1) != (first.error is not None):
        return Judgement("raised unlike", f"nbclient: {first.error or 'no error'}; j2k: {_said(reply)}")
    if reply.executed is None:
        return Judgement("machinery", "no executed notebook was written")
    different = _differences(first, reply.executed)
    unstable = unstable_cells(first.outputs, oracle(2).outputs)
    if set(different) - set(unstable):
        # Before anyone is accused: a cell that depends on time may agree twice by chance.
        unstable = tuple(sorted({*unstable, *(cell for n in (3, 4) for cell in _unstable(first, oracle(n)))}))
    silent = sorted(set(different) - set(unstable))
    if silent:
        verdict: Verdict = "SILENTLY DIFFERENT" if reply.code == 0 else "raised unlike"
        return Judgement(verdict, "; ".join(different[cell] for cell in silent), unstable)
    if reply.code == 1:
        return Judgement("raised alike", first.error or "", unstable)
    return Judgement("equal except unstable" if unstable else "equal", "", unstable)


def _unstable(first: Execution, other: Execution) -> Sequence[int]:
    return unstable_cells(first.outputs, other.outputs)


def _differences(expected: Execution, actual: Execution) -> dict[int, str]:
    found = compare_notebook(expected.outputs, actual.outputs)
    texts = {one.cell: f"cell {one.cell}, {one.what}: {one.expected!r} became {one.actual!r}" for one in found}
    for cell, count in expected.counts.items():
        if actual.counts.get(cell) != count:
            texts.setdefault(cell, f"cell {cell}, execution count: {count} became {actual.counts.get(cell)}")
    return texts


def _said(reply: Reply) -> str:
    error = reply.document.get("error") or {}
    said = error.get("message") or error.get("ename") or reply.document.get("failure")
    return str(said or reply.document.get("differences") or reply.stderr[-600:])
