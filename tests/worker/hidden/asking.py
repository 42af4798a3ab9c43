"""Asks the program beside this module, which runs cells in processes of its own (``processes.py``)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Processes = Callable[[Any], Any]


@contextmanager
def started_processes() -> Iterator[Processes]:
    """Start the program, and give what sends it a request and returns its answer."""
    program = str(Path(__file__).with_name("processes.py"))
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    with subprocess.Popen(
        [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as server:
        asking, answers = server.stdin, server.stdout
        assert asking is not None
        assert answers is not None

        def ask(request: Any) -> Any:
            asking.write(json.dumps(request) + "\n")
            asking.flush()
            return json.loads(answers.readline())

        yield ask
        asking.close()
