"""Content-addressed bytes on the exchange: written once, under the hash of their content, complete or absent.

A blob is read by a private memory map. Memory that still shows such a map, with no page changed, is that blob: the
kernel tells (``/proc/self/pagemap``), so nothing is hashed or written again.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import mmap
import os
import struct
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.worker.atomic import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 1 << 22
_LARGE = 1 << 23
_PAGEMAP = Path("/proc/self/pagemap")
_PRESENT_OR_SWAPPED = (1 << 63) | (1 << 62)
_FILE_PAGE = 1 << 61


class BlobDamaged(MachineryFailed):
    """Something that is kept under its hash is missing, truncated, or has another content.

    It is made anew once it is removed: ``actions.context.with_notebook`` does both.
    """


@dataclass(frozen=True)
class BlobRef:
    """A blob as a snapshot names it; ``stamp`` is (inode, size, mtime, ctime in ns) right after it was published."""

    sha256: str
    bytes: int
    stamp: tuple[int, ...]


@dataclass
class Mapping:
    """A private map of a blob into this process's memory."""

    ref: BlobRef
    memory: mmap.mmap
    address: int


@dataclass
class BlobStore:
    """The blobs below one folder."""

    root: Path
    written_bytes: int = 0
    _mappings: dict[int, Mapping] = field(default_factory=dict)

    def path(self, sha256: str) -> Path:
        """Return where the blob is, or would be."""
        return self.root / sha256[:2] / sha256

    def has(self, sha256: str, size: int | None = None, /) -> bool:
        """Tell whether the blob is there, in its full size where that is known."""
        try:
            found = self.path(sha256).stat().st_size
        except FileNotFoundError:
            return False
        return size is None or found == size

    def read(self, sha256: str) -> bytes:
        """Return a blob whole; raise BlobDamaged if it is not what it was."""
        path = self.path(sha256)
        content = path.read_bytes() if path.exists() else None
        if content is None or hashlib.sha256(content).hexdigest() != sha256:
            raise BlobDamaged(f"blob {sha256} {'is missing' if content is None else 'has another content'}")
        return content

    def put(self, data: memoryview) -> BlobRef:
        """Publish bytes; what is there already, or unchanged since it was mapped, is not written again."""
        if unchanged := self._unchanged(data):
            return unchanged
        if data.nbytes < _LARGE:
            sha256 = hashlib.sha256(data).hexdigest()
            return self._ref(sha256) if self.has(sha256, data.nbytes) else self._publish(data)
        return self._publish(data)

    def put_file(self, path: Path) -> str:
        """Publish the content of a file and return its hash."""
        with path.open("rb") as source:
            if os.fstat(source.fileno()).st_size < _LARGE:
                return self.put(memoryview(source.read())).sha256
            return self._publish_file(source)

    def map(self, ref: BlobRef) -> memoryview:
        """Map a blob privately into memory, writable; raise BlobDamaged if it is not what it was."""
        path = self.path(ref.sha256)
        try:
            with path.open("rb") as file:
                self._check(ref, file.fileno())
                memory = mmap.mmap(file.fileno(), ref.bytes, access=mmap.ACCESS_COPY)
        except FileNotFoundError:
            raise BlobDamaged(f"blob {ref.sha256} is missing") from None
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        self._mappings[address] = Mapping(ref, memory, address)
        return memoryview(memory)

    def _check(self, ref: BlobRef, descriptor: int) -> None:
        """Trust a file that has not been touched since it was published; read any other one whole."""
        now = os.fstat(descriptor)
        if now.st_size != ref.bytes:
            raise BlobDamaged(f"blob {ref.sha256} has {now.st_size} bytes instead of {ref.bytes}")
        if _stamp(now) != ref.stamp and _hash_of(descriptor) != ref.sha256:
            raise BlobDamaged(f"blob {ref.sha256} has another content")

    def _unchanged(self, data: memoryview) -> BlobRef | None:
        if not self._mappings or not data.nbytes:
            return None
        mapping = self._mappings.get(_address(data))
        if mapping is None or mapping.ref.bytes != data.nbytes or not _untouched(mapping):
            return None
        return mapping.ref

    def _ref(self, sha256: str) -> BlobRef:
        now = self.path(sha256).stat()
        return BlobRef(sha256, now.st_size, _stamp(now))

    def _publish(self, data: memoryview) -> BlobRef:
        with self._temporary() as (descriptor, temporary):
            sha256 = _write_and_hash(descriptor, data.cast("B"))
            self._place(descriptor, temporary, sha256)
        return self._ref(sha256)

    def _publish_file(self, source: IO[bytes]) -> str:
        with self._temporary() as (descriptor, temporary):
            sha256 = _copy_and_hash(descriptor, source)
            self._place(descriptor, temporary, sha256)
        return sha256

    def _place(self, descriptor: int, temporary: Path, sha256: str) -> None:
        """Make a written file the blob of its content, unless that is there already."""
        final, size = self.path(sha256), os.fstat(descriptor).st_size
        if self.has(sha256, size):
            return
        os.fchmod(descriptor, 0o444)
        os.fsync(descriptor)
        final.parent.mkdir(exist_ok=True)
        temporary.rename(final)
        sync_folder(final.parent)
        self.written_bytes += size

    @contextlib.contextmanager
    def _temporary(self) -> Iterator[tuple[int, Path]]:
        self.root.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".new-", dir=self.root)
        try:
            yield descriptor, Path(name)
        finally:
            os.close(descriptor)
            Path(name).unlink(missing_ok=True)


