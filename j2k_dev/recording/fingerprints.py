"""Which variables a cell bound, changed or deleted, by content; how big each is, and what keeps it from travelling.

A variable's fingerprint is the hash of what would be handed over, so a change deep inside is seen. Looking costs time:
once it has cost more than the notebook itself, variables that were slow to look at are looked at again only at the
end of a cell that names them.
"""

from __future__ import annotations

import hashlib
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from j2k_dev.model.recording import Variable
from j2k_dev.worker.state.deep import with_room
from j2k_dev.worker.state.library import library_index, shell_parts
from j2k_dev.worker.state.pickler import StatePickler

if TYPE_CHECKING:
    import pickle

_SIMPLE = (type(None), bool, int, float, complex, str)
_SLOW_SECONDS = 0.02
Buffers = dict[tuple[int, int], int]  # checksums by address and size, of one boundary


@dataclass(frozen=True)
class Fingerprint:
    """What a variable was at one boundary."""

    digest: bytes
    size: int
    type: str
    obstacle: str | None
    seconds: float


@dataclass(frozen=True)
class Changes:
    """Global names by what a cell did to them."""

    bound: tuple[str, ...]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]


class Fingerprints:
    """Remembers the variables as the last cell left them."""

    def __init__(self) -> None:
        self._known: dict[str, Fingerprint] = {}
        self._cells: dict[str, int] = {}
        self._spent = 0.0

    def after_cell(
        self, cell: int, live: dict[str, Any], named: set[str], run_seconds: float
    ) -> tuple[Changes, tuple[Variable, ...]]:
        """Compare with what was there before; ``named`` are the names in the cell's text, seconds those of the run."""
        library_index().refresh()
        buffers, shell = Buffers(), shell_parts()
        frugal = self._spent > 1.0 + run_seconds
        now = {name: self._look(name, value, (buffers, shell), named, frugal=frugal) for name, value in live.items()}
        before = self._known
        bound = tuple(name for name in now if name not in before)
        changed = tuple(name for name in now if name in before and now[name].digest != before[name].digest)
        deleted = tuple(name for name in before if name not in now)
        self._known = now
        self._cells = {name: self._cells.get(name, cell) for name in now} | dict.fromkeys((*bound, *changed), cell)
        return Changes(bound, changed, deleted), self._variables()

    def _variables(self) -> tuple[Variable, ...]:
        return tuple(
            Variable(name, print_.type, print_.size, self._cells[name], print_.obstacle)
            for name, print_ in self._known.items()
        )

    def _look(
        self, name: str, value: Any, known_here: tuple[Buffers, dict[int, str]], named: set[str], *, frugal: bool
    ) -> Fingerprint:
        known = self._known.get(name)
        if frugal and known is not None and known.seconds > _SLOW_SECONDS and name not in named:
            return known
        started = time.perf_counter()
        print_ = _simple(value) if type(value) in _SIMPLE else _measured(value, *known_here)
        seconds = time.perf_counter() - started
        self._spent += seconds
        return Fingerprint(print_.digest, print_.size, print_.type, print_.obstacle, seconds)


def _simple(value: Any) -> Fingerprint:
    text = repr(value).encode()
    return Fingerprint(type(value).__name__.encode() + text, len(text), type(value).__name__, None, 0.0)


class _Sink:
    """Hashes and counts what is written to it, buffers outside the stream included."""

    def __init__(self, buffers: Buffers) -> None:
        self.bytes = 0
        self._digest = hashlib.blake2b(digest_size=16)
        self._buffers = buffers

    def write(self, data: Any) -> int:
        self._digest.update(data)
        size = len(data)
        self.bytes += size
        return size

    def buffer(self, buffer: pickle.PickleBuffer) -> bool:
        """Take a buffer in by a checksum; one that was seen at this boundary already is not counted again."""
        data = buffer.raw()
        key = (_address(data), data.nbytes)
        if key not in self._buffers:
            self._buffers[key] = zlib.crc32(data)
            self.bytes += data.nbytes
        self._digest.update(self._buffers[key].to_bytes(4, "big"))
        return False

    def digest(self) -> bytes:
        return self._digest.digest()


def _address(data: memoryview) -> int:
    import ctypes  # noqa: PLC0415 - only here

    if data.readonly or not data.nbytes:
        return id(data.obj)
    return ctypes.addressof(ctypes.c_char.from_buffer(data))


def _measured(value: Any, buffers: Buffers, shell: dict[int, str]) -> Fingerprint:
    kind = _type_name(value)
    try:
        sink = with_room(lambda: _written(value, buffers, shell))
    except Exception as error:  # noqa: BLE001 - whatever a user's class raises is the obstacle
        reason = str(error) or type(error).__name__
        return Fingerprint(id(value).to_bytes(8, "big"), 0, kind, reason, 0.0)
    return Fingerprint(sink.digest(), sink.bytes, kind, None, 0.0)


def _written(value: Any, buffers: Buffers, shell: dict[int, str]) -> _Sink:
    sink = _Sink(buffers)
    StatePickler(sink, sink.buffer, shell).dump(value)
    return sink


def _type_name(value: Any) -> str:
    kind = type(value)
    return (
        kind.__qualname__ if kind.__module__ in {"builtins", "__main__"} else f"{kind.__module__}.{kind.__qualname__}"
    )
