from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.worker.blobs import BlobDamaged, BlobStore

if TYPE_CHECKING:
    from pathlib import Path

SMALL, LARGE = b"content", b"c" * (1 << 23)


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def cut(store: BlobStore, sha256: str) -> None:
    path = store.path(sha256)
    path.chmod(0o644)
    os.truncate(path, 3)


@pytest.mark.parametrize("content", [SMALL, LARGE])
def test_a_truncated_blob_is_written_again(store: BlobStore, content: bytes) -> None:
    ref = store.put(memoryview(content))
    cut(store, ref.sha256)
    assert store.put(memoryview(content)).bytes == len(content)
    assert store.read(ref.sha256) == content


@pytest.mark.parametrize("content", [SMALL, LARGE])
def test_a_truncated_blob_of_a_file_is_written_again(store: BlobStore, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    sha256 = store.put_file(tmp_path / "file")
    cut(store, sha256)
    assert store.put_file(tmp_path / "file") == sha256
    assert store.read(sha256) == content


def test_what_is_there_in_its_full_size_is_not_written_again(store: BlobStore) -> None:
    store.put(memoryview(SMALL))
    written = store.written_bytes
    store.put(memoryview(SMALL))
    assert store.written_bytes == written


def test_a_blob_is_there_only_in_its_full_size(store: BlobStore) -> None:
    sha256 = store.put(memoryview(SMALL)).sha256
    assert store.has(sha256)
    assert store.has(sha256, len(SMALL))
    assert not store.has(sha256, len(SMALL) + 1)
    assert not store.has("0" * 64)


def test_a_damaged_or_missing_blob_is_named_when_it_is_read(store: BlobStore) -> None:
    sha256 = store.put(memoryview(SMALL)).sha256
    cut(store, sha256)
    with pytest.raises(BlobDamaged, match=f"blob {sha256} has another content"):
        store.read(sha256)
    with pytest.raises(MachineryFailed, match="is missing"):
        store.read("0" * 64)
