"""A state written down: one skeleton (a pickle of the whole namespace) plus content-addressed blobs.

    magic line · length of the header · header (JSON) · pickle stream

The stream holds the interpreter's hidden state that comes first (environment, path, …), a record for each variable, and
the hidden state that comes after. A snapshot is complete or absent, and named by the hash of its content.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import struct
import sys
import types
from dataclasses import asdict, dataclass
from json import dumps, loads
from typing import TYPE_CHECKING, Any

from j2k_dev.model.errors import Refused
from j2k_dev.worker.atomic import publish
from j2k_dev.worker.blobs import BlobDamaged, BlobRef, BlobStore
from j2k_dev.worker.hidden.history import OUTPUTS, guarded_outputs
from j2k_dev.worker.state.deep import with_deep_stack, with_room
from j2k_dev.worker.state.pickler import StatePickler, StateUnpickler, notebook_namespace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from IPython.core.interactiveshell import InteractiveShell

    from j2k_dev.worker.hidden import Carrier

MAGIC = b"j2k-snapshot 1\n"
OUT_OF_BAND = 1 << 16
_LENGTH = struct.Struct(">Q")

# What every notebook's namespace has from the start; IPython's own names travel as hidden state.
_HISTORY = re.compile(r"_i?\d+")
_GIVEN = {
    "__name__", "__doc__", "__package__", "__loader__", "__spec__", "__builtin__", "__builtins__", "_ih", "_oh", "_dh",
    "In", "Out", "get_ipython", "exit", "quit", "open", "_", "__", "___", "_i", "_ii", "_iii",
}  # fmt: skip


class CannotHandOver(Exception):  # noqa: N818 - says what is the case
    """Something that is live can't be written down or read back."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


