"""A daemon of our own, with a program that looks like dockerd."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.docker_engine import daemon as daemons
from j2k_dev.sandbox.docker_engine.daemon import Daemon, can_serve, find, start, stop
from j2k_dev.sandbox.docker_engine.engine import DEFAULT_ADDRESS, answers
from tests.sandbox.engines import place

DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run somebody else's daemon, which differs in its pid file only."""
    arguments = ["-c", "import time; time.sleep(600)", f"--pidfile={tmp_path / 'docker.pid'}"]
    with subprocess.Popen([sys.executable, *arguments]) as process:
        yield process
        process.kill()


class TestStarting:
    def test_it_answers_then(self, daemon: Daemon) -> None:
        pid = start(daemon)
        assert answers()
        assert find(daemon) == pid == int(daemon.pid_file.read_text())

    def test_it_is_no_child_that_ends_with_us(self, daemon: Daemon) -> None:
        pid = start(daemon)
        assert os.getsid(pid) == pid

    def test_the_second_time_it_is_left_running(self, daemon: Daemon) -> None:
        assert start(daemon) == start(daemon)

    def test_one_that_is_on_its_way_is_waited_for(self, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_DELAY", "1")
        daemon.folder.mkdir(parents=True)
        pid = daemons._spawn(daemon, bounded=False)
        assert start(daemon) == pid

    def test_a_number_from_before_the_last_boot_does_not_count(
        self, daemon: Daemon, stranger: "subprocess.Popen[bytes]"
    ) -> None:
        daemon.folder.mkdir(parents=True)
        daemon.pid_file.write_text(str(stranger.pid))
        containerd = daemon.exec_root / "containerd" / "containerd.pid"
        containerd.parent.mkdir(parents=True)
        containerd.write_text(str(stranger.pid))
        assert find(daemon) is None
        assert start(daemon) != stranger.pid
        assert not containerd.exists()

    def test_one_that_ends_at_once_says_why(self, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_ERROR", "failed to start daemon: Devices cgroup isn't mounted")
        with pytest.raises(MachineryFailed, match="dockerd ended right after its start") as told:
            start(daemon)
        assert "Devices cgroup isn't mounted" in told.value.detail
        assert "$ prlimit --nofile=" in told.value.detail
        assert str(daemon.log) in told.value.way_out

    def test_one_that_never_answers_is_given_up(self, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(daemons, "_START_SECONDS", 0.5)
        monkeypatch.setenv("FAKE_DELAY", "60")
        with pytest.raises(MachineryFailed, match=r"does not answer at unix://.* after 0\.5 seconds"):
            start(daemon)

    def test_without_the_program_the_package_is_named(self, daemon: Daemon, programs: Path) -> None:
        (programs / "dockerd").unlink()
        with pytest.raises(MachineryFailed, match="dockerd is not installed") as told:
            start(daemon)
        assert told.value.way_out == "apt-get install docker.io"

    def test_open_files_are_not_limited_more_than_they_have_to_be(self, daemon: Daemon) -> None:
        limits = Path(f"/proc/{start(daemon)}/limits").read_text()
        soft, hard = next(line.split()[3:5] for line in limits.splitlines() if line.startswith("Max open files"))
        assert soft == hard


class TestArguments:
    def test_the_usual_daemon_is_told_no_more_than_its_pid_file(self, tmp_path: Path) -> None:
        daemon = Daemon(tmp_path)
        assert daemon.arguments(bounded=False) == (f"--pidfile={tmp_path}/dockerd.pid",)
        assert daemon.exec_root == Path("/var/run/docker")

    def test_another_address_has_everything_of_its_own(self, tmp_path: Path) -> None:
        daemon = Daemon(tmp_path, "unix:///tmp/x.sock", Path("/big"))
        assert daemon.arguments(bounded=False)[1:] == (
            "--host=unix:///tmp/x.sock",
            "--exec-root=/tmp/x.sock.run",
            "--data-root=/big",
        )

    def test_where_capabilities_lack_ours_is_the_runtime(self, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(daemons, "lacks_capabilities", lambda: True)
        pid = start(daemon)
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        assert {f"--add-runtime=bounded={daemon.runtime}", "--default-runtime=bounded"} < set(words)
        assert daemon.runtime.stat().st_mode & 0o111
        told = subprocess.run([daemon.runtime, "--version"], check=False, capture_output=True, text=True)
        # Without a runc on the path, the wrapper gets as far as becoming one.
        assert "FileNotFoundError" in told.stderr

    @pytest.mark.parametrize(
        ("address", "possible"), [(DEFAULT_ADDRESS, True), ("tcp://host:2376", False), ("ssh://host", False)]
    )
    def test_only_sockets_of_this_machine_can_be_served(self, address: str, possible: bool) -> None:
        assert can_serve(address) is possible


class TestStopping:
    def test_exactly_ours_is_stopped(self, daemon: Daemon, stranger: "subprocess.Popen[bytes]") -> None:
        pid = start(daemon)
        assert stop(daemon) == pid
        assert not answers()
        assert find(daemon) is None
        assert stranger.poll() is None

    def test_where_ours_does_not_run_nothing_is_stopped(
        self, daemon: Daemon, stranger: "subprocess.Popen[bytes]"
    ) -> None:
        daemon.folder.mkdir(parents=True)
        daemon.pid_file.write_text(str(stranger.pid))
        assert stop(daemon) is None
        assert stranger.poll() is None

    def test_one_of_another_cache_is_not_ours(self, daemon: Daemon, tmp_path: Path) -> None:
        start(daemon)
        assert stop(replace(daemon, folder=tmp_path / "other")) is None
        assert answers()

    def test_one_that_does_not_end_is_said(
        self, daemon: Daemon, programs: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place(programs / "dockerd", f"#!{sys.executable} -IS\n{DEAF}")
        monkeypatch.setattr(daemons, "_STOP_SECONDS", 0.3)
        daemon.folder.mkdir(parents=True)
        pid = daemons._spawn(daemon, bounded=False)
        try:
            while "up" not in daemon.log.read_text():
                threading.Event().wait(0.05)
            with pytest.raises(MachineryFailed, match=r"has not ended 0\.3 seconds after SIGTERM") as told:
                stop(daemon)
            assert f"kill -9 {pid}" in told.value.way_out
        finally:
            os.kill(pid, signal.SIGKILL)
