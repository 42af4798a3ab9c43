"""The manifest: what a working directory holds, as names and entries, with the contents elsewhere under their hash."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from json import dumps, loads
from typing import TYPE_CHECKING, Literal, Protocol

from j2k_dev.model.recording import FileUse

if TYPE_CHECKING:
    from pathlib import Path

_MOST_UP = 2  # levels above the working directory that a name may reach


class BlobStore(Protocol):
    """Content under its SHA-256, durable once ``put_file`` has returned."""

    def put_file(self, path: Path, /) -> str:
        """Store a copy of the file and give the hash of what was copied."""

    def path(self, sha: str, /) -> Path:
        """Give the file that holds this content."""

    def has(self, sha: str, size: int | None = None, /) -> bool:
        """Say whether this content is stored, in its full size where that is known."""


@dataclass(frozen=True)
class FileEntry:
    """One name; ``content`` is a file's SHA-256 or a link's target, ``link`` the first name of a hard-linked file."""

    kind: Literal["file", "dir", "symlink"]
    content: str = ""
    size: int = 0
    mode: int = 0
    mtime_ns: int = 0
    link: str = ""


FileManifest = dict[str, FileEntry]
"""Names relative to the working directory, with ``/``; ``../x`` for what the notebook made beside it."""


def manifest_to_json(manifest: FileManifest) -> str:
    """Write a manifest as JSON, the same text for the same manifest; names that are no UTF-8 survive."""
    return dumps({name: asdict(manifest[name]) for name in sorted(manifest)}, separators=(",", ":"))


def manifest_from_json(text: str | bytes) -> FileManifest:
    """Read a manifest; one that reaches outside of the working directory is not ours, and raises ValueError."""
    manifest = {name: FileEntry(**entry) for name, entry in loads(text).items()}
    for name in manifest:
        _check_name(name)
    return manifest


def changes(before: FileManifest, after: FileManifest) -> tuple[FileUse, ...]:
    """Give the files and links that differ in content between two manifests, sorted by name."""
    uses = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if new and new.kind != "dir" and (old is None or (old.kind, old.content) != (new.kind, new.content)):
            uses.append(FileUse(name, "written", new.size, new.content if new.kind == "file" else None))
        elif old and old.kind != "dir" and (new is None or new.kind == "dir"):
            uses.append(FileUse(name, "deleted", old.size))
    return tuple(uses)


def _check_name(name: str) -> None:
    parts = name.split("/")
    up = sum(part == ".." for part in parts)
    climbs = up > _MOST_UP or ".." in parts[up:] or up == len(parts)
    if climbs or "." in parts or "" in parts or "\0" in name:
        raise ValueError(f"a file name outside of the working directory: {name!r}")