@dataclass(frozen=True)
class Header:
    """What a snapshot says of itself; ``records`` are in the order of the stream, ``order`` that of the namespace."""

    before: list[str]
    records: list[str]
    after: list[str]
    order: list[str]
    blobs: list[list[Any]]
    files: dict[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """A snapshot that was published; sizes in bytes, blobs included."""

    sha256: str
    bytes: int


def variables(shell: InteractiveShell) -> dict[str, Any]:
    """Return the notebook's own variables in namespace order."""
    given = shell.user_ns_hidden
    return {
        name: value
        for name, value in list(shell.user_ns.items())
        if not (name in _GIVEN and (name not in given or given[name] is value or name.startswith("_")))
        and not (name in given and given[name] is value and _HISTORY.fullmatch(name))
    }


def take(
    shell: InteractiveShell,
    carriers: Sequence[Carrier],
    store: BlobStore,
    folder: Path,
    files: Mapping[str, Any],
    leave_out: Iterable[str] = (),
    meanwhile: Callable[[], object] = lambda: None,
) -> Snapshot:
    """Write down the live state and publish it; raise CannotHandOver for the first thing that can't travel.

    What was shown (``Out``, ``_3``) and can't travel is replaced by something that says so when it is used.
    ``meanwhile`` is called while half of it is written.
    """
    try:
        return _take_somehow(shell, carriers, store, folder, files, leave_out, meanwhile)
    except CannotHandOver as error:
        if error.name != OUTPUTS:
            raise
    return _take_somehow(shell, guarded_outputs(carriers, pickles), store, folder, files, leave_out, meanwhile)


def _take_somehow(shell: InteractiveShell, carriers: Sequence[Carrier], store: BlobStore, *rest: Any) -> Snapshot:
    """Take the usual way, and start over with a deep stack where that recursed too deeply."""
    try:
        return _take(shell, carriers, _Writer(store), *rest)
    except CannotHandOver as error:
        if not isinstance(error.__cause__, RecursionError):
            raise
    return _take(shell, carriers, _Writer(store, deep=True), *rest)


def _take(
    shell: InteractiveShell,
    carriers: Sequence[Carrier],
    writer: _Writer,
    folder: Path,
    files: Mapping[str, Any],
    leave_out: Iterable[str],
    meanwhile: Callable[[], object],
) -> Snapshot:
    live = variables(shell)
    for name in leave_out:
        live.pop(name, None)
    before = writer.hidden("before", shell, carriers)
    records = sorted(live, key=lambda name: _rank(live[name]))
    for name in records:
        writer.record(f"variable {name}", live[name])
    after = writer.hidden("after", shell, carriers)
    blobs = [[blob.sha256, blob.bytes, list(blob.stamp)] for blob in writer.blobs]
    return writer.publish(folder, Header(before, records, after, list(live), blobs, dict(files)), meanwhile)


def pickles(value: Any) -> bool:
    """Tell whether something can be written down, by trying."""
    try:
        _try_writing(value)
    except Exception:  # noqa: BLE001 - whatever a notebook's class raises, it can't
        return False
    return True


def _try_writing(value: Any) -> None:
    with_room(lambda: StatePickler(_Nowhere(), lambda _buffer: False).dump(value))


class _Nowhere:
    def write(self, data: bytes) -> int:
        return len(data)


def hidden_obstacles(shell: InteractiveShell, carriers: Sequence[Carrier]) -> tuple[str, ...]:
    """Name the hidden state that can't be written down; what was shown never keeps the rest from travelling."""
    reasons = (_obstacle(shell, carrier) for carrier in carriers if f"state of {carrier.name}" != OUTPUTS)
    return tuple(reason for reason in reasons if reason)


def _obstacle(shell: InteractiveShell, carrier: Carrier) -> str:
    try:
        _try_writing(captured(carrier, shell))
    except CannotHandOver as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - as in pickles
        return f"state of {carrier.name}: {_reason(error)}"
    return ""


def _rank(value: Any) -> int:
    """Load modules first, then functions and classes: what loading the rest may call."""
    if isinstance(value, types.ModuleType):
        return 0
    return 1 if isinstance(value, (type, types.FunctionType)) else 2


def captured(carrier: Carrier, shell: InteractiveShell) -> Any:
    """Return what a carrier captures; raise CannotHandOver where it refuses."""
    try:
        return carrier.capture(shell)
    except Refused as error:
        raise CannotHandOver(f"state of {carrier.name}", error.message) from error
    except Exception as error:  # objects that are asked how to pickle them raise what they like
        raise CannotHandOver(f"state of {carrier.name}", _reason(error)) from error


class _Writer:
    """Writes records into one stream and puts large buffers into the store."""

    def __init__(self, store: BlobStore, *, deep: bool = False) -> None:
        self.blobs: list[BlobRef] = []
        self._deep = deep
        self._store = store
        self._stream = io.BytesIO()
        self._pickler = StatePickler(self._stream, self._buffer)

    def _buffer(self, buffer: pickle.PickleBuffer) -> bool:
        data = buffer.raw()
        if data.nbytes < OUT_OF_BAND:
            return True
        self.blobs.append(self._store.put(data))
        return False

    def record(self, what: str, value: Any) -> None:
        try:
            self._dump(value)
        except OSError:
            raise
        except Exception as error:
            raise CannotHandOver(what, _reason(error)) from error

    def _dump(self, value: Any) -> None:
        if self._deep:
            with_deep_stack(lambda: self._pickler.dump(value))
        else:
            self._pickler.dump(value)

    def hidden(self, when: str, shell: InteractiveShell, carriers: Sequence[Carrier]) -> list[str]:
        names = []
        for carrier in carriers:
            if carrier.when == when and (value := captured(carrier, shell)) is not None:
                self.record(f"state of {carrier.name}", value)
                names.append(carrier.name)
        return names

    def publish(self, folder: Path, header: Header, meanwhile: Callable[[], object]) -> Snapshot:
        described = dumps(asdict(header)).encode()
        content = MAGIC + _LENGTH.pack(len(described)) + described + self._stream.getvalue()
        sha256 = hashlib.sha256(content).hexdigest()
        publish(folder / sha256, content, meanwhile)
        return Snapshot(sha256, len(content) + sum({blob.sha256: blob.bytes for blob in self.blobs}.values()))


def _reason(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text if isinstance(error, (pickle.PicklingError, TypeError)) else f"{type(error).__name__}: {text}"


class Restorer:
    """Reads a snapshot back in the order that its parts need: before, files and modules, variables, after."""

    def __init__(self, path: Path, store: BlobStore, *, copy: bool = False) -> None:
        self.header, stream = _read(path)
        buffers = (_buffer_of(store, ref, copy=copy) for ref in self.header.blobs)
        self._unpickler = StateUnpickler(io.BytesIO(stream), buffers)
        self.loaded: dict[str, Any] = {}

    def before(self, shell: InteractiveShell, carriers: Sequence[Carrier]) -> None:
        """Restore the hidden state that imports and variables may need."""
        self._hidden(self.header.before, shell, carriers)

    def variables(self, shell: InteractiveShell) -> None:
        """Load every variable into the live namespace, then give the namespace its order."""
        namespace = notebook_namespace()
        for name in self.header.records:
            namespace[name] = self._load(f"variable {name}")
        for name in self.header.order:
            namespace[name] = namespace.pop(name)
        for name in set(self.header.order) & set(shell.user_ns_hidden):
            if shell.user_ns_hidden[name] is not namespace[name]:
                shell.user_ns_hidden.pop(name)

    def after(self, shell: InteractiveShell, carriers: Sequence[Carrier]) -> None:
        """Restore the hidden state that may refer to variables."""
        self._hidden(self.header.after, shell, carriers)

    def _hidden(self, names: list[str], shell: InteractiveShell, carriers: Sequence[Carrier]) -> None:
        known = {carrier.name: carrier for carrier in carriers}
        for name in names:
            value = self._load(f"state of {name}")
            known[name].restore(shell, value)

    def _load(self, what: str) -> Any:
        try:
            return self._unpickler.load()
        except BlobDamaged:
            raise
        except Exception as error:  # the notebook's classes run code of their own here
            raise CannotHandOver(what, f"it was written down but can't be read back ({_reason(error)})") from error


def _read(path: Path) -> tuple[Header, bytes]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise BlobDamaged(f"snapshot {path.name} is missing") from None
    if hashlib.sha256(content).hexdigest() != path.name:
        raise BlobDamaged(f"snapshot {path.name} has another content")
    start = len(MAGIC) + _LENGTH.size
    (length,) = _LENGTH.unpack(content[len(MAGIC) : start])
    return Header(**loads(content[start : start + length])), content[start + length :]


def _buffer_of(store: BlobStore, ref: list[Any], *, copy: bool) -> Any:
    mapped = store.map(BlobRef(ref[0], ref[1], tuple(ref[2])))
    return bytearray(mapped) if copy else mapped


def import_modules(names: Sequence[str]) -> None:
    """Import modules in the order of the recording; what can't be imported by itself is left to the state."""
    for name in names:
        if name not in sys.modules:
            try:
                __import__(name)
            except Exception:  # noqa: BLE001, S112 - some modules only exist as part of what imported them
                continue