class _Buffer(ctypes.Structure):
    """CPython's Py_buffer, as far as its address is needed; the rest is room."""

    _fields_ = (("address", ctypes.c_void_p), ("rest", ctypes.c_byte * 256))


def _address(data: memoryview) -> int:
    """Return where a buffer is in memory; ctypes' own way refuses read-only ones, such as Arrow's."""
    view = _Buffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(data), ctypes.byref(view), 0)
    try:
        return view.address or 0
    finally:
        ctypes.pythonapi.PyBuffer_Release(ctypes.byref(view))


def _copy_and_hash(descriptor: int, source: IO[bytes]) -> str:
    """Hash the very bytes that are written: the file may change while it is read."""
    digest = hashlib.sha256()
    while chunk := source.read(CHUNK):
        digest.update(chunk)
        _write_all(descriptor, memoryview(chunk))
    return digest.hexdigest()


def _write_and_hash(descriptor: int, data: memoryview) -> str:
    """Write and hash at the same time: both release the interpreter's lock."""
    if data.nbytes < _LARGE:
        _write_all(descriptor, data)
        return hashlib.sha256(data).hexdigest()
    with ThreadPoolExecutor(1) as pool:
        hashed = pool.submit(lambda: hashlib.sha256(data).hexdigest())
        _write_all(descriptor, data)
        os.fsync(descriptor)  # while the hash is still being computed
        return hashed.result()


def _write_all(descriptor: int, data: memoryview) -> None:
    position = 0
    while position < data.nbytes:
        position += os.write(descriptor, data[position : position + CHUNK])


def _hash_of(descriptor: int) -> str:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        digest = hashlib.sha256()
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _untouched(mapping: Mapping) -> bool:
    """Tell whether every page of a private map is still the file's: a written page is the process's own (anonymous).

    Documentation/admin-guide/mm/pagemap.rst of Linux: 64 bits for each page; 63 present, 62 swapped, 61 file-mapped.
    """
    page = mmap.PAGESIZE
    count = -(-mapping.ref.bytes // page)
    try:
        with _PAGEMAP.open("rb", buffering=0) as pagemap:
            pagemap.seek(mapping.address // page * 8)
            entries = pagemap.read(count * 8)
    except OSError:
        return False
    if len(entries) != count * 8:
        return False
    return all(_is_file_page(entry) for entry in set(struct.unpack(f"={count}Q", entries)))


def _is_file_page(entry: int) -> bool:
    return not entry & _PRESENT_OR_SWAPPED or bool(entry & _FILE_PAGE and not entry & (1 << 62))
