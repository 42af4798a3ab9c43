"""What the recorder is told; apart from the recorder, which only the notebook's interpreter can import."""

from __future__ import annotations

from dataclasses import dataclass

from j2k_dev.worker.spec import CellSource

UNFINISHED = "unfinished"
"""The folder beside ``inputs`` for what the running cell puts out."""


@dataclass(frozen=True)
class RecorderSpec:
    """What to record; ``inputs`` lists the working directory, ``trace`` says whether file access is noted.

    ``kernel`` names the kernelspec where the kernel is not Python.
    """

    cells: tuple[CellSource, ...]
    work: str
    exchange: str
    inputs: str
    trace: bool
    kernel: str = ""
