"""What the running cell puts out, kept in files as it comes, so that it outlives a process that the cell ends."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from j2k_dev.worker.outputs import Output

MOST_BYTES = 1 << 20
_MESSAGES = "messages"
_STREAMS = ("stdout", "stderr")
_encode = json.JSONEncoder(default=str).encode  # made once: a cell may print a million times


class Journal:
    """Notes the messages of one cell at a time; of a cell that puts out a great deal, the latest.

    A disk that is full costs this and nothing else: the recording says itself that it is.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(folder / _MESSAGES, flags, 0o644)
        self._bytes = 0

    def clear(self) -> None:
        """Forget everything: another cell begins, or the cell is over."""
        if self._bytes:
            self._bytes = 0
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)

    def note(self, kind: str, content: dict[str, Any]) -> None:
        """Note a message of the kernel protocol."""
        if kind == "stream" and len(content["text"]) > MOST_BYTES:
            content = {**content, "text": content["text"][-MOST_BYTES:]}
        line = _encode([kind, content]).encode() + b"\n"
        with suppress(OSError):
            if self._bytes + len(line) > MOST_BYTES:
                self.clear()
            self._bytes += os.write(self._descriptor, line)


@dataclass(frozen=True)
class Unfinished:
    """What a cell put out before its process ended: outputs as nbformat has them, and the last line of text."""

    outputs: tuple[Output, ...] = ()
    last_line: str = ""


def stream_files(folder: Path) -> dict[str, Path]:
    """Name the files for what goes to the descriptors of stdout and stderr and was not yet taken in."""
    return {name: folder / name for name in _STREAMS}


def unfinished(folder: Path) -> Unfinished:
    """Read what the last cell put out."""
    from j2k_dev.worker.outputs import Collector  # noqa: PLC0415 - only where a process was lost

    collector = Collector()
    collector.start(0)
    for kind, content in _messages(folder):
        collector.message(kind, content)
    for name, path in stream_files(folder).items():
        if text := _content(path)[-MOST_BYTES:].decode("utf-8", "replace"):
            collector.message("stream", {"name": name, "text": text})
    outputs = collector.finished(0)
    printed = "".join(output["text"] for output in outputs if output["output_type"] == "stream")
    return Unfinished(outputs, next(iter(reversed(printed.strip().splitlines())), ""))


def _messages(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Read the messages; a line that a kill tore is left out."""
    found = []
    for line in _content(folder / _MESSAGES).splitlines():
        with suppress(ValueError):
            kind, content = json.loads(line)
            found.append((kind, content))
    return found


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
