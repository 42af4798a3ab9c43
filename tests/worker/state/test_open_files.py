"""Open files: what waits to be written goes on waiting, here and in the next process."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest

from j2k_dev.worker.state.open_files import reduce_file, waiting_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.worker.state.conftest import HandOver

LINES = "line one\nline two\n"
TRAVELS: dict[str, tuple[str, dict[str, Any], Callable[[Any], Any]]] = {
    "text that waits": ("w", {}, lambda file: file.write("one\ntwo")),
    "waiting text in several pieces": ("w", {}, lambda file: [file.write(text) for text in ("one", "zwö", "\n")]),
    "line ends as they were asked for": ("w", {"newline": "\r\n"}, lambda file: file.write("one\ntwo\n")),
    "line ends left alone": ("w", {"newline": ""}, lambda file: file.write("one\r\n")),
    "waiting text behind a mark of byte order": ("w", {"encoding": "utf-16"}, lambda file: file.write("one")),
    "waiting text at the end of another encoding": ("a", {"encoding": "utf-16"}, lambda file: file.write("one")),
    "more text than can wait": ("w", {}, lambda file: file.write("x" * 9000)),
    "text that waits for a line end": ("w", {"buffering": 1}, lambda file: file.write("one\ntwo")),
    "flushed text": ("w", {}, lambda file: (file.write("one"), file.flush())),
    "a file made and read again": ("w+", {}, lambda file: (file.write("one"), file.seek(0), file.read())),
    "a file nobody has read": ("r+", {}, lambda _file: None),
    "flushed bytes": ("wb", {}, lambda file: (file.write(b"one"), file.flush())),
    "bytes that never wait": ("wb", {"buffering": 0}, lambda file: file.write(b"one")),
    "bytes read to the end": ("r+b", {}, lambda file: file.read()),
}
STAYS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "waiting bytes": ("wb", lambda file: file.write(b"one")),
    "text written between reading": ("r+", lambda file: file.write("one")),
    "text read ahead of where writing goes": ("r+", lambda file: file.readline()),
    "bytes read ahead of where writing goes": ("r+b", lambda file: file.read(3)),
    "a loop over lines that is not at its end": ("r", next),
    "a line end that may wait": ("w", lambda file: file.write("\n")),
}


@pytest.mark.parametrize(("mode", "options", "use"), TRAVELS.values(), ids=TRAVELS.keys())
def test_a_file_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, mode: str, options: dict[str, Any], use: Callable[[Any], Any]
) -> None:
    path, more = tmp_path / "file", b"more" if "b" in mode else "more"
    path.write_text(LINES)
    with open(str(path), mode, **options) as file:  # noqa: PTH123 - the name is text
        use(file)
        there = path.read_bytes()
        make, arguments = reduce_file(file)
        with make(*arguments) as again:
            assert path.read_bytes() == there
            assert (again.name, again.mode, again.readable()) == (file.name, file.mode, file.readable())
            again.write(more)
        got = path.read_bytes()
        path.write_bytes(there)
        file.write(more)
    assert path.read_bytes() == got


@pytest.mark.parametrize(("mode", "use"), STAYS.values(), ids=STAYS.keys())
def test_what_cannot_be_seen_without_writing_is_refused(tmp_path: Path, mode: str, use: Callable[[Any], Any]) -> None:
    path = tmp_path / "file"
    path.write_text(LINES)
    with open(str(path), mode) as file:  # noqa: PTH123 - the name is text
        use(file)
        there = path.read_bytes()
        with pytest.raises(pickle.PicklingError, match="close it in its cell"):
            reduce_file(file)
        assert path.read_bytes() == there


def test_reading_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one\r\ntwo\r\nthree")
    with open(str(path), newline="") as file:  # noqa: PTH123 - the name is text
        assert file.readline() == "one\r\n"
        make, arguments = reduce_file(file)
        with make(*arguments) as again:
            assert again.read() == file.read() == "two\r\nthree"


def test_looking_at_a_file_leaves_its_text_waiting(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        file.write("one")
        assert (waiting_text(file), waiting_text(file), (tmp_path / "file").read_text()) == ("one", "one", "")


def test_what_waits_is_not_seen_by_others_in_any_stage(hand_over: HandOver) -> None:
    look = "print(repr(open('f.txt').read()))"
    stages = ("f = open('f.txt', 'w'); n = f.write('one\\n')", f"n = f.write('two\\n'); {look}", f"{look}; f.flush()")
    assert hand_over(*stages, look) == repr("one\ntwo\n")
    assert hand_over(*stages) == "''"
    assert hand_over(*stages[:2]) == "''"
