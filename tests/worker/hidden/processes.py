"""Runs cells of a notebook in processes of its own, for the tests of hidden state; forked, to spare the imports.

Reads one request per line, ``{"cells": […], "probe": […], "paths": […]}``, and answers with what the probing cells put
out, once where all cells ran in one process and once where the state was handed to a fresh one in between.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from j2k_dev.worker.hidden import CARRIERS, note_start, reduce_hidden
from j2k_dev.worker.hidden.changes import library_changes
from j2k_dev.worker.shell import NotebookShell, start_shell
from j2k_dev.worker.state.pickler import StatePickler, StateUnpickler


class Pickler(StatePickler):
    def reducer_override(self, obj: Any) -> Any:
        reduced = self._by_name(obj) or reduce_hidden(obj)
        return super().reducer_override(obj) if reduced is NotImplemented else reduced


def in_process(work: Any, *arguments: Any) -> Any:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            answer: Any = work(*arguments)
        except BaseException:  # noqa: BLE001 - the test shows it
            answer = {"failed": traceback.format_exc()}
        with os.fdopen(writing, "w") as file:
            json.dump(answer, file)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        answer = file.read()
    os.waitpid(child, 0)
    return json.loads(answer)


def shell_at_start(request: Any) -> tuple[NotebookShell, tuple[Any, ...]]:
    os.chdir(request["folder"])
    sys.path.insert(0, "")
    shell = start_shell()
    carriers = (*CARRIERS, library_changes(tuple(request.get("paths", ()))))
    note_start(shell.ip, carriers)
    return shell, carriers


def run(shell: NotebookShell, cells: list[str]) -> list[Any]:
    shown = []
    for cell in cells:
        index = len(shown)
        shell.collector.start(index)
        shell.ip.run_cell(cell, store_history=True)
        for stream in shell.streams:
            stream.flush()
        shown.append(list(shell.collector.finished(index)))
    return shown


def whole(request: Any) -> Any:
    shell, _ = shell_at_start(request)
    before = run(shell, request["cells"])
    return {"before": before, "shown": run(shell, request["probe"])}


def save(request: Any, path: str) -> Any:
    shell, carriers = shell_at_start(request)
    run(shell, request["cells"])
    hidden = shell.ip.user_ns_hidden
    started = time.perf_counter()
    captured = [(carrier, carrier.capture(shell.ip)) for carrier in carriers]
    seconds = time.perf_counter() - started
    names = {name: value for name, value in shell.ip.user_ns.items() if name not in hidden and name[:2] != "__"}
    with Path(path).open("wb") as file:
        pickler = Pickler(file, lambda _buffer: True)
        for when in ("before", "after"):
            for carrier, value in captured:
                if carrier.when == when and value is not None:
                    pickler.dump((carrier.name, value))
            pickler.dump(None)
            for name, value in names.items() if when == "before" else ():
                pickler.dump((name, value))
            pickler.dump(None)
    return {"seconds": seconds, "carried": [carrier.name for carrier, value in captured if value is not None]}


def load(request: Any, path: str) -> Any:
    shell, carriers = shell_at_start(request)
    by_name = {carrier.name: carrier for carrier in carriers}
    with Path(path).open("rb") as file:
        unpickler = StateUnpickler(file, ())
        for _ in ("before", "after"):
            while (entry := unpickler.load()) is not None:
                by_name[entry[0]].restore(shell.ip, entry[1])
            while (entry := unpickler.load()) is not None:
                shell.ip.user_ns[entry[0]] = entry[1]
    shown = run(shell, request["probe"])
    return {"shown": shown, "kept": sorted(c.name for c in carriers if c.capture(shell.ip) is not None)}


def serve() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "state")
            unsplit = in_process(whole, request)
            saved = in_process(save, request, path)
            loaded = in_process(load, request, path) if "failed" not in saved else saved
        print(json.dumps({"whole": unsplit, "saved": saved, "loaded": loaded}), flush=True)  # noqa: T201


if __name__ == "__main__":
    serve()
