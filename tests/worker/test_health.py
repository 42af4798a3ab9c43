"""A worker's health as probes and Prometheus ask for it, over a real port."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from j2k_dev.worker.health import SILENCE_SECONDS, Health, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def health() -> Health:
    return Health("fit")


@pytest.fixture
def get(health: Health) -> Iterator[Callable[[str], tuple[int, str]]]:
    server = serve(health, 0)

    def ask(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_address[1]}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    yield ask
    server.shutdown()
    server.server_close()


def test_a_worker_is_alive_before_it_is_ready(health: Health, get: Callable[[str], tuple[int, str]]) -> None:
    assert get("/healthz")[0] == 200
    assert get("/readiness")[0] == 503
    health.ready = True
    assert get("/readiness")[0] == 200


def test_a_worker_whose_loop_is_silent_is_neither(health: Health, get: Callable[[str], tuple[int, str]]) -> None:
    health.ready = True
    health.heard = time.monotonic() - SILENCE_SECONDS - 1
    assert get("/healthz")[0] == 503
    assert get("/readiness")[0] == 503
    health.beat()
    assert get("/healthz")[0] == 200


def test_prometheus_reads_the_counts_with_the_stage(health: Health, get: Callable[[str], tuple[int, str]]) -> None:
    health.counts["taken"] = 3
    status, text = get("/metrics")
    assert status == 200
    assert 'j2k_messages_taken_total{stage="fit"} 3\n' in text
    assert 'j2k_worker_ready{stage="fit"} 0\n' in text


def test_any_other_path_says_what_there_is(get: Callable[[str], tuple[int, str]]) -> None:
    status, text = get("/")
    assert status == 404
    assert "/readiness" in text
