"""The smoke run: the recorded inputs through the promoted pods, and the results compared with the notebook's own."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from j2k_dev.actions.cluster.logs import keep_logs
from j2k_dev.actions.cluster.record import Placed
from j2k_dev.actions.promotion.apply import courier
from j2k_dev.actions.promotion.context import inputs_of, stages_of
from j2k_dev.actions.promotion.records import advanced
from j2k_dev.actions.record import find_recording
from j2k_dev.actions.run import Run
from j2k_dev.actions.ui import PodsEvent
from j2k_dev.actions.up import compared_with_oracle, finished
from j2k_dev.deploy.deployer import selector
from j2k_dev.deploy.engine import ClusterEngine, ClusterRun
from j2k_dev.deploy.logs import last_words
from j2k_dev.deploy.reach import ByCourier
from j2k_dev.deploy.watch import watched
from j2k_dev.model.errors import Different
from j2k_dev.report.units import human_bytes

if TYPE_CHECKING:
    from j2k_dev.actions.context import Context
    from j2k_dev.actions.promotion.context import Promotion
    from j2k_dev.deploy.engine import PodsSeen, Progress
    from j2k_dev.model.run import RunSummary, StageResult


class SmokeRun:
    """Runs the notebook once in the pods that were promoted."""

    def execute(self, promotion: Promotion) -> Promotion:
        """Raise Different where the results are not the notebook's, MachineryFailed where there are none."""
        told, started = advanced(promotion, "testing"), time.time()
        context = Run(partial(_carry, told)).execute(_planned(told))
        summary = finished(context, compared_with_oracle(context), started)
        told = replace(told, release=replace(told.begun, run=summary.run), summary=summary)
        if summary.verdict != "equal":
            where = promotion.workspace.run(summary.run).root
            raise Different(f"the smoke run {summary.run} is {_how(summary)}", f"see {where}")
        return told


def _planned(promotion: Promotion) -> Context:
    """Give the notebook as it was verified: its recording is the oracle, its plan the one that is deployed."""
    start, there = promotion.start, promotion.ready
    assert start is not None
    assert there is not None
    recording = find_recording(start, start.notebook)
    return replace(start, recording=recording, oracle=recording, pipeline=there.verified.pipeline, run="")


def _carry(promotion: Promotion, context: Context, progress: Progress) -> tuple[StageResult, ...]:
    """Send the inputs, have the pods do the stages, and fetch what came of it."""
    release, to, ui = promotion.begun, promotion.to, promotion.ui
    inputs, names = inputs_of(release.objects), stages_of(release.objects)
    stages = list(inputs)
    with contextlib.ExitStack() as using:
        carrier = using.enter_context(courier(promotion, release))
        reach = ByCourier(carrier, context.workspace.exchange)
        with ui.step(f"sending the inputs to {to.context}"):
            reach.bring(context.run, stages)
        run = ClusterRun(
            context.run, inputs, context.workspace.exchange, {}, partial(reach.hear, context.run, stages)
        )  # fmt: skip
        pods = using.enter_context(watched(to.calls, to.namespace, selector(to.pipeline)))
        placed = Placed(to.pipeline, to.namespace, to.context, "", to.calls.cluster.kubectl, names, (context.run,))
        words = partial(last_words, to.calls, to.namespace)

        def show(seen: PodsSeen) -> None:
            ui.pods(PodsEvent(seen.stage, seen.counts, seen.trouble))

        with ui.step(f"smoke run: running {len(stages)} stages"):
            try:
                results = ClusterEngine(reach.bus, pods, words).run(run, progress, show)
            finally:
                keep_logs(context.workspace.run(context.run), _reached(placed, promotion), pods.pods())
        reach.fetch(context.run, stages)
        sent, fetched = map(human_bytes, reach.moved)
    ui.note(f"{sent} of inputs sent to {to.context}, {fetched} of results fetched")
    return results


def _reached(placed: Placed, promotion: Promotion) -> Placed:
    """Say by which kubeconfig the cluster is reached."""
    return replace(placed, kubeconfig=str(promotion.to.calls.cluster.kubeconfig or ""))


def _how(summary: RunSummary) -> str:
    if summary.error is not None:
        return f"not the notebook's: cell {summary.error.cell} raised {summary.error.ename} there"
    cells = ", ".join(str(cell) for cell in sorted({each.cell for each in summary.differences}))
    return f"{summary.verdict}: cell {cells} differs from the notebook's" if cells else summary.verdict
