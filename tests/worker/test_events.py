"""Event histories: what is appended is read again, and attempts are told from it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from j2k_dev.worker import events
from j2k_dev.worker.events import Event, History, Loss

if TYPE_CHECKING:
    from pathlib import Path


def story(*steps: tuple[int, str, dict[str, object]], worker: str = "w") -> list[Event]:
    return [
        Event(float(place), worker, "run-1", "fit", attempt, name, detail)
        for place, (attempt, name, detail) in enumerate(steps)
    ]


STORY = story(
    (1, "taken", {}),
    (1, "started", {}),
    (1, "restored", {}),
    (1, "cell-started", {"cell": 7}),
    (1, "ended", {"outcome": "lost", "how": "killed by SIGKILL"}),
    (1, "retried", {}),
    (2, "taken", {}),
    (2, "started", {}),
    (2, "ended", {"outcome": "published", "how": ""}),
    (2, "forwarded", {}),
)


def write(folder: Path, happened: list[Event]) -> None:
    for worker in {event.worker for event in happened}:
        history = History(folder, worker)
        for event in happened:
            if event.worker == worker:
                history.append(event)
        history.close()


def test_histories_of_several_workers_are_read_in_order_of_time(tmp_path: Path) -> None:
    first, second = STORY[:2], [replace(event, worker="v") for event in STORY[2:]]
    write(tmp_path, first + second)
    assert events.read_events(tmp_path) == (*first, *second)


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, STORY)
    path = tmp_path / "w.jsonl"
    whole = path.read_bytes()
    for cut in range(len(whole) - len(whole.splitlines()[-1]), len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert events.read_events(tmp_path) == tuple(STORY[:-1])


def test_a_history_that_can_not_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    history = History(tmp_path / "file", "w")
    history.append(STORY[0])
    history.close()
    assert (tmp_path / "file").read_bytes() == b""


def test_no_history_is_no_events(tmp_path: Path) -> None:
    assert events.read_events(tmp_path / "missing") == ()


@given(st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.none(), st.booleans())))
def test_any_detail_survives_its_line(detail: dict[str, object]) -> None:
    event = replace(STORY[0], detail=detail)
    line = events.encode(event)
    assert line.count(b"\n") == 1
    assert events.decode(line) == event


def test_what_is_told_over_a_shared_pipe_is_never_longer_than_one_atomic_write() -> None:
    reader, writer = os.pipe()
    events.tell(writer, replace(STORY[0], detail={"text": "x" * 100_000}))
    assert events.decode(os.read(reader, 100_000)) == STORY[0]
    os.close(reader)
    events.tell(writer, STORY[0])
    os.close(writer)


def test_attempts_are_told_with_their_outcome() -> None:
    told = [(a.number, a.outcome, a.detail, a.started, a.ended) for a in events.attempts_of(STORY, "fit")]
    assert told == [(1, "lost", "killed by SIGKILL", 0.0, 4.0), (2, "published", "", 6.0, 8.0)]


def test_an_attempt_without_an_end_is_running_if_it_is_the_last() -> None:
    assert [a.outcome for a in events.attempts_of(STORY[:3], "fit")] == ["running"]
    assert [a.outcome for a in events.attempts_of([*STORY[:3], *STORY[6:]], "fit")] == ["lost", "published"]


def test_an_attempt_is_lost_with_its_worker() -> None:
    lost = Event(5.0, "zygote", "run-1", "fit", 0, "worker-lost", {"worker": "w", "how": "killed by SIGKILL"})
    (attempt,) = events.attempts_of([*STORY[:4], lost], "fit")
    assert (attempt.outcome, attempt.ended, attempt.detail) == ("lost", 5.0, "killed by SIGKILL")
    assert events.losses_of([*STORY[:4], lost], "fit") == (Loss(1, "while running cell 7", "killed by SIGKILL"),)


def test_other_stages_do_not_count() -> None:
    assert events.attempts_of(STORY, "load") == ()


def test_what_an_attempt_was_doing_is_told_from_its_last_event() -> None:
    told = [events.doing(STORY[:count]) for count in range(1, 5)]
    assert told == ["while starting", "while restoring the state", "before its first cell", "while running cell 7"]
    assert events.doing([*STORY[:4], *story((1, "cell-finished", {"cell": 7}))]) == "after cell 7"


def test_a_line_is_plain_json() -> None:
    assert json.loads(events.encode(STORY[3]))["detail"] == {"cell": 7}
