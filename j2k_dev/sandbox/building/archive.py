"""Image archives that ``docker load`` reads, made without an engine: the same content gives the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from j2k_dev.sandbox.building.recipes import architecture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MAGIC = (b"#!", b"\x7fELF")


@dataclass(frozen=True)
class Entry:
    """A file (``source``), a symbolic link (``link``) or else a folder, at ``name`` in a layer."""

    name: str
    source: Path | None = None
    link: str = ""
    owner: str = "0:0"
    mode: int = 0o755


def entries_of(name: str, source: Path) -> Iterator[Entry]:
    """Give the entries of a file, or of a folder's files, that is to lie at ``name``."""
    if source.is_file():
        yield Entry(name, source)
        return
    for file in sorted(source.rglob("*")):
        if file.is_file():
            yield Entry(f"{name}/{file.relative_to(source).as_posix()}", file)


def write_layer(target: Path, entries: Iterable[Entry]) -> Path:
    """Write a layer: the entries and the folders they lie in, sorted, without times."""
    by_name = {entry.name.strip("/"): entry for entry in entries}
    for name in tuple(by_name):
        for parent in PurePosixPath(name).parents[:-1]:
            by_name.setdefault(str(parent), Entry(str(parent)))
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, entry in sorted(by_name.items()):
            _add(tar, name, entry)
    return target


def write_image(target: Path, tag: str, layers: Sequence[Path], config: Mapping[str, Any]) -> Path:
    """Write a docker-archive of uncompressed layers (bottom first) with an image configuration's ``config``."""
    digests = [_digest(layer) for layer in layers]
    settings = {**config, "Env": [_PATH, *config.get("Env", ())]}
    document = {
        "architecture": architecture(),
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        "history": [{"created_by": "j2k"} for _ in layers],
    }
    content = _json(document)
    name = f"{hashlib.sha256(content).hexdigest()}.json"
    files = [f"{digest}/layer.tar" for digest in digests]
    with tarfile.open(target, "w") as tar:
        _add_bytes(tar, name, content)
        for file, layer in zip(files, layers, strict=True):
            _add(tar, file, Entry(file, layer))
        _add_bytes(tar, "manifest.json", _json([{"Config": name, "RepoTags": [tag], "Layers": files}]))
    return target


def _add(tar: tarfile.TarFile, name: str, entry: Entry) -> None:
    info = tarfile.TarInfo(name)
    info.uid, info.gid = (int(part) for part in entry.owner.split(":"))
    info.mode = entry.mode
    if entry.link:
        info.type, info.linkname = tarfile.SYMTYPE, entry.link
        tar.addfile(info)
    elif entry.source is None:
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
    else:
        with entry.source.open("rb") as stream:
            # What a checkout or an installer made of the mode bits does not count.
            info.mode = 0o755 if stream.read(4).startswith(_MAGIC) else 0o644
            info.size = stream.seek(0, io.SEEK_END)
            stream.seek(0)
            tar.addfile(info, stream)


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _json(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True).encode()
