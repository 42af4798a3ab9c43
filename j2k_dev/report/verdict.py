"""What a run's verdict means, in the words that the page and the terminal share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from j2k_dev.model.recording import PROCESS_ENDED
from j2k_dev.report.units import cell_name, cell_ranges, plural

if TYPE_CHECKING:
    from j2k_dev.model.recording import CellError
    from j2k_dev.model.run import RunSummary

_UNVERIFIED = (
    "The pipeline ran, but nothing was compared: its parameters or inputs are not those of any recording. "
    "Run again with --verify to record them and compare."
)


def meaning(summary: RunSummary) -> str:
    """Say in one or two sentences what the verdict of this run means."""
    if summary.verdict == "equal":
        return f"Every output of the pipeline is what the notebook itself gives.{_except_unstable(summary)}"
    if summary.verdict == "different":
        return f"{_differences(summary)} Do not rely on this run before you know why."
    if summary.verdict == "unverified":
        return _UNVERIFIED
    return failure(summary)


def failure(summary: RunSummary) -> str:
    """Say why a run failed: the notebook's own exception, or what went wrong around it."""
    if summary.error is not None:
        return f"{raised(summary.error)} The cells before it ran; their outputs are kept."
    return summary.failure or "The run did not finish."


def raised(error: CellError) -> str:
    """Say which cell raised what, in one line: ``Cell 5 raised ValueError: too few rows.``."""
    message = " ".join(error.evalue.split())
    end = "" if message.endswith((".", "!", "?")) else "."
    what = "did not end" if error.ename == PROCESS_ENDED else f"raised {error.ename}"
    return f"{cell_name(error.cell).capitalize()} {what}{': ' if message else ''}{message}{end}"


def lost_attempts(summary: RunSummary) -> int:
    """Count the attempts that ended with a lost worker."""
    return sum(attempt.outcome == "lost" for stage in summary.stages for attempt in stage.history)


def recovery(summary: RunSummary) -> str:
    """Say that workers were lost and what came of it, or nothing."""
    lost = lost_attempts(summary)
    if not lost:
        return ""
    stages = ", ".join(stage.name for stage in summary.stages if any(a.outcome == "lost" for a in stage.history))
    were = f"{plural(lost, 'worker')} {'was' if lost == 1 else 'were'} lost in {stages}"
    if summary.verdict == "failed":
        return f"{were}."
    return f"{were} and replaced; the run went on from the last finished stage."


def _except_unstable(summary: RunSummary) -> str:
    if not summary.unstable:
        return ""
    where = cell_ranges(summary.unstable)
    return f" Not counted: {where}, where the notebook itself gives something else each time it runs."


def _differences(summary: RunSummary) -> str:
    cells = {difference.cell for difference in summary.differences}
    count = len(summary.differences)
    where = f" in {cell_ranges(cells)}" if cells else ""
    return f"{plural(count, 'output')}{where} {'is' if count == 1 else 'are'} not what the notebook itself gives."
