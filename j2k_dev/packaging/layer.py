"""Layers: tar files that are the same, byte for byte, whenever they are made of the same files."""

from __future__ import annotations

import hashlib
import os
import tarfile
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from j2k_dev.engine.workspace import disk_full, is_disk_full
from j2k_dev.model.errors import MachineryFailed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from j2k_dev.packaging.tree import Entry


@dataclass(frozen=True)
class Layer:
    """A layer on disk; ``size`` in bytes.

    Our own are not compressed, so that their hash is also that of their content; else ``content`` is the latter, as
    registries write it, and ``compression`` the way: ``gzip`` or ``zstd``.
    """

    file: Path
    sha256: str
    size: int
    content: str = ""
    compression: str = ""

    @property
    def digest(self) -> str:
        """The hash as registries write it."""
        return f"sha256:{self.sha256}"

    @property
    def diff_id(self) -> str:
        """The hash of what is in it, as configurations name layers."""
        return self.content or self.digest


def write_layer(entries: Iterable[Entry], target: Path) -> Layer:
    """Write sorted entries as a layer: numeric owner 0, time 0; complete or absent."""
    partial = target.with_name(f"{target.name}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            hashing = _Hashing(file)
            _write(entries, hashing)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        raise (disk_full(target) if is_disk_full(error) else error) from error
    finally:
        partial.unlink(missing_ok=True)
    return Layer(target, hashing.hexdigest(), hashing.size)


def _write(entries: Iterable[Entry], output: _Hashing) -> None:
    with tarfile.open(fileobj=output, mode="w|", format=tarfile.GNU_FORMAT, errors="surrogateescape") as tar:  # type: ignore[call-overload]
        for entry in entries:
            _add(tar, entry)


def _add(tar: tarfile.TarFile, entry: Entry) -> None:
    info = tarfile.TarInfo(entry.path.lstrip("/"))
    info.mode, info.size = entry.mode, entry.size
    if entry.kind == "dir":
        info.type = tarfile.DIRTYPE
    if entry.kind == "link":
        info.type, info.linkname = tarfile.SYMTYPE, entry.link
    if entry.source:
        _add_from_disk(tar, info, entry)
    elif entry.data is not None:
        tar.addfile(info, BytesIO(entry.data))
    else:
        tar.addfile(info)


def _add_from_disk(tar: tarfile.TarFile, info: tarfile.TarInfo, entry: Entry) -> None:
    """Copy a file, making sure that it is still the one whose hash was taken."""
    with open(entry.source, "rb") as file:  # noqa: PTH123 - thousands of them
        source = _Reading(file, entry.data or b"")
        try:
            tar.addfile(info, source)  # type: ignore[arg-type]  # it has what is asked for: read
        except OSError as error:
            raise (error if is_disk_full(error) else _changed(entry)) from error
    if entry.sha256 and source.hexdigest() != entry.sha256:
        raise _changed(entry)


def _changed(entry: Entry) -> MachineryFailed:
    return MachineryFailed(
        f"{entry.source} changed while it was packed", "run the same command again when nothing is being installed"
    )


class _Hashing:
    """A stream that hashes what is written through it."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.size += len(data)
        return self._target.write(data)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


class _Reading:
    """A stream that hashes what is read through it; ``head`` stands in the place of the first bytes."""

    def __init__(self, source: BinaryIO, head: bytes) -> None:
        self._source = source
        self._head = head
        self._hash = hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self._source.read(size)
        head, self._head = self._head[: len(data)], self._head[len(data) :]
        data = head + data[len(head) :]
        self._hash.update(data)
        return data

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
