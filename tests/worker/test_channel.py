"""Lines between forked processes: whole ones, in order, and the other end's end."""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from j2k_dev.worker.channel import Channel

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    pair = Channel.pair()
    yield pair
    for end in pair:
        with suppress(OSError):
            end.close()


def test_lines_arrive_in_order(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    for number in range(3):
        assert ours.send({"number": number, "text": "ü\n"})
    assert theirs.receive_ready() == [{"number": number, "text": "ü\n"} for number in range(3)]
    assert theirs.receive_ready() == []


def test_half_a_line_waits_for_the_rest(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    os.write(ours.descriptor, b'{"a"')
    assert theirs.receive_ready() == []
    os.write(ours.descriptor, b": 1}\n")
    assert theirs.receive_ready() == [{"a": 1}]


def test_long_lines_arrive_whole(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    line = {"text": "x" * 3_000_000}
    sending = threading.Thread(target=ours.send, args=(line,))
    sending.start()
    assert theirs.wait_for_line() == line
    sending.join()


def test_the_other_ends_end_is_noticed_after_its_last_words(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    ours.send({"last": "words"})
    ours.close()
    assert theirs.receive_ready() == [{"last": "words"}]
    assert theirs.closed
    assert theirs.wait_for_line() is None


def test_sending_to_nobody_says_so(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    theirs.close()
    assert not ours.send({"anybody": "there"})
    assert ours.closed


def test_a_notebook_that_changes_how_json_is_written_changes_nothing_here(
    ends: tuple[Channel, Channel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json, "dumps", lambda *_args, **_options: "not JSON")
    ends[0].send({"ready": True})
    assert ends[1].receive() == [{"ready": True}]
