"""What is known about the boundaries between recorded cells: which are safe to cut, and what may be dropped there.

Notebook and recording are put side by side here, once; ``planning.py`` chooses among what this says is possible.
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from j2k_dev.model.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from j2k_dev.model.recording import Boundary, CellRecord, FileUse, Recording, Variable
    from j2k_dev.notebook.source import NotebookFile

WORTH_PRUNING = 1 << 20

# Objects that nothing depends on but who holds them. The end of others (temporary folders, connections, files being
# written, threads) has effects of its own, so that dropping them could be seen.
_QUIET_TYPES = re.compile(
    r"generator|async_generator|coroutine|frame|traceback|reader|DictReader|map|filter|zip|enumerate|chain|islice|\w*iterator"
)

# Objects that pickles, made by whatever library, refer to by name: something that is loaded later may need them.
_NAMED_TYPES = re.compile(r"type|function|module|\w*Meta|EnumType")

# A measured time says nothing below this; it also keeps cells that take no time apart.
_LEAST_SECONDS = 0.001

_WORD = re.compile(r"[^\W\d]\w*")


# What is known --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Material:
    """Notebook and recording side by side. A *place* p is the boundary before the p-th recorded cell."""

    notebook: NotebookFile
    recording: Recording

    @cached_property
    def cells(self) -> tuple[CellRecord, ...]:
        """Return the recorded cells in order."""
        records = tuple(sorted(self.recording.cells, key=lambda record: record.index))
        code = {cell.index for cell in self.notebook.code_cells}
        if not records or not code.issuperset(record.index for record in records):
            way_out = "record it again: j2k record NOTEBOOK"
            raise Refused(f"the recording is not one of {self.notebook.path.name} as it is now", way_out)
        return records

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Return the recorded cells' sources as written."""
        return tuple(self.notebook.cells[record.index].source for record in self.cells)

    @cached_property
    def pruning(self) -> Pruning:
        """Return who reads what."""
        return Pruning.of(self.cells, self.sources)

    @cached_property
    def seconds(self) -> tuple[float, ...]:
        """Return cumulated seconds before each place, the end included."""
        sums = [0.0]
        for record in self.cells:
            sums.append(sums[-1] + max(record.wall_seconds, 0.0) + _LEAST_SECONDS)
        return tuple(sums)

    @cached_property
    def boundaries(self) -> tuple[Boundary | None, ...]:
        """Return the recorded boundary at each place, None where there is none."""
        after = {boundary.after: boundary for boundary in self.recording.boundaries}
        return (None, *(after.get(record.index) for record in self.cells[:-1]))

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """Return why each place can't be cut, empty where it can."""
        return ("it is the start", *map(self._reason, range(1, len(self.cells))))

    @cached_property
    def safe(self) -> tuple[int, ...]:
        """Return the places that can be cut, in order."""
        return tuple(place for place, reason in enumerate(self.reasons) if not reason)

    def _reason(self, place: int) -> str:
        boundary = self.boundaries[place]
        if boundary is None:
            return "nothing was recorded about it"
        stuck = (
            f"variable {variable.name!r} (cell {variable.cell}) can't be handed over: {variable.obstacle}"
            for variable in boundary.variables
            if variable.obstacle and not self.pruning.may_drop(variable, place)
        )
        others = (f"what is live there can't be handed over: {obstacle}" for obstacle in boundary.obstacles)
        return next(stuck, "") or next(others, "") or self._stale_modules[place]

    @cached_property
    def _stale_modules(self) -> tuple[str, ...]:
        """Say at each place which module changed on disk after its import: a new process would import the newer one."""
        imported: set[str] = set()
        stale, reasons = "", [""]
        reloading = any("autoreload" in source for source in self.sources)
        for record, source in zip(self.cells, self.sources, strict=True):
            rewritten = [use.path for use in record.files if written_module(use) in imported]
            if "reload" in source or reloading:
                stale = ""
            elif rewritten:
                stale = f"cell {record.index} rewrote {rewritten[0]} after it had been imported"
            imported.update(record.modules)
            reasons.append(stale)
        return tuple(reasons)

    def cell_at(self, place: int) -> int:
        """Return the notebook's index of the cell that begins at a place."""
        return self.cells[place].index

    def place_of(self, cell: int) -> int:
        """Return the first place at or after a cell of the notebook (its end where nothing follows)."""
        return bisect.bisect_left([record.index for record in self.cells], cell)


def written_module(use: FileUse) -> str:
    """Return the name under which a file that a cell wrote can be imported, or empty."""
    if use.kind != "written" or not use.path.endswith(".py"):
        return ""
    return use.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


# Who reads what -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pruning:
    """Which names provably nobody reads after a place; where anything is in doubt, everything travels.

    A name may be dropped if it occurs in no later cell's text, in no string of any cell (strings may be evaluated),
    in no function, lambda or generator of any cell (they may run later), and if no cell is dynamic or raised later:
    an error's message may list names.
    """

    dynamic: bool
    last_raise: int
    kept: frozenset[str]
    shown: frozenset[str]
    last_mention: dict[str, int]

    @classmethod
    def of(cls, cells: Sequence[CellRecord], sources: Sequence[str]) -> Pruning:
        """Gather who mentions what from analyses and texts."""
        last: dict[str, int] = {}
        for place, (record, source) in enumerate(zip(cells, sources, strict=True)):
            analysis = record.analysis
            last.update(dict.fromkeys((*analysis.reads, *analysis.words, *_WORD.findall(source)), place))
        analyses = [record.analysis for record in cells]
        return cls(
            dynamic=any(map(_is_dynamic, cells, sources)),
            last_raise=max((place for place, record in enumerate(cells) if record.error), default=-1),
            kept=frozenset(name for analysis in analyses for name in (*analysis.words, *analysis.nested)),
            shown=frozenset(name for analysis in analyses for name in analysis.shown),
            last_mention=last,
        )

    def is_unread(self, name: str, place: int) -> bool:
        """Say whether provably nobody reads a name from this place on."""
        doubt = (
            self.dynamic or self.last_raise >= place or name.startswith("_") or name in {"In", "Out", "exit", "quit"}
        )
        return not doubt and name not in self.kept and self.last_mention.get(name, place) < place

    def may_drop(self, variable: Variable, place: int) -> bool:
        """Say whether dropping a name rids the boundary of its obstacle, which IPython's ``Out`` might also hold."""
        quiet = _QUIET_TYPES.fullmatch(_type(variable)) is not None
        return quiet and variable.name not in self.shown and self.is_unread(variable.name, place)

    def is_pruned(self, variable: Variable, place: int) -> bool:
        """Say whether a name is dropped: nobody reads it, and it is in the way or big."""
        if variable.obstacle:
            return self.may_drop(variable, place)
        if variable.bytes < WORTH_PRUNING or _NAMED_TYPES.fullmatch(_type(variable)):
            return False
        return self.is_unread(variable.name, place)


def _type(variable: Variable) -> str:
    return variable.type.rpartition(".")[2]


def _is_dynamic(record: CellRecord, source: str) -> bool:
    """Say whether a cell may reach names that its text does not show; so may a cell that was not analysed."""
    analysis = record.analysis
    code = re.sub(r"#.*", "", source)
    unknown = not (analysis.reads or analysis.binds or analysis.words) and _WORD.search(code) is not None
    return bool(analysis.dynamic) or unknown
