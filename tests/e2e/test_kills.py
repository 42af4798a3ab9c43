"""Whatever is killed, at whatever moment: the command run again ends with the notebook's own results, once.

A cell that has to be met at work waits for a file outside of the notebook's folder, which the test makes.
"""

import contextlib
import json
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.desk import Desk, kill

pytestmark = pytest.mark.e2e

ZYGOTE, RECORDER = "j2k_dev.worker.zygote", "j2k_dev.recording.recorder"
STAGES = ("print(1)\na = list(range(1000))", "open('b.txt', 'w').write('b' * 100)\nprint(len(a))", "print(3)")
OUTPUTS = ["1\n", "1000\n", "3\n"]

Process = subprocess.Popen[str]


@pytest.fixture
def gate(desk: Desk) -> Path:
    """While this file is there, the second cell waits; beside it lies the mark that the cell makes when it waits."""
    gate = desk.folder.parent / "gate"
    waits = f"import os, pathlib, select\nmark = pathlib.Path({str(gate) + '.new'!r})\n"
    waits += "mark.write_text(str(os.getpid()))\nmark.rename(mark.with_suffix('.mark'))\n"
    waits += f"while os.path.exists({str(gate)!r}):\n    select.select([], [], [], 0.01)"
    desk.notebook("a.ipynb", STAGES[0], f"{waits}\n{STAGES[1]}", STAGES[2])
    gate.touch()
    return gate


def mark(gate: Path) -> Path:
    return gate.with_name("gate.mark")


def up(desk: Desk) -> Process:
    return desk.start("up", "a.ipynb", "--split", "cells", "--json")


def goes_on(desk: Desk) -> None:
    """Run the command again: equal, each stage published once, nobody and nothing left."""
    document = desk.equal("up", "a.ipynb", "--split", "cells")
    assert desk.outputs(document) == OUTPUTS
    assert set(desk.published(document).values()) == {1}
    assert document["unstable"] == []
    assert (Path(document["results"]) / "files" / "b.txt").read_text() == "b" * 100
    desk.nobody_is_left()
    desk.nothing_is_half_written()


def recorded(desk: Desk, gate: Path) -> None:
    """Record, so that the next command waits in a stage."""
    gate.unlink()
    assert desk.j2k("record", "a.ipynb").code == 0
    mark(gate).unlink()
    gate.touch()


def at_work(gate: Path) -> list[int]:
    """Name the process that waits in the second cell, and take its mark away."""
    process = int(mark(gate).read_text())
    mark(gate).unlink()
    return [process]


class TestTheRecorder:
    def test_killed_once_it_records_once_more(self, desk: Desk, gate: Path) -> None:
        process = up(desk)
        desk.until(mark(gate).exists, process)
        gate.unlink()
        gate.touch()
        kill(desk.running(RECORDER))
        gate.unlink()
        told = desk.end(process)
        assert (told.code, told.json["verdict"]) == (0, "equal")
        assert "the recorder was killed, which need not be the notebook's doing: recording once more" in told.all
        goes_on(desk)

    def test_killed_with_its_guard_the_next_command_records(self, desk: Desk, gate: Path) -> None:
        process = up(desk)
        desk.until(mark(gate).exists, process)
        kill(desk.running("j2k_dev.engine.guard"))
        mark(gate).unlink()
        desk.until(mark(gate).exists, process)  # recording once more
        kill(desk.running("j2k_dev.engine.guard"))
        assert desk.end(process).code == 1
        desk.nobody_is_left()
        gate.unlink()
        goes_on(desk)


class TestJ2kItself:
    @pytest.mark.parametrize("where", ["recording", "stage"])
    def test_killed_it_takes_everything_along_and_goes_on_later(self, desk: Desk, gate: Path, where: str) -> None:
        if where == "stage":
            recorded(desk, gate)
        process = up(desk)
        desk.until(mark(gate).exists, process)
        process.kill()
        process.communicate()
        desk.nobody_is_left()
        gate.unlink()
        goes_on(desk)

    def test_killed_at_any_moment_it_goes_on_later(self, desk: Desk, gate: Path) -> None:
        gate.unlink()
        chance = random.Random(7)
        for _ in range(5):
            process = up(desk)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0.05, 0.9))
            process.kill()
            process.communicate()
        goes_on(desk)


def _at_least(desk: Desk, many: int) -> list[int]:
    family = desk.running(ZYGOTE)
    return family if len(family) >= many else []


