"""Clients of a broker that is away: nothing of them is left."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

# In a process of its own: kafka-python leaves sockets of attempts that failed to the collector of garbage.
_PROGRAM = """
import sys, threading, kafka
from j2k_dev.worker.kafka.client import connected
from j2k_dev.worker.kafka.settings import KafkaSettings
for _ in range(2):
    try:
        connected(getattr(kafka, sys.argv[1]), KafkaSettings((sys.argv[2],)), bootstrap_timeout_ms=100)
    except kafka.errors.KafkaError as error:
        print(type(error).__name__, threading.active_count())
"""


@pytest.mark.parametrize("kind", ["KafkaAdminClient", "KafkaConsumer", "KafkaProducer"])
def test_a_client_that_never_came_to_be_leaves_no_thread(kind: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _PROGRAM, kind, address], capture_output=True, text=True, check=True
        )
    assert done.stdout.splitlines() == ["KafkaTimeoutError 1"] * 2, done.stderr
