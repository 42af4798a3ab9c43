"""Runs cells of a notebook in processes of its own, for the tests of hidden state; forked, to spare the imports.

Reads one request per line, ``{"cells": […], "probe": […], "paths": […]}``, and answers with what the probing cells put
out, once where all cells ran in one process and once where the state went through two fresh ones in between.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from j2k_dev.recording.watch import Watcher
from j2k_dev.worker.hidden import CARRIERS, Carrier, note_start, reduce_hidden
from j2k_dev.worker.hidden.changes import library_changes
from j2k_dev.worker.shell import NotebookShell, start_shell
from j2k_dev.worker.snapshot import variables
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
            json.dump(answer, file, default=repr)
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
    shell.within(note_start, shell.ip, carriers)
    return shell, carriers


def run(shell: NotebookShell, cells: list[str]) -> list[Any]:
    first = len(shell.collector.cells)
    return [list(shell.run(cell, index).outputs) for index, cell in enumerate(cells, first)]


def first(request: Any, path: str) -> Any:
    """Run the cells, write the state down, and go on with the probe: the unsplit run, undisturbed by the capture."""
    shell, carriers = shell_at_start(request)
    before = run(shell, request["cells"])
    carried = shell.within(save, shell, carriers, path)
    shutil.copytree(request["folder"], f"{path} files")
    return {"before": before, "carried": carried, "shown": run(shell, request["probe"])}


def hop(request: Any, path: str, target: str) -> Any:
    """Take the state over and hand it on, as a stage does whose cells change nothing of it."""
    shell, carriers = shell_at_start(request)
    shell.within(load, shell, carriers, path)
    return {"carried": shell.within(save, shell, carriers, target)}


def last(request: Any, path: str) -> Any:
    """Take the state and the files over and run the probe."""
    shutil.rmtree(request["folder"])
    shutil.copytree(f"{path.removesuffix(' again')} files", request["folder"])
    shell, carriers = shell_at_start(request)
    shell.within(load, shell, carriers, path)
    return {"shown": run(shell, request["probe"])}


def save(shell: NotebookShell, carriers: tuple[Carrier, ...], path: str) -> list[str]:
    names = variables(shell.ip)
    captured = [(carrier, carrier.capture(shell.ip)) for carrier in carriers]
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
    return [carrier.name for carrier, value in captured if value is not None]


def load(shell: NotebookShell, carriers: tuple[Carrier, ...], path: str) -> None:
    by_name = {carrier.name: carrier for carrier in carriers}
    with Path(path).open("rb") as file:
        unpickler = StateUnpickler(file, ())
        for _ in ("before", "after"):
            while (entry := unpickler.load()) is not None:
                by_name[entry[0]].restore(shell.ip, entry[1])
            while (entry := unpickler.load()) is not None:
                shell.ip.user_ns[entry[0]] = entry[1]


def watch(request: Any) -> Any:
    """Run the cells as the recorder does and return what the watcher noticed."""
    os.chdir(request["folder"])
    sys.path.insert(0, "")
    shell = start_shell()
    watcher = Watcher()
    watcher.start()
    noticed: list[Any] = []
    shown: list[Any] = []
    seconds: list[float] = []
    for cell in request["cells"]:
        shown += run(shell, [cell])
        started = time.process_time()
        noticed += watcher.after_cell(cell)
        seconds.append(time.process_time() - started)
    return {"changes": [(c.path, c.kind, c.carried, c.refused) for c in noticed], "before": shown, "seconds": seconds}


def serve() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "state")
            watched = in_process(watch, request) if request.get("watch") else {}
            if watched and "failed" not in watched:
                request["paths"] = list(dict.fromkeys(path for path, _, carried, _ in watched["changes"] if carried))
            answer = {
                "watched": watched,
                "first": in_process(first, request, path),
                "hop": in_process(hop, request, path, f"{path} again"),
                "last": in_process(last, request, f"{path} again"),
            }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
