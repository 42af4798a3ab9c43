"""A bus asked over a channel, with the real embedded bus behind it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.run import Message
from j2k_dev.worker.bus import LeaseLost
from j2k_dev.worker.channel import Channel
from j2k_dev.worker.remote_bus import RemoteBus, answer
from j2k_dev.worker.sqlite_bus import SqliteBus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MESSAGE = Message("run", "fit", "snapshot", {"n": 1})


@pytest.fixture
def near(tmp_path: Path) -> Iterator[RemoteBus]:
    """Give the asking side; a thread answers with an embedded bus."""
    asking, answering = Channel.pair()

    def serve() -> None:
        far = SqliteBus(tmp_path / "bus.sqlite")
        while (question := answering.wait_for_line()) is not None:
            answering.send(answer(far, question))
        far.close()

    thread = threading.Thread(target=serve)
    thread.start()
    bus = RemoteBus(asking)
    bus.create_topics(["in", "out"])
    yield bus
    asking.close()
    thread.join()
    answering.close()


def test_a_message_comes_through_as_it_was_sent(near: RemoteBus) -> None:
    near.send("in", MESSAGE)
    delivery = near.take("in", "me", 5.0)
    assert delivery is not None
    assert delivery.message == MESSAGE
    assert near.beat(delivery)


def test_what_is_forwarded_is_gone_from_one_topic_and_in_the_next(near: RemoteBus) -> None:
    near.send("in", MESSAGE)
    delivery = near.take("in", "me", 5.0)
    assert delivery is not None
    near.forward(delivery, [("out", MESSAGE)])
    assert near.take("in", "me", 0.0) is None
    following = near.take("out", "me", 5.0)
    assert following is not None
    assert following.message == MESSAGE


def test_a_lease_that_is_lost_is_told_as_that(near: RemoteBus) -> None:
    near.send("in", MESSAGE)
    delivery = near.take("in", "me", 5.0)
    assert delivery is not None
    near.forward(delivery, [])
    with pytest.raises(LeaseLost):
        near.forward(delivery, [("out", MESSAGE)])
    assert near.take("out", "me", 0.0) is None


def test_a_question_that_was_woken_from_is_answered_the_next_time(near: RemoteBus) -> None:
    bell, ring = os.pipe()
    os.write(ring, b"x")
    assert near.take("in", "me", 0.2, (bell,)) is None
    os.read(bell, 1)
    assert near.take("in", "me", 0.2) is None
    near.send("in", MESSAGE)
    assert near.take("in", "me", 5.0, (bell,)) is not None
    os.close(bell)
    os.close(ring)


def test_the_end_of_the_other_process_is_a_failure_by_name() -> None:
    asking, answering = Channel.pair()
    answering.close()
    with pytest.raises(MachineryFailed, match="talks to the broker ended"):
        RemoteBus(asking).create_topics(["in"])
    asking.close()
