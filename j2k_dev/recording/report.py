"""How a recorder reports: JSON lines to a file descriptor, as things happen, so that nothing done so far is lost."""

from __future__ import annotations

import os
from dataclasses import dataclass
from json import dumps, loads
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from j2k_dev.model.codec import from_plain
from j2k_dev.model.errors import J2kError
from j2k_dev.recording.spec import RecorderSpec
from j2k_dev.worker import processes

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Report:
    """Where a recorder tells what happens."""

    file: TextIO

    def tell(self, event: str, **details: Any) -> None:
        """Tell one thing at once."""
        self.file.write(dumps({"event": event, **details}) + "\n")
        self.file.flush()


def record_as_told(argv: list[str], record: Callable[[RecorderSpec, Report], None]) -> None:
    """Record what the spec (a JSON file) names, report to the file descriptor given, and end this process."""
    processes.die_with(os.getppid())
    spec = from_plain(RecorderSpec, loads(Path(argv[0]).read_bytes()))
    with os.fdopen(int(argv[1]), "w", encoding="utf-8") as file:
        os.set_inheritable(file.fileno(), False)  # noqa: FBT003 - the function's own way
        report = Report(file)
        try:
            record(spec, report)
        except J2kError as error:
            report.tell("failed", message=error.message, way_out=error.way_out)
        os._exit(0)  # neither waits for threads that a cell left behind nor runs its exit handlers
