"""From a notebook and its recording to the pipeline: where stages begin, what they hand on, and why. Pure.

Nothing here guesses what a stage needs: everything that is live crosses, except what provably nobody reads later.
A boundary is safe where everything that crosses it can be handed over (``boundaries.py``); only safe ones are cut.
"""

from __future__ import annotations

import bisect
import re
import unicodedata
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from j2k_dev.model.pipeline import Crossing, Edge, Pipeline, Split, Stage
from j2k_dev.notebook.boundaries import WORTH_PRUNING, Material, written_module
from j2k_dev.notebook.source import INJECTED_TAG, Heading, NotebookFile, headings, stage_directives

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

    from j2k_dev.model.recording import Recording

MOST_STAGES = 8
LONGEST_NAME = 40

# What automatic planning weighs, as shares of the run's seconds (see ``_best_cuts``).
_QUARTER = 0.25
_STAGE_COST = 0.03
_STAGE_SECONDS = 0.02
_MOVE_BYTES_PER_SECOND = 400e6
_MOST_MOVE_COST = 0.06

# What an import may read, as the text of a cell that changes it says it; rather once too often.
_SETS_UP = re.compile(
    r"\b(?:environ|environb|putenv|unsetenv|chdir|fchdir|addsitedir|load_dotenv|dotenv|set_env|pushd|popd)\b"
    r"|\bsys\s*\.\s*path\b|\bfrom\s+sys\s+import\b|\brun_line_magic\b|\.magic\("
    r"|^\s*(?:%\s*(?:cd|env)\b|(?:cd|env)\s+[^=\s])",
    re.MULTILINE,
)


def plan(notebook: NotebookFile, recording: Recording, split: Split = "auto") -> Pipeline:
    """Cut the notebook into stages; raise Refused where the recording is not one of this notebook."""
    material = Material(notebook, recording)
    cuts, notes = _cuts(material, split)
    stages = _stages(material, cuts)
    return Pipeline(
        name=slug(notebook.path.stem) or "notebook",
        recording=recording.key,
        split=split,
        stages=stages,
        edges=_edges(material, cuts, stages),
        notes=notebook.notes + tuple(notes),
    )


@dataclass(frozen=True)
class Cut:
    """A stage begins at ``place``, an index into the recorded cells (0 names the first stage and cuts nothing)."""

    place: int
    name: str
    why: str


# Where to cut ---------------------------------------------------------------------------------------------------------


def _cuts(material: Material, split: Split) -> tuple[list[Cut], list[str]]:
    """Return the cuts in order and notes about them."""
    if material.notebook.language != "python":
        return _uncut(material, split)
    if split == "cells":
        return [Cut(place, "", "cut wherever it is safe") for place in material.safe], _kept_together(material)
    chain: dict[str, list[Callable[[Material], tuple[list[Cut], list[str]]]]] = {
        "auto": [_from_directives, _from_few_headings, _from_recording],
        "tags": [_from_directives],
        "headings": [_from_headings],
    }
    first: list[Cut] = []
    notes: list[str] = []
    for find in chain[split]:
        cuts, found = find(material)
        notes += found
        first = first or [cut for cut in cuts if cut.place == 0]
        later = [cut for cut in cuts if cut.place > 0]
        if later:
            return first + later, notes
    return first, [*notes, _why_one_stage(material, split, asked=bool(notes))]


def _uncut(material: Material, split: Split) -> tuple[list[Cut], list[str]]:
    """Leave the notebook whole; a wish for its start names the stage, those for further ones are noted."""
    language = material.notebook.language
    notes = [f"the kernel is not Python but {language}, whose state can't be split: the notebook runs as one stage"]
    directives, unclear = stage_directives(material.notebook)
    wishes = [Cut(_start(material, directive.cell), directive.name, directive.origin) for directive in directives]
    if cells := [str(material.cell_at(wish.place)) for wish in wishes if 0 < wish.place < len(material.cells)]:
        notes.append(f"no stage begins at cell {', '.join(cells)}, though asked for there")
    if split != "auto":
        notes.append(f"--split {split} changes nothing")
    return [wish for wish in wishes[:1] if wish.place == 0], [*notes, *unclear]


