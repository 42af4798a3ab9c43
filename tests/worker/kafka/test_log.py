"""The log of kafka-python: kept short, and asked why a broker is not reached."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

import pytest

from j2k_dev.worker.kafka import log as kafka_log

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def client() -> Iterator[logging.Logger]:
    """Give a logger as the client's modules have."""
    parent = logging.getLogger("kafka")
    before = parent.propagate, list(parent.handlers)
    kafka_log.listen()
    yield logging.getLogger("kafka.net.connection")
    parent.propagate, parent.handlers = before


WRONG_PASSWORD = """\
Bootstrap connection to 0 failed: [Error 58] SaslAuthenticationFailedError: Authentication failed: Invalid username or \
password (backoff 1.18 secs)"""
WRONG_CERTIFICATE = """\
Handshake failed: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)"""


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (WRONG_PASSWORD, "Authentication failed: Invalid username or password"),
        ("SaslHandshake failed: UnsupportedSaslMechanismError", "UnsupportedSaslMechanismError"),
        (WRONG_CERTIFICATE, "certificate verify failed: self-signed certificate"),
        ("Connection failed: KafkaConnectionError: 111 ECONNREFUSED", ""),
    ],
)
def test_the_reason_is_found(client: logging.Logger, line: str, reason: str) -> None:
    client.error("%s", line)
    assert kafka_log.why() == reason


def test_a_reason_of_an_earlier_connection_is_forgotten(client: logging.Logger) -> None:
    client.error("Authentication failed: no")
    kafka_log.listen()
    assert kafka_log.why() == ""


def test_each_kind_of_line_is_written_once(client: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(50):
        client.error("socket %s disconnected for the test, attempt %s", number, number)
        client.warning(f"<Task at 0x{number:x}> of the test ran for 0.{number} s")
        client.info("nothing to see")
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_that_the_client_is_slow_is_no_news(client: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    client.warning("Task %r ran for %.3fs (>%.3fs threshold). It is blocking the event loop", "<task>", 0.272, 0.1)
    client.warning("connection lost")
    assert capsys.readouterr().err == "kafka.net.connection: connection lost\n"


def test_a_closed_standard_error_is_no_failure(client: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr("sys.stderr", closed)
    client.error("a line that nobody reads")
