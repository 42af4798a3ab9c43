"""The ways to hand a value to another process through the disk. All flush what they wrote: the file, then its folder.

Each way is a class with ``save(folder, data)`` and ``load(folder)``; ``save`` again in the process that loaded is what
handing on the unchanged value costs.
"""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Way(Protocol):
    """One way to hand a value over."""

    def save(self, folder: Path, data: Any) -> None:
        """Write the value so that it survives a power cut."""

    def load(self, folder: Path) -> Any:
        """Return the value, in another process."""


class J2k:
    """The state of a notebook's shell that has the value as its one variable: a snapshot, as the worker takes it."""

    def __init__(self) -> None:
        from j2k_dev.worker.hidden import CARRIERS, note_start
        from j2k_dev.worker.shell import start_shell

        self._carriers = CARRIERS
        self._ip = start_shell().ip
        note_start(self._ip, CARRIERS)
        self._store: Any = None

    def save(self, folder: Path, data: Any) -> None:
        """Take a snapshot."""
        from j2k_dev.worker.snapshot import take

        self._ip.user_ns["data"] = data
        taken = take(self._ip, self._carriers, self._blobs(folder), folder / "snapshots", {})
        (folder / "snapshot").write_text(taken.sha256, encoding="ascii")

    def load(self, folder: Path) -> Any:
        """Restore the snapshot."""
        from j2k_dev.worker.snapshot import Restorer

        name = (folder / "snapshot").read_text(encoding="ascii")
        restorer = Restorer(folder / "snapshots" / name, self._blobs(folder))
        restorer.before(self._ip, self._carriers)
        restorer.variables(self._ip)
        restorer.after(self._ip, self._carriers)
        return self._ip.user_ns["data"]

    def _blobs(self, folder: Path) -> Any:
        from j2k_dev.worker.blobs import BlobStore

        self._store = self._store or BlobStore(folder / "blobs")
        return self._store


class Pickle5:
    """The pickle module, protocol 5, one file."""

    def save(self, folder: Path, data: Any) -> None:
        """Pickle it."""
        with (folder / "data.pickle").open("wb") as file:
            pickle.dump(data, file, protocol=5)
        _flush(folder / "data.pickle")

    def load(self, folder: Path) -> Any:
        """Unpickle it."""
        with (folder / "data.pickle").open("rb") as file:
            return pickle.load(file)


class Joblib:
    """joblib without compression; with ``mmap_mode='c'`` (a private map, writable) it is as lazy as j2k."""

    def __init__(self, mmap_mode: str | None = None) -> None:
        self._mmap_mode = mmap_mode

    def save(self, folder: Path, data: Any) -> None:
        """Dump it."""
        import joblib

        # Another name each time: where it is mapped, writing over it would change what is mapped.
        name = f"data-{os.getpid()}.joblib"
        joblib.dump(data, folder / name)
        _flush(folder / name)

    def load(self, folder: Path) -> Any:
        """Load it, mapped or read."""
        import joblib

        (path,) = folder.glob("data-*.joblib")
        return joblib.load(path, mmap_mode=self._mmap_mode)


class Arrow:
    """Arrow's own formats without compression, read by memory map: a tensor for arrays, Feather for tables."""

    def save(self, folder: Path, data: Any) -> None:
        """Write a tensor or a Feather file."""
        import pandas as pd
        import pyarrow as pa
        from pyarrow import feather

        path = folder / f"data-{os.getpid()}.arrow"
        if isinstance(data, pd.DataFrame):
            feather.write_feather(data, str(path), compression="uncompressed")
        else:
            with pa.OSFile(str(path), "wb") as file:
                pa.ipc.write_tensor(pa.Tensor.from_numpy(data), file)
        _flush(path)

    def load(self, folder: Path) -> Any:
        """Map it."""
        import pyarrow as pa
        from pyarrow import feather

        (path,) = folder.glob("data-*.arrow")
        with pa.memory_map(str(path)) as file:
            if file.read(6) in {b"ARROW1", b"FEA1"}:
                return feather.read_feather(str(path), memory_map=True)
            file.seek(0)
            return pa.ipc.read_tensor(file).to_numpy()


WAYS: dict[str, Callable[[], Way]] = {
    "j2k": J2k,
    "pickle 5": Pickle5,
    "joblib": Joblib,
    "joblib, mmap_mode": lambda: Joblib("c"),
    "Arrow, mapped": Arrow,
}


def _flush(path: Path) -> None:
    for place in (path, path.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
