"""Waiting ends: with what was waited for, with the deadline, or at once when somebody stops it."""

from __future__ import annotations

import threading
import time

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.waiting import answers, wait_until


def late() -> MachineryFailed:
    return MachineryFailed("too late")


def test_waiting_ends_when_the_condition_holds() -> None:
    looks = iter([False, False, True])
    wait_until(lambda: next(looks), 10, late, threading.Event())
    assert next(looks, None) is None


def test_a_deadline_that_passes_is_a_failure() -> None:
    with pytest.raises(MachineryFailed, match="too late"):
        wait_until(lambda: False, 0.05, late, threading.Event())


def test_waiting_can_be_stopped() -> None:
    stop = threading.Event()
    stop.set()
    started = time.monotonic()
    with pytest.raises(MachineryFailed, match="stopped"):
        wait_until(lambda: False, 60, late, stop)
    assert time.monotonic() - started < 5


def test_nobody_answers_where_nobody_listens() -> None:
    assert not answers("http://127.0.0.1:9/")