def _why_one_stage(material: Material, split: Split, *, asked: bool) -> str:
    if len(material.cells) == 1:
        reason = "it has one code cell"
    elif split == "auto" or asked:
        reason = "no boundary that could be cut is safe"
    elif split == "tags":
        reason = "no cell asks for another (tag 'stage:NAME' or first line '# j2k: stage NAME')"
    else:
        reason = "no heading level occurs twice with code between"
    return f"the notebook runs as one stage: {reason}"


def _from_directives(material: Material) -> tuple[list[Cut], list[str]]:
    """Cut where the author says so; the same name on neighbouring cells is one stage."""
    directives, notes = stage_directives(material.notebook)
    wishes = [
        Cut(_start(material, directive.cell), directive.name, f"cell {directive.cell} says so: {directive.origin}")
        for _, (directive, *_) in ((name, list(group)) for name, group in groupby(directives, lambda d: d.name))
    ]
    cuts, moved = _moved_to_safety(material, wishes)
    return cuts, [*notes, *moved]


def _from_headings(material: Material) -> tuple[list[Cut], list[str]]:
    """Cut at every heading of the highest level that divides the code."""
    return _moved_to_safety(material, _heading_wishes(material))


def _from_few_headings(material: Material) -> tuple[list[Cut], list[str]]:
    """Cut at headings as well, but join the shortest neighbours where they are many."""
    cuts, notes = _from_headings(material)
    later = [cut for cut in cuts if cut.place > 0]
    joined = len(later) + 1 - MOST_STAGES
    if joined <= 0:
        return cuts, notes
    while len(later) + 1 > MOST_STAGES:
        later.remove(_least_useful(material, later))
    note = f"the headings give {len(later) + 1 + joined} sections: the shortest were joined to {MOST_STAGES} stages"
    return [cut for cut in cuts if cut.place == 0] + later, [*notes, note]


def _least_useful(material: Material, cuts: list[Cut]) -> Cut:
    """Return the cut between the two neighbours that are shortest together."""
    places = [0, *(cut.place for cut in cuts), len(material.cells)]
    spans = [
        material.seconds[after] - material.seconds[before] for before, after in zip(places, places[2:], strict=False)
    ]
    return cuts[spans.index(min(spans))]


def _heading_wishes(material: Material) -> list[Cut]:
    found = headings(material.notebook)
    for level in range(1, 7):
        if sum(heading.level == level for heading in found) > 1:
            wishes = _heading_cuts(material, [heading for heading in found if heading.level <= level])
            if any(wish.place > 0 for wish in wishes):
                return wishes
    return []


def _heading_cuts(material: Material, sections: list[Heading]) -> list[Cut]:
    """Return a cut for each section that has code, which begins at the last heading before the code."""
    by_place = {_start(material, heading.cell): heading for heading in sections}
    return [
        Cut(place, heading.text, f"heading {heading.text!r}")
        for place, heading in sorted(by_place.items())
        if place < len(material.cells)
    ]


def _start(material: Material, cell: int) -> int:
    """Return the place where a stage begins that starts at a cell; injected parameters before it belong to it."""
    place = material.place_of(cell)
    before = material.cells[:place]
    injected = all(INJECTED_TAG in material.notebook.cells[record.index].tags for record in before)
    return 0 if injected else place


# Moving cuts to where it is safe --------------------------------------------------------------------------------------


def _moved_to_safety(material: Material, wishes: list[Cut]) -> tuple[list[Cut], list[str]]:
    """Move each wish to the nearest safe place between its neighbours, or drop it; say so."""
    cuts: list[Cut] = []
    notes: list[str] = []
    ends = [*(wish.place for wish in wishes[1:]), len(material.cells)]
    for wish, end in zip(wishes, ends, strict=False):
        if wish.place >= end:
            notes.append(f"stage {wish.name!r} has no code that runs and is left out")
            continue
        lowest = cuts[-1].place + 1 if cuts else 1
        cut, note = _to_safety(material, wish, lowest, end - 1)
        cuts.extend([cut] if cut else [])
        notes.extend([note] if note else [])
    return cuts, notes


