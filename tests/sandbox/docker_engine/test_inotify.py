"""The kernel's limits on watching files."""

from pathlib import Path

from j2k_dev.sandbox.docker_engine.inotify import NEEDED, low_limits, raise_limits, way_out
from tests.sandbox.engines import Notes


def switches(folder: Path, **values: int) -> Path:
    """Make a folder like the kernel's."""
    for name, value in (NEEDED | values).items():
        (folder / name).write_text(f"{value}\n")
    return folder


def test_what_is_high_enough_is_left_alone(tmp_path: Path) -> None:
    assert low_limits(switches(tmp_path)) == ()
    raise_limits(notes := Notes(), tmp_path)
    assert notes.told == []


def test_what_is_too_low_is_raised_and_said(tmp_path: Path) -> None:
    raise_limits(notes := Notes(), switches(tmp_path, max_user_instances=128))
    assert low_limits(tmp_path) == ()
    assert notes.told == ["fs.inotify.max_user_instances is 128, and 1024 are needed: raised until the next boot"]


def test_the_way_out_is_a_command(tmp_path: Path) -> None:
    low = low_limits(switches(tmp_path, max_user_instances=128, max_user_watches=8192))
    assert way_out(low) == "sudo sysctl fs.inotify.max_user_instances=1024 fs.inotify.max_user_watches=131072"


def test_where_they_cannot_be_changed_the_command_is_said(tmp_path: Path) -> None:
    switch = switches(tmp_path) / "max_user_instances"
    switch.unlink()
    # A value of the kernel's that not even root can change, and a small one.
    switch.symlink_to("/proc/sys/kernel/cap_last_cap")
    raise_limits(notes := Notes(), tmp_path)
    (told,) = notes.told
    assert "and 1024 are needed: can't be changed from here" in told
    assert told.endswith("sudo sysctl fs.inotify.max_user_instances=1024")


def test_where_there_are_none_nothing_is_said(tmp_path: Path) -> None:
    assert low_limits(tmp_path / "nowhere") == ()
