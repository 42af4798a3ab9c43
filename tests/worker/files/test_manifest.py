"""The list of what is in a working directory: read only where it stays inside, compared by content."""

import pytest

from j2k_dev.model.recording import FileUse
from j2k_dev.worker.files import FileEntry, changes, manifest_from_json, manifest_to_json


@pytest.mark.parametrize("name", ["/etc/passwd", "../../../x", "a/../../b", "a//b", "..", ".", "", "a/./b", "a\0b"])
def test_a_manifest_that_reaches_outside_is_not_read(name: str) -> None:
    with pytest.raises(ValueError, match="outside"):
        manifest_from_json(manifest_to_json({name: FileEntry("dir")}))


def test_changes_name_written_and_deleted_files_but_no_folders_and_no_times() -> None:
    before = {"gone": FileEntry("file", "a" * 64, 1), "same": FileEntry("file", "b" * 64, 2, mtime_ns=1)}
    after = {"d": FileEntry("dir"), "d/new": FileEntry("file", "c" * 64, 3), "l": FileEntry("symlink", "d/new")}
    after["same"] = FileEntry("file", "b" * 64, 2, mtime_ns=2)
    assert changes(before, after) == (
        FileUse("d/new", "written", 3, "c" * 64),
        FileUse("gone", "deleted", 1),
        FileUse("l", "written", 0),
    )