def _to_safety(material: Material, wish: Cut, lowest: int, highest: int) -> tuple[Cut | None, str]:
    if wish.place == 0 or (wish.place >= lowest and not material.reasons[wish.place]):
        return wish, ""
    asked, reason = material.cell_at(wish.place), material.reasons[wish.place] or "the stage before was moved past it"
    begin, end = bisect.bisect_left(material.safe, lowest), bisect.bisect_right(material.safe, highest)
    nearby = material.safe[begin:end]
    if not nearby:
        return None, f"no stage begins at cell {asked} ({wish.why}) or near it: {reason}"
    place = min(nearby, key=lambda safe: (abs(safe - wish.place), -safe))
    moved = f"moved from cell {asked} to cell {material.cell_at(place)}: {reason}"
    return Cut(place, wish.name, f"{wish.why}, {moved}"), f"stage {wish.name!r} was {moved}"


def _kept_together(material: Material) -> list[str]:
    """Say once for each reason in a row which cells stay together."""
    unsafe = [(place, reason) for place, reason in enumerate(material.reasons) if place and reason]
    notes = []
    for _, group in groupby(enumerate(unsafe), lambda item: (item[1][0] - item[0], item[1][1])):
        places = [place for _, (place, _) in group]
        first, last = material.cell_at(places[0] - 1), material.cell_at(places[-1])
        notes.append(f"cells {first} to {last} stay together: {material.reasons[places[0]]}")
    return notes


# Cutting by what the recording measured -------------------------------------------------------------------------------


def _from_recording(material: Material) -> tuple[list[Cut], list[str]]:
    """Cut so that a lost worker costs about a quarter of the run at most, and little crosses."""
    places = _best_cuts(material)
    total = material.seconds[-1]
    cuts = []
    for before, place in pairwise([0, *places]):
        share = (material.seconds[place] - material.seconds[before]) / total
        cuts.append(Cut(place, "", f"balances the work: the stage before it takes {share:.0%} of the run"))
    return cuts, _kept_together(material)


def _best_cuts(material: Material) -> list[int]:
    """Return the safe places that cost least together, at least one where there is any.

    A fault strikes a stage in proportion to its length and costs its length again, so stages cost the squares of
    their shares; what a share exceeds a quarter costs extra. A cut costs a constant, which is what keeps stages few,
    and what it takes to move the bytes.
    """
    total = material.seconds[-1]
    ends = [*material.safe, len(material.cells)]
    at = [0.0, *(material.seconds[place] / total for place in ends)]
    cut_costs = [0.0, *(_cut_cost(material, place, total) for place in material.safe), 0.0]
    costs, previous = [0.0], [0]
    for end in range(1, len(at)):
        position = at[end]
        # The one place that has to be fast: it runs for every pair of safe places.
        cost, best = min(
            (costs[begin] + (share := position - at[begin]) * share + max(share - _QUARTER, 0.0), begin)
            for begin in range(end)
        )
        costs.append(cost + cut_costs[end])
        previous.append(best)
    chosen = list(_walk_back(previous))
    if not chosen and material.safe:
        chosen = [min(range(1, len(at) - 1), key=lambda end: at[end] ** 2 + (1 - at[end]) ** 2 + cut_costs[end])]
    return [ends[end - 1] for end in chosen]


def _walk_back(previous: list[int]) -> Iterator[int]:
    """Yield the chosen ends in order, the last one, which is the notebook's, left out."""
    chosen, end = [], previous[-1]
    while end:
        chosen.append(end)
        end = previous[end]
    return reversed(chosen)


def _cut_cost(material: Material, place: int, total: float) -> float:
    crossing = _crossing_bytes(material, place)
    moving = min(crossing / _MOVE_BYTES_PER_SECOND / total, _MOST_MOVE_COST)
    return _STAGE_COST + min(_STAGE_SECONDS / total, _STAGE_COST) + moving + 1e-6 * crossing.bit_length()


def _crossing_bytes(material: Material, place: int) -> int:
    boundary = material.boundaries[place]
    if boundary is None:
        return 0
    big = (variable for variable in boundary.variables if variable.bytes >= WORTH_PRUNING)
    pruned = sum(variable.bytes for variable in big if material.pruning.is_pruned(variable, place))
    return max(boundary.bytes - pruned, 0)


