"""What a worker is told of its stage; apart from the worker, which only the notebook's interpreter can import."""

from __future__ import annotations

from dataclasses import dataclass

from j2k_dev.model.pipeline import Stage


@dataclass(frozen=True)
class CellSource:
    """A code cell as it is run; ``may_raise`` is Jupyter's tag raises-exception."""

    index: int
    source: str
    id: str | None = None
    may_raise: bool = False


@dataclass(frozen=True)
class StageSpec:
    """All that a worker needs to know of its stage.

    ``changes`` are the attributes of libraries that cells change (see ``worker.hidden``); ``copy`` gives arrays memory
    of their own; ``kernel`` names the kernelspec where the kernel is not Python.
    """

    stage: Stage
    cells: tuple[CellSource, ...]
    exchange: str
    work: str
    last: bool
    changes: tuple[str, ...] = ()
    copy: bool = False
    kernel: str = ""
