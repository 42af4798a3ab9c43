"""The one stage of a notebook whose kernel is not Python: lay out the files, run all cells, publish the result.

Its state can't be read, so nothing is handed over and nothing restored. Beside that, it is a stage like any other.
"""

from __future__ import annotations

import functools
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from j2k_dev.model.codec import from_plain
from j2k_dev.worker.blobs import BlobStore
from j2k_dev.worker.exchange import Exchange
from j2k_dev.worker.execution import result_of, run_cells, stored_files
from j2k_dev.worker.files import WorkLock, manifest_from_json, materialise
from j2k_dev.worker.foreign import running
from j2k_dev.worker.spec import StageSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from j2k_dev.model.run import Message, StageResult
    from j2k_dev.worker.execution import Progress

CONNECTION = "kernel.json"


def prepare(spec: StageSpec | dict[str, Any]) -> Callable[[Message, Progress], StageResult]:
    """Return what executes the one message; a kernel may read files when it starts, so it is not started before."""
    stage = spec if isinstance(spec, StageSpec) else from_plain(StageSpec, spec)
    return functools.partial(_execute, stage)


def _execute(spec: StageSpec, message: Message, progress: Progress) -> StageResult:
    started = time.perf_counter()
    work, store = Path(spec.work), BlobStore(Path(spec.exchange) / "blobs")
    files = manifest_from_json(Exchange(Path(spec.exchange)).inputs(message.run).read_bytes())
    with WorkLock(work):
        materialise(files, work, store)
        with running(spec.kernel, work, Path(spec.exchange) / CONNECTION) as kernel:
            restored = time.perf_counter()
            progress("restored", {"seconds": restored - started})
            cells, error = run_cells(kernel, spec.cells, progress)
            done, peak = time.perf_counter(), kernel.peak_bytes()
            progress("ran", {"seconds": done - restored})
            kernel.settle()
        result = result_of(message, kernel.collector, cells, done - started, error)
        return replace(
            result,
            files=stored_files(work, files, store),
            restore_seconds=restored - started,
            publish_seconds=time.perf_counter() - done,
            peak_bytes=peak,
            written_bytes=store.written_bytes,
        )