# Stages and edges -----------------------------------------------------------------------------------------------------


def _stages(material: Material, cuts: list[Cut]) -> tuple[Stage, ...]:
    places = [0, *(cut.place for cut in cuts if cut.place > 0), len(material.cells)]
    names = _names(places[:-1], cuts)
    pruned = _pruned(material, places[1:-1])
    modules = _modules(material)
    return tuple(
        _stage(material, name, (begin, end), modules[begin], pruned.get(end, ()))
        for name, (begin, end) in zip(names, pairwise(places), strict=True)
    )


def _stage(
    material: Material, name: str, span: tuple[int, int], modules: tuple[str, ...], pruned: tuple[str, ...]
) -> Stage:
    records = material.cells[slice(*span)]
    return Stage(
        name=name,
        cells=_cells_between(material, *span),
        modules=modules,
        pruned=pruned,
        seconds=sum(record.wall_seconds for record in records),
        peak_bytes=max(record.peak_bytes for record in records),
    )


def _cells_between(material: Material, begin: int, end: int) -> tuple[int, ...]:
    """Return the code cells of a stage; those that were not recorded (blank ones) stay with the one before."""
    first = 0 if begin == 0 else material.cell_at(begin)
    last = material.cell_at(end) if end < len(material.cells) else len(material.notebook.cells)
    return tuple(cell.index for cell in material.notebook.cells[first:last] if cell.kind == "code")


def _modules(material: Material) -> list[tuple[str, ...]]:
    """Return what the cells before each place imported, in order, until one changed what an import may read."""
    modules: dict[str, None] = {}
    known: list[tuple[str, ...]] = [()]
    for record, source in zip(material.cells, material.sources, strict=True):
        if _SETS_UP.search(source) or any(map(written_module, record.files)):
            break
        grows = not modules.keys() >= set(record.modules)
        modules.update(dict.fromkeys(record.modules))
        known.append(tuple(modules) if grows else known[-1])
    return known + known[-1:] * (len(material.cells) - len(known))


def _pruned(material: Material, places: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """Return the names dropped at each cut; what one cut dropped does not cross the next either."""
    gone: set[str] = set()
    result = {}
    for place in places:
        boundary = material.boundaries[place]
        live = boundary.variables if boundary else ()
        names = tuple(v.name for v in live if v.name in gone or material.pruning.is_pruned(v, place))
        gone.update(names)
        result[place] = names
    return result


def _edges(material: Material, cuts: list[Cut], stages: tuple[Stage, ...]) -> tuple[Edge, ...]:
    later = [cut for cut in cuts if cut.place > 0]
    return tuple(
        _edge(material, cut, source, target) for cut, (source, target) in zip(later, pairwise(stages), strict=True)
    )


def _edge(material: Material, cut: Cut, source: Stage, target: Stage) -> Edge:
    boundary = material.boundaries[cut.place]
    live = boundary.variables if boundary else ()
    gone = frozenset(source.pruned)
    dropped = sum(variable.bytes for variable in live if variable.name in gone)
    return Edge(
        source=source.name,
        target=target.name,
        crossings=tuple(Crossing(v.name, v.type, v.bytes) for v in live if v.name not in gone),
        bytes=max((boundary.bytes if boundary else 0) - dropped, 0),
        why=cut.why,
    )


# Names ----------------------------------------------------------------------------------------------------------------


def slug(text: str) -> str:
    """Return a text as a DNS label of 40 characters at most that begins with a letter, or empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    label = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if label[:1].isdigit():
        label = f"stage-{label}"
    return label[:LONGEST_NAME].rstrip("-")


def _names(places: list[int], cuts: list[Cut]) -> list[str]:
    """Return a unique name for each stage, from its tag or heading, else from its number."""
    wished = {cut.place: slug(cut.name) for cut in cuts}
    names: dict[str, None] = {}
    for number, place in enumerate(places, 1):
        names[_unique(wished.get(place) or f"stage-{number}", names)] = None
    return list(names)


def _unique(base: str, taken: Container[str]) -> str:
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base[: LONGEST_NAME - len(str(number)) - 1].rstrip('-')}-{number}"
    return name
