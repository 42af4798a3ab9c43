"""Open and closed files: they travel by path, mode and position, and what they hold is part of the working directory.

Looking writes nothing: text that waits in a file would show to whoever reads the file, and nothing shows it in the
notebook. Such text waits in the next process too. Waiting bytes can't be seen at all, only that there are some.
"""

from __future__ import annotations

import gc
import io
import os
import pickle
from typing import Any

Reduced = tuple[Any, ...]

_NEWLINES = {"", "\n", "\r", "\r\n"}


def reduce_file(file: Any) -> Reduced:
    """Reduce a file to its path, mode, encoding, position and the text that waits to be written."""
    details = {name: getattr(file, name, None) for name in ("name", "mode", "encoding", "errors")}
    if file.closed:
        return make_closed_file, (details["name"], details["mode"] or "r", details["encoding"])
    if not isinstance(details["name"], str) or not os.path.isfile(details["name"]) or not _is_plain(file):  # noqa: PTH113 - may be bytes or a number
        raise _cannot(f"the open stream {file!r}")
    path = os.path.abspath(details["name"])  # noqa: PTH100 - the name stays as it was given
    buffering = 0 if isinstance(file, io.RawIOBase) else -1
    if not isinstance(file, io.TextIOWrapper):
        refuse_waiting(file)
        return open_again, (path, details, file.tell(), buffering)
    newline, waiting = _text_layer(file)
    details |= {"newline": newline, "line_buffering": file.line_buffering, "write_through": file.write_through}
    return open_again, (path, details, _position(file, waiting), buffering, waiting)


def refuse_waiting(file: Any) -> None:
    """Raise PicklingError if bytes wait in a binary file's buffer to be written, or may."""
    # Behind the end of what was written there are waiting bytes; before the end of what was read there may be some.
    if isinstance(file, (io.BufferedWriter, io.BufferedRandom)) and file.tell() != file.raw.tell():
        raise _cannot(f"the open file {file.name!r}, into which bytes still wait to be written")


def waiting_text(file: io.TextIOWrapper) -> str:
    """Return what waits to be written to a text file; raise PicklingError if that can't be told."""
    return _text_layer(file)[1]


def _text_layer(file: io.TextIOWrapper) -> tuple[str | None, str]:
    """Return what ``newline`` a text file was opened with, and what waits to be written.

    Only the garbage collector tells, without names: newline if given, text read ahead, what waits, position if read.
    """
    refuse_waiting(file.buffer)
    held = gc.get_referents(file)
    first, last = held.index(file.encoding), len(held) - 1 - held[::-1].index(file.errors)
    parts = [part for part in held[first + 1 : last] if type(part) in (str, bytes, list)]
    translates = any(isinstance(part, io.IncrementalNewlineDecoder) for part in held)
    newlines = {""} if translates else _NEWLINES
    newline = parts.pop(0) if parts and type(parts[0]) is str and parts[0] in newlines else None
    if not file.writable():
        return newline, ""
    if file.readable():
        _refuse_both_ways(file, parts, read=any(type(part) is tuple and part[1] for part in held))
        return newline, ""
    if newline and not parts:
        raise _cannot(f"the open file {file.name!r}, into which a line end may wait to be written")
    return newline, _decoded(parts, file)


def _refuse_both_ways(file: io.TextIOWrapper, parts: list[Any], *, read: bool) -> None:
    """Refuse a file for reading and writing with text in between: writing goes on behind what was read ahead."""
    if (parts and not read) or (read and file.tell() != _place(file.buffer)):
        raise _cannot(f"the open file {file.name!r}, into which text may wait to be written or was read ahead")


def _decoded(parts: list[Any], file: io.TextIOWrapper) -> str:
    pieces = parts[0] if parts and isinstance(parts[0], list) else parts
    data = b"".join(piece.encode("ascii") if isinstance(piece, str) else piece for piece in pieces)
    return data.decode(file.encoding, file.errors or "strict")


def _position(file: io.TextIOWrapper, waiting: str) -> int:
    """Return where a text file is; asking it would write what waits."""
    if waiting:
        return _place(file.buffer)
    try:
        return file.tell()
    except OSError as error:
        raise _cannot(f"the open file {file.name!r} ({error})") from error


def _place(buffer: Any) -> int:
    return int(buffer.tell())


def _cannot(what: str) -> pickle.PicklingError:
    return pickle.PicklingError(f"cannot hand over {what}: close it in its cell")


def open_again(path: str, details: dict[str, Any], position: int, buffering: int, waiting: str = "") -> Any:
    """Open a file where it was, without truncating what is in it."""
    mode = _mode(details)
    text = details["encoding"] is not None
    options = {name: details[name] for name in ("encoding", "errors", "newline")} if text else {}
    file: Any = open(path, mode if text else _binary(mode), buffering, opener=_untouched, **options)  # noqa: SIM115 - it stays open
    file.seek(position)
    _raw(file).name = details["name"]
    if text:
        file.reconfigure(line_buffering=details["line_buffering"], write_through=details["write_through"])
    if waiting:
        _let_wait(file, waiting, details["newline"])
    return file


def _untouched(path: str, flags: int) -> int:
    """Open a file with what is in it, whatever the mode does to it otherwise."""
    return os.open(path, flags & ~(os.O_TRUNC | os.O_EXCL), 0o666)


def _let_wait(file: Any, text: str, newline: str | None) -> None:
    """Write text that stays in the file's buffer, as it was in the other process."""
    file.write(text if newline in {None, "", "\n"} else text.replace(newline, "\n"))
    if waiting_text(file) != text:
        raise _cannot(f"the text that waits to be written to {file.name!r}")


def _is_plain(file: Any) -> bool:
    """Tell a file that is what its path names, and not what a compressed one holds."""
    return isinstance(getattr(getattr(file, "buffer", file), "raw", file), io.FileIO)


def _raw(file: Any) -> Any:
    """Return the lowest layer of a file, which knows its name."""
    while not isinstance(file, io.RawIOBase):
        file = getattr(file, "buffer", None) or file.raw
    return file


def _mode(details: dict[str, Any]) -> str:
    mode = details["mode"]
    return mode if isinstance(mode, str) else "rb"


def _binary(mode: str) -> str:
    return mode if "b" in mode else mode + "b"


def make_closed_file(name: Any, mode: str, encoding: str | None) -> Any:
    """Make a closed file that says the name it had."""
    binary = encoding is None
    file: Any = open(os.devnull, "rb" if binary else "r", encoding=encoding)  # noqa: SIM115, PTH123 - closed below
    _raw(file).name = name
    if not binary:
        file.mode = mode
    file.close()
    return file


REDUCERS: dict[type, Any] = dict.fromkeys(
    (io.TextIOWrapper, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.FileIO), reduce_file
)
