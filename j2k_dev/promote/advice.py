"""Where each volume belongs, EFS or EBS, and what a stage's file operations would cost there, from the recording.

Pure. Operations are counted: each file that a stage reads, writes or removes, in pieces as they travel over NFS, and
what was opened again. Latencies are those that AWS publishes. What comes of both is arithmetic, no measurement, and
is told as that: on EFS at least, on EBS below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from j2k_dev.promote.model import Advice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from j2k_dev.deploy.target import Target
    from j2k_dev.model.pipeline import Edge, Pipeline, Stage
    from j2k_dev.model.recording import CellRecord, FileUse, Recording

EXCHANGE = "exchange"
SCRATCH = "scratch"

# "As low as 250 microseconds" and "as low as 2.7 milliseconds", regional file systems, General Purpose.
EFS_READ, EFS_WRITE = 0.000_25, 0.002_7
EFS_SOURCE = "docs.aws.amazon.com/efs/latest/ug/performance.html"
# "gp3 volumes deliver single-digit millisecond latency": below ten, and no more is said.
EBS_BELOW = 0.010
EBS_SOURCE = "docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html"
# What mounts of EFS read and write at once (rsize and wsize of the mount helper).
PIECE = 1 << 20
PIECE_SOURCE = "docs.aws.amazon.com/efs/latest/ug/mount-helper-setting.html"
CLOSE_SOURCE = "docs.aws.amazon.com/efs/latest/ug/features.html"
_SMALL, _MANY = 128 << 10, 100
# Of files that stages share, in a line.
_NAMED = 3
_WORDS = {
    "chowned": "changes owners",
    "locked": "locks files",
    "mapped": "maps files into memory",
    "database": "has a database of SQLite",
}
_SMALL_FILES = "writes many small files"
_WHY_NOT_EFS = {
    "changes owners": "an access point refuses that; nor may a pod that is not root give files away",
    "locks files": "each lock is a way to the server",
    "maps files into memory": "each page is a way to the server",
    "has a database of SQLite": "it locks, and waits for the server with each transaction",
    _SMALL_FILES: "each waits for the server when it is closed",
}
# Libraries that do so in C, where no audit hook sees it.
_LIBRARIES = {
    "h5py": "locks files",
    "netCDF4": "locks files",
    "tables": "locks files",
    "duckdb": "locks files",
    "lmdb": "maps files into memory",
}


@dataclass(frozen=True)
class Count:
    """How many operations read and how many write, and how many bytes are moved."""

    reads: int = 0
    writes: int = 0
    bytes: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.reads + other.reads, self.writes + other.writes, self.bytes + other.bytes)

    @property
    def on_efs(self) -> float:
        """Seconds that they take on EFS at least, one after the other."""
        return self.reads * EFS_READ + self.writes * EFS_WRITE

    @property
    def on_ebs(self) -> float:
        """Seconds that they stay below on EBS, one after the other and none of them from memory."""
        return (self.reads + self.writes) * EBS_BELOW


@dataclass(frozen=True)
class StageFiles:
    """What a stage does with files: ``own`` in its working directory and temporary folder, ``shared`` on the exchange.

    ``habits`` are what some storage does slowly or not at all, and why that is bad on EFS, in words.
    """

    stage: str
    own: Count
    shared: Count
    habits: tuple[str, ...]


def advice(pipeline: Pipeline, recording: Recording, target: Target) -> tuple[Advice, ...]:
    """Say for the exchange and for what pods have for themselves where they belong, why, and what it costs."""
    stages = tuple(files_of(stage, pipeline, recording) for stage in pipeline.stages)
    traced = recording.trace != "none"
    return (_exchange(pipeline, recording, stages, target), _scratch(stages, target, traced=traced))


def files_of(stage: Stage, pipeline: Pipeline, recording: Recording) -> StageFiles:
    """Count what a stage does with files.

    j2k itself lays out what the stage reads in its working directory, and publishes what it wrote on the exchange,
    with the state that the stage begins with and the one that it leaves.
    """
    cells = [cell for cell in recording.cells if cell.index in stage.cells]
    uses = [use for cell in cells for use in cell.files]
    again = sum(each.times - 1 for cell in cells for each in cell.operations if each.kind == "opened")
    own = sum(map(_of_use, uses), Count(reads=again))
    inside = [use for use in uses if not use.path.startswith("/")]
    shared = sum(map(_published, inside), _state(stage, pipeline.edges))
    return StageFiles(stage.name, own, shared, tuple(_habits(stage, cells, uses)))


def shared_files(pipeline: Pipeline, recording: Recording) -> dict[str, tuple[str, ...]]:
    """Return the files that more than one stage uses, each with these stages in order."""
    users: dict[str, list[str]] = {}
    for stage in pipeline.stages:
        for path in {use.path for cell in recording.cells if cell.index in stage.cells for use in cell.files}:
            users.setdefault(path, []).append(stage.name)
    return {path: tuple(stages) for path, stages in sorted(users.items()) if len(stages) > 1}


def _of_use(use: FileUse) -> Count:
    """Count opening a file and moving what is in it: reading looks it up, writing makes it and closes it."""
    pieces = -(-use.bytes // PIECE)
    if use.kind == "read":
        return Count(reads=1 + pieces, bytes=use.bytes)
    return Count(writes=1) if use.kind == "deleted" else Count(writes=1 + pieces, bytes=use.bytes)


def _published(use: FileUse) -> Count:
    """Count what laying out a file from the exchange costs, or publishing one there: a blob, renamed into place."""
    pieces = -(-use.bytes // PIECE)
    if use.kind == "read":
        return Count(reads=1 + pieces, bytes=use.bytes)
    return Count() if use.kind == "deleted" else Count(writes=2 + pieces, bytes=use.bytes)


def _state(stage: Stage, edges: Iterable[Edge]) -> Count:
    """Count reading the state that a stage begins with, and writing the one that it leaves."""
    taken = sum(edge.bytes for edge in edges if edge.target == stage.name)
    left = sum(edge.bytes for edge in edges if edge.source == stage.name)
    reads, writes = (1 + -(-size // PIECE) if size else 0 for size in (taken, left))
    return Count(reads, writes + 1 if writes else 0, taken + left)


def _habits(stage: Stage, cells: Iterable[CellRecord], uses: Iterable[FileUse]) -> Iterator[str]:
    done = {each.kind for cell in cells for each in cell.operations}
    seen = [words for kind, words in _WORDS.items() if kind in done]
    if sum(use.kind == "written" and use.bytes < _SMALL for use in uses) >= _MANY:
        seen.append(_SMALL_FILES)
    yield from (f"{stage.name} {words} ({_WHY_NOT_EFS[words]})" for words in seen)
    for library in sorted({name.partition(".")[0] for name in stage.modules} & _LIBRARIES.keys()):
        yield f"{stage.name} imports {library}, which {_LIBRARIES[library]} ({_WHY_NOT_EFS[_LIBRARIES[library]]})"


def _exchange(pipeline: Pipeline, recording: Recording, stages: tuple[StageFiles, ...], target: Target) -> Advice:
    shared = shared_files(pipeline, recording)
    handed = sum(edge.bytes for edge in pipeline.edges)
    named = ", ".join(f"{path} ({', '.join(users)})" for path, users in list(shared.items())[:_NAMED])
    more = f" and {len(shared) - _NAMED} more" if len(shared) > _NAMED else ""
    count = "1 file" if len(shared) == 1 else f"{len(shared)} files"
    files = f"; stages share {count}: {named}{more}" if shared else ""
    chosen = "" if target.storage.efs else f" (the class {target.storage.class_} has to be one of many nodes too)"
    why = (
        f"pods on all nodes read and write it, stages hand {_size(handed)} on over it{files};"
        f" a volume of EBS is on one node at a time{chosen}"
    )
    return Advice(EXCHANGE, "EFS", why, (*_costs((each.stage, each.shared) for each in stages), *_sources()))


def _scratch(stages: tuple[StageFiles, ...], target: Target, *, traced: bool) -> Advice:
    habits = [habit for each in stages for habit in each.habits]
    unseen = "" if traced else "; what cells did with files was not traced (j2k record --trace audit)"
    why = "it is one pod's alone and goes with it: no other node has to see it"
    on_efs = f"; on EFS it would suffer: {'; '.join(habits)}" if habits else ""
    now = "" if target.scratch else "; without scratch in the target file it is space on the pod's node"
    costs = _costs((each.stage, each.own) for each in stages)
    return Advice(SCRATCH, "EBS", why + on_efs + now + unseen, (*costs, *_sources()))


def _costs(counted: Iterable[tuple[str, Count]]) -> Iterator[str]:
    for stage, count in counted:
        if not count.reads + count.writes:
            yield f"{stage}: no file operations"
            continue
        what = f"{count.reads} reads, {count.writes} writes, {_size(count.bytes)}"
        yield f"{stage}: {what}; on EFS at least {_time(count.on_efs)}, on EBS below {_time(count.on_ebs)}"


def _sources() -> tuple[str, ...]:
    """Say what the costs are made of, and where that is from."""
    efs = f"EFS from {_time(EFS_READ)} a read and {_time(EFS_WRITE)} a write ({EFS_SOURCE})"
    ebs = f"EBS gp3 below {_time(EBS_BELOW)} ({EBS_SOURCE})"
    counted = f"counted from the recording: one for each file opened and each {_size(PIECE)} moved ({PIECE_SOURCE})"
    return (
        f"{counted}, one after the other; latencies as published, not measured: {efs}, {ebs}",
        f"a file on EFS is on its servers when it is closed ({CLOSE_SOURCE}); on EBS most stays in memory until then",
    )


def _size(count: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} B"


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"
