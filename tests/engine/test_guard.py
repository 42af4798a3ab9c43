"""Nothing that a guarded program starts outlives it, or whoever asked for it."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from j2k_dev.engine import guard

SECONDS = 30.0
DAEMON = "setsid sh -c 'echo $$ > {mark}; exec sleep 1000' >/dev/null 2>&1 & "


@dataclass
class Guarded:
    """A program under guard, and what is heard of it."""

    process: subprocess.Popen[bytes]
    reading: int
    heard: bytes = field(default=b"")

    def events(self) -> list[dict[str, Any]]:
        """Wait for the end and tell all that was reported."""
        deadline = time.monotonic() + SECONDS
        while select.select([self.reading], [], [], deadline - time.monotonic())[0]:
            chunk = os.read(self.reading, 65536)
            if not chunk:
                return [json.loads(line) for line in self.heard.splitlines() if line.startswith(b"{")]
            self.heard += chunk
        raise AssertionError("still at work")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Guarded]]:
    started: list[Guarded] = []

    def start(script: str, **environment: str) -> Guarded:
        reading, writing = os.pipe()
        lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
        process = subprocess.Popen(
            guard.command(), stdin=subprocess.PIPE, pass_fds=[writing, lock], cwd=tmp_path, start_new_session=True
        )
        os.close(writing)
        guarded = Guarded(process, reading)
        started.append(guarded)
        assert process.stdin is not None
        argv = ["/bin/sh", "-c", script]
        process.stdin.write(guard.order(argv, {"PATH": os.environ["PATH"], **environment}, writing, lock))
        process.stdin.flush()
        os.close(lock)
        return guarded

    yield start
    for guarded in started:
        assert guarded.process.stdin is not None
        guarded.process.stdin.close()
        guarded.process.wait(SECONDS)
        os.close(guarded.reading)


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        select.select([], [], [], 0.01)
    return found


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("true", 0), ("kill -9 $$", -9), ("kill -11 $$", -11)])
def test_it_reports_how_the_program_ended(run: Callable[..., Guarded], script: str, code: int) -> None:
    first, last = run(script).events()
    assert first["process"] > 0
    assert (last["event"], last["code"]) == ("ended", code)


def test_it_reports_how_much_memory_the_program_had(run: Callable[..., Guarded]) -> None:
    events = run(f"{sys.executable} -c 'len(b\"x\" * 200_000_000)'").events()
    assert 200_000_000 < events[-1]["peak_bytes"] < 400_000_000


def test_the_program_has_the_environment_that_was_asked_for_and_no_input(
    run: Callable[..., Guarded], tmp_path: Path
) -> None:
    run("cat > input; echo $COLOUR > colour", COLOUR="blue").events()
    assert (tmp_path / "input").read_text() == ""
    assert (tmp_path / "colour").read_text() == "blue\n"


def test_a_program_that_is_not_there_is_an_exit_status(run: Callable[..., Guarded], tmp_path: Path) -> None:
    events = run("exec /nowhere/python").events()
    assert events[-1]["code"] == 127


@pytest.mark.skipif(sys.platform != "linux", reason="SKIPPED: only Linux hands orphans over")
class TestLeftBehind:
    def test_what_went_into_a_session_of_its_own_ends_with_the_program(
        self, run: Callable[..., Guarded], tmp_path: Path
    ) -> None:
        mark = tmp_path / "mark"
        run(DAEMON.format(mark=mark) + f"while ! test -s {mark}; do :; done").events()
        assert not is_alive(int(mark.read_text()))

    def test_all_of_it_ends_when_nobody_waits_any_more(self, run: Callable[..., Guarded], tmp_path: Path) -> None:
        mark = tmp_path / "mark"
        guarded = run(DAEMON.format(mark=mark) + "exec sleep 1000")
        until(lambda: mark.exists() and mark.read_text())
        assert guarded.process.stdin is not None
        guarded.process.stdin.close()
        assert guarded.events()[-1]["code"] == -signal.SIGKILL
        assert not is_alive(int(mark.read_text()))

    def test_a_terminal_interrupt_is_not_for_it(self, run: Callable[..., Guarded], tmp_path: Path) -> None:
        guarded = run("touch begun; read nothing; exec sleep 0.2")
        until((tmp_path / "begun").exists)
        guarded.process.send_signal(signal.SIGINT)
        assert guarded.events()[-1]["code"] == 0