class TestWorkers:
    @pytest.mark.parametrize(
        "victims",
        [lambda _all, own: own, lambda everybody, _own: everybody, lambda everybody, _own: everybody[:1]],
        ids=["the process of the cells", "all of them", "the zygote"],
    )
    def test_killed_they_are_replaced_and_the_run_ends_well(
        self, desk: Desk, gate: Path, victims: Callable[[list[int], list[int]], list[int]]
    ) -> None:
        recorded(desk, gate)
        process = up(desk)
        desk.until(mark(gate).exists, process)
        kill(victims(sorted(desk.running(ZYGOTE)), at_work(gate)))
        desk.until(mark(gate).exists, process)  # another attempt runs the cell
        gate.unlink()
        told = desk.end(process)
        assert (told.code, told.json["verdict"]) == (0, "equal")
        assert [stage["attempts"] for stage in told.json["stages"]] == [1, 2, 1]
        goes_on(desk)

    def test_killed_too_often_the_stage_fails_by_name_and_the_next_command_tries_again(
        self, desk: Desk, gate: Path
    ) -> None:
        recorded(desk, gate)
        process = up(desk)
        for _ in range(3):
            desk.until(mark(gate).exists, process)
            kill(at_work(gate))
        told = desk.end(process)
        assert told.code == told.json["error"]["exit_code"] == 5
        assert "its process was lost 3 times while running cell 1: killed by SIGKILL" in told.json["error"]["message"]
        gate.unlink()
        goes_on(desk)

    def test_anybody_killed_at_any_moment_is_nobodys_loss(self, desk: Desk, gate: Path) -> None:
        recorded(desk, gate)
        gate.unlink()
        chance = random.Random(11)
        for many in (1, 2, 3, 4, 4):
            process = desk.start("run", "a.ipynb", "--split", "cells", "--fresh", "--json")
            family = desk.until(partial(_at_least, desk, many), process)
            kill(chance.sample(family, 1))
            told = desk.end(process)
            assert (told.code, told.json["verdict"]) == (0, "equal"), told.all
            assert desk.outputs(told.json) == OUTPUTS
        goes_on(desk)


def test_two_commands_at_once_take_turns_and_both_end_well(desk: Desk, gate: Path) -> None:
    first = up(desk)
    desk.until(mark(gate).exists, first)
    second = up(desk)
    assert second.stderr
    lines = iter(second.stderr.readline, "")
    assert any(f"waiting for process {first.pid}" in line for line in lines)
    gate.unlink()
    told = [desk.end(first), desk.end(second)]
    assert [one.code for one in told] == [0, 0]
    assert told[0].json["run"] == told[1].json["run"]
    goes_on(desk)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Desk:
    """Leave a run to damage."""
    desk = Desk(tmp_path_factory.mktemp("made") / "desk", cache)
    desk.folder.mkdir()
    desk.notebook("a.ipynb", *STAGES)
    desk.equal("up", "a.ipynb", "--split", "cells")
    return desk


@pytest.fixture
def copy(made: Desk, desk: Desk) -> Desk:
    """Copy it, to a place of the same name, and edit the last cell, so that the rest is needed again."""
    shutil.copytree(made.folder, desk.folder, dirs_exist_ok=True, symlinks=True)
    shutil.rmtree(desk.folder / ".j2k" / "work")
    desk.notebook("a.ipynb", *STAGES[:-1], f"{STAGES[-1]}\n# edited")
    return desk


class TestDamage:
    """What was truncated since it was written is noticed by name or made anew; a result is never wrong."""

    @pytest.mark.parametrize(
        "pattern",
        [
            "pipeline.json",
            "inputs.json",
            "recordings/*/recording.json",
            "runs/*/run.json",
            "runs/*/request.json",
            "exchange/known/*.json",
            "exchange/runs/*/stage-1/result.json",
            "exchange/snapshots/*",
        ],
    )
    def test_a_file_that_can_be_made_anew_is(self, copy: Desk, pattern: str) -> None:
        for path in (copy.folder / ".j2k").glob(pattern):
            path.chmod(0o644)
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        goes_on(copy)

    @pytest.mark.parametrize(
        ("pattern", "damage"),
        [
            ("blobs/*/*", "truncated"),
            ("blobs/*/*", "overwritten"),
            ("blobs/*/*", "removed"),
            ("snapshots/*", "removed"),
        ],
    )
    def test_what_is_kept_under_its_hash_is_made_anew(self, copy: Desk, pattern: str, damage: str) -> None:
        for path in sorted((copy.folder / ".j2k" / "exchange").glob(pattern)):
            content = path.read_bytes()
            path.unlink()
            if damage != "removed":
                path.write_bytes(content[:-1] if damage == "truncated" else bytes(reversed(content)))
        goes_on(copy)

    def test_the_list_of_files_that_a_recording_began_with_is_made_anew(self, copy: Desk) -> None:
        (inputs,) = (copy.folder / ".j2k" / "recordings").glob("*/inputs.json")
        inputs.write_text("{")
        goes_on(copy)

    @pytest.mark.parametrize("damage", [b"this is no database " * 1000, None])
    def test_the_bus_is_made_anew_with_a_note(self, copy: Desk, damage: bytes | None) -> None:
        bus = copy.folder / ".j2k" / "bus.sqlite"
        bus.write_bytes(damage or bus.read_bytes()[: bus.stat().st_size // 2])
        with pytest.raises(sqlite3.DatabaseError), contextlib.closing(sqlite3.connect(bus)) as connection:
            connection.execute("insert into topics values ('x')")
        told = copy.j2k("up", "a.ipynb", "--split", "cells")
        assert told.code == 0
        assert f"note: {bus} was damaged and is made anew" in told.all
        goes_on(copy)

    def test_a_run_json_of_somebody_else_counts_for_nothing(self, copy: Desk) -> None:
        for path in (copy.folder / ".j2k" / "runs").glob("*/run.json"):
            path.write_text(json.dumps({"run": path.parent.name, "verdict": "equal"}))
        goes_on(copy)
