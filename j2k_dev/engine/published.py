"""How far a run has come: what its stages have published on the exchange. The same for every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from j2k_dev.worker.child import outcome_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from j2k_dev.model.run import StageResult
    from j2k_dev.worker.exchange import Exchange


def published(exchange: Exchange, run: str, stages: Sequence[str]) -> list[StageResult]:
    """Read what is published, up to the first stage that is not, or that the run ended with."""
    found: list[StageResult] = []
    for stage in stages:
        result = exchange.read(run, stage)
        if result is None:
            break
        found.append(result)
        if outcome_of(result) != "published":
            break
    return found


def is_the_end(results: Sequence[StageResult], stages: Sequence[str]) -> bool:
    """Say whether a run with these results has ended."""
    return bool(results) and (len(results) == len(stages) or outcome_of(results[-1]) != "published")
