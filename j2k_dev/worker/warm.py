"""What is slow for the first time, done once before anything is forked."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING

from j2k_dev.model.codec import from_plain, to_plain
from j2k_dev.model.recording import CellError
from j2k_dev.model.run import CellOutput, Message, StageResult
from j2k_dev.worker import events
from j2k_dev.worker.exchange import Claim

if TYPE_CHECKING:
    from collections.abc import Iterable


def warm_up(programs: Iterable[str], preload: Iterable[str]) -> None:
    """Import what every stage needs, and read the type hints of what workers write and read."""
    for module in preload:
        importlib.import_module(module)
    for module in programs:
        getattr(importlib.import_module(module), "warm_up", lambda: None)()
    output, error = CellOutput(0, None, (), 0.0), CellError(0, "", "", ())
    result = StageResult("", "", 1, None, (output,), 0.0, error=error)
    for value in (result, Message("", ""), Claim("", "", 0.0), events.now("", "", "", 0, "")):
        from_plain(type(value), json.loads(json.dumps(to_plain(value))))
