"""docs/performance.md, written from what was measured and from nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bench.measure import Aim, Result, Series

_BEGIN = """\
# Performance
Written by `task bench` from its own measurements; do not edit. Each figure is the median of n values, with the least \
and the greatest; j2k and its peers were run in turns, in the same session, on the same machine.
"""


def page(results: Sequence[Result], machine: Mapping[str, str]) -> str:
    """Return the page."""
    lines = [_BEGIN, *(f"- {what}: {told}" for what, told in machine.items()), "", "## Aims", ""]
    lines += _table(("aim", "measured", ""), [_aim(aim) for result in results for aim in result.aims])
    for result in results:
        lines += ["", *_section(result)]
    return "\n".join(lines) + "\n"


def _aim(aim: Aim) -> tuple[str, str, str]:
    return aim.text, aim.told, "met" if aim.met else "**not met**"


def _section(result: Result) -> list[str]:
    rows = [(one.what, one.contender, *_numbers(one)) for one in result.series]
    missed = [aim for aim in result.aims if not aim.met]
    short = [f"Falls short: {aim.text}: {aim.told}. {aim.takes}" for aim in missed]
    table = _table(("", "", "median", "least", "greatest", "n"), rows)
    told = [f"`python -m bench {result.name}` took {result.seconds:.0f} s."]
    return [
        f"## {result.title}",
        result.how,
        "",
        *table,
        "",
        *(line for text in (*short, *told) for line in (text, "")),
    ][:-1]


def _numbers(series: Series) -> tuple[str, str, str, str]:
    values = (series.median, min(series.values), max(series.values))
    median, least, greatest = (_number(value, series.unit) for value in values)
    return median, least, greatest, str(len(series.values))


def _number(value: float, unit: str) -> str:
    if unit == "bytes":
        return f"{value / 1e6:.1f} MB" if value >= 1e6 else f"{value / 1e3:.1f} kB"
    digits = 3 if value < 0.1 else 2 if value < 10 else 1
    return f"{value:.{digits}f} {unit}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    head = list(head)
    return [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
