"""docs/fidelity.md: what the fidelity test found, as a table, and what the same found on a cluster, as another."""

from __future__ import annotations

import os
import platform
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD = """\
# Fidelity: notebooks that nobody here wrote

{total} notebooks from the source packages of {packages} projects on PyPI, each run by nbclient and by
`j2k up --engine local`, and compared cell by cell: every output, every MIME type, images by their pixels, execution
counts. Twice with j2k: cut at every cell boundary where that is safe (`--split cells`), and as it is by default.
This page is written by `tests/outside/test_fidelity.py` (`J2K_OUTSIDE=all pytest -m outside`); the packages, their
versions and hashes are in `tests/outside/corpus.toml`.

| verdict | means | cut at cells | default |
| --- | --- | ---: | ---: |
{verdicts}

A cell is *unstable* when nbclient itself does not give the same output again (time, random numbers without a seed).
Where the verdicts of the two ways of cutting differ, both are given. Seconds are wall time on {machine}, start-up
included; j2k's contain the recording and the run.

| package | notebook | code cells | stages: cells, default | verdict | seconds: nbclient, cells, default |
| --- | --- | ---: | ---: | --- | ---: |
"""
CLUSTER = "\n## On a cluster\n"
CLUSTER_HEAD = """
{total} of these notebooks, each by `j2k up --engine kind`: recorded under ReproZip's trace, its environment made an
image without a base, every stage in a pod of its own. The pods reach the broker and nothing else: no other address, no
other pod. The same rule holds: {verdicts}. This table is written by `tests/cluster/test_outside.py`
(`J2K_OUTSIDE=all pytest -m cluster`). Seconds are wall time on {machine}, with the sandbox up, and contain the traced
recording, the image, the deployment and the run.

| package | notebook | stages | verdict | seconds |
| --- | --- | ---: | --- | ---: |
"""
MEANS = {
    "equal": "every output is what nbclient gives",
    "equal except unstable": "so is every output that nbclient itself gives twice",
    "raised alike": "the notebook raises; both stop at the same cell with the same error and the same outputs before",
    "refused": "j2k says why it can't be done safely, and the way out",
    "SILENTLY DIFFERENT": "j2k reports equal, nbclient gives something else",
    "different": "j2k gives something else, and says so",
    "raised unlike": "only one of the two raised, or they raised differently",
    "machinery": "j2k failed",
}


@dataclass(frozen=True)
class Side:
    """One way of cutting a notebook: the verdict, its reason, how many stages, wall seconds, what j2k noted."""

    verdict: str
    reason: str
    unstable: tuple[int, ...]
    stages: int
    seconds: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One notebook of the table."""

    package: str
    notebook: str
    cells: int
    nbclient_seconds: float
    by_cells: Side
    default: Side


@dataclass(frozen=True)
class ClusterRow:
    """One notebook of the cluster's table."""

    package: str
    notebook: str
    side: Side


def machine() -> str:
    """Say what seconds were measured on."""
    return f"{os.cpu_count()} cores ({platform.system()}, Python {platform.python_version()})"


def local_part(page: str) -> str:
    """Give what the page says of the local engine."""
    return page.partition(CLUSTER)[0]


def with_local_part(page: str, local: str) -> str:
    """Write what the page says of the local engine anew, and leave the cluster's part."""
    _, heading, cluster = page.partition(CLUSTER)
    return local + heading + cluster


def with_cluster_part(page: str, rows: Sequence[ClusterRow], machine: str) -> str:
    """Write what the page says of the cluster anew, and leave the local engine's part."""
    counted = Counter(row.side.verdict for row in rows)
    verdicts = ", ".join(f"{counted[name]} {name}" for name in MEANS if counted[name])
    head = CLUSTER_HEAD.format(total=len(rows), verdicts=verdicts, machine=machine)
    lines = [
        f"| {row.package} | {row.notebook} | {row.side.stages or '-'} | {row.side.verdict} | {row.side.seconds:.0f} |\n"
        for row in rows
    ]
    notes = [f"- `{row.package}/{row.notebook}`: {text}\n" for row in rows for text in _texts((row.side,))]
    return local_part(page) + CLUSTER + head + "".join(lines) + ("\n" if notes else "") + "".join(notes)


def render(rows: Sequence[Row], machine: str) -> str:
    """Write the page."""
    head = HEAD.format(
        total=len(rows), packages=len({row.package for row in rows}), verdicts=_verdicts(rows), machine=machine
    )
    return head + "".join(f"{_line(row)}\n" for row in rows) + _notes(rows)


def _verdicts(rows: Sequence[Row]) -> str:
    cells = Counter(row.by_cells.verdict for row in rows)
    default = Counter(row.default.verdict for row in rows)
    return "\n".join(f"| {name} | {text} | {cells[name]} | {default[name]} |" for name, text in MEANS.items())


def _line(row: Row) -> str:
    sides = (row.by_cells, row.default)
    stages = ", ".join(str(side.stages) if side.stages else "-" for side in sides)
    verdicts = [side.verdict for side in sides]
    verdict = verdicts[0] if len(set(verdicts)) == 1 else ", ".join(verdicts)
    seconds = ", ".join(f"{value:.1f}" for value in (row.nbclient_seconds, *(side.seconds for side in sides)))
    return f"| {row.package} | {row.notebook} | {row.cells} | {stages} | {verdict} | {seconds} |"


def _notes(rows: Sequence[Row]) -> str:
    notes = [
        f"- `{row.package}/{row.notebook}`: {text}" for row in rows for text in _texts((row.by_cells, row.default))
    ]
    return "\n## Reasons\n\n" + "\n".join(notes) + "\n" if notes else ""


def _texts(sides: Sequence[Side]) -> list[str]:
    texts = [text for side in sides for text in (side.reason, *side.notes) if text]
    unstable = sorted({cell for side in sides for cell in side.unstable})
    if unstable:
        texts.append(f"unstable: cell {', '.join(map(str, unstable))}")
    return [" ".join(text.split()).replace(str(Path.home()), "~")[:600] for text in dict.fromkeys(texts)]
