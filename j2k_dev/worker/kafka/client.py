"""What all parts of the Kafka bus share: trying again until a deadline, and saying in plain words what went wrong.

A broker that is away for a while, or restarts, is no failure: clients wait for it. What a person has to mend is.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

from kafka import errors
from kafka.net.compat import KafkaNetClient

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.worker.kafka import log as kafka_log
from j2k_dev.worker.kafka.settings import (
    BROKER,
    CA_FILE,
    DEADLINE,
    MECHANISM,
    MSK_IAM,
    PASSWORD,
    PROTOCOL,
    REPLICATION,
    SESSION,
    USERNAME,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from j2k_dev.worker.kafka.settings import KafkaSettings

T = TypeVar("T")

FIRST_BACKOFF_SECONDS = 0.05
LONGEST_BACKOFF_SECONDS = 1.0

_SESSION = f"Set {SESSION} to 6 or more, or lower the broker's group.min.session.timeout.ms."
_LOGIN = f"Check {MECHANISM}, {USERNAME} and {PASSWORD}."
_MSK_LOGIN = "Check the role of the pods' service account, and that it trusts that account (docs/promote.md)."
_MSK_RIGHTS = "Let the role's policy have the actions of kafka-cluster that docs/promote.md names."
_RIGHTS = "Let this user read, write and make topics, groups and transactional ids that begin with the pipeline's name."
# What trying again does not mend, and what does.
_WAYS_OUT: dict[type[errors.KafkaError], str] = {
    errors.SaslAuthenticationFailedError: _LOGIN,
    errors.UnsupportedSaslMechanismError: _LOGIN,
    errors.AuthorizationError: _RIGHTS,
    errors.InvalidSessionTimeoutError: _SESSION,
    errors.InvalidReplicationFactorError: f"Set {REPLICATION} to the number of brokers at most.",
    errors.MessageSizeTooLargeError: "Give smaller parameters; have the notebook read what is large from a file.",
    errors.PolicyViolationError: "Ask whoever runs the broker, which has rules for topics.",
    errors.UnsupportedVersionError: "Use Kafka 2.5 or later.",
    errors.KafkaConfigurationError: "Correct the settings.",
}


def connected(kind: Callable[..., Any], settings: KafkaSettings, **options: Any) -> Any:
    """Make a client of kafka-python, or raise what keeps it from connecting and leave nothing of it behind.

    Its constructors connect, and where that fails leave a thread that looks for answers for ever (kafka-python 3.0).
    """
    with ExitStack() as opened:

        def connection(**given: Any) -> Any:
            made = KafkaNetClient(**given)
            opened.callback(made.close)
            return made

        client = kind(kafka_client=connection, **options, **settings.client_options)
        opened.pop_all()
    return client


class NotReached(MachineryFailed):
    """The broker did not answer in time."""


def is_final(error: errors.KafkaError) -> bool:
    """Say whether trying again is useless."""
    return isinstance(error, tuple(_WAYS_OUT))


def explained(settings: KafkaSettings, doing: str, error: errors.KafkaError) -> MachineryFailed:
    """Turn a client's error into one that says what to do; the text holds no secret."""
    kind = type(error).__name__.removesuffix("Error")
    for known, way_out in _WAYS_OUT.items():
        if isinstance(error, known):
            told = f"Kafka at {settings.place} refuses {doing}: {kind}"
            return MachineryFailed(told, _fitting(settings, way_out), str(error))
    reason = kafka_log.why()
    message = f"Kafka at {settings.place} is not reached for {doing} ({reason or kind})"
    if reason:
        way_out = (
            _fitting(settings, _LOGIN) if kafka_log.LOGIN in reason else f"Check {PROTOCOL}, {CA_FILE} and {MECHANISM}."
        )
    else:
        way_out = f"Check that it runs and that {BROKER} and {PROTOCOL} fit; {DEADLINE} is how long j2k waits."
    return NotReached(message, _fitting(settings, way_out), str(error))


def _fitting(settings: KafkaSettings, way_out: str) -> str:
    """Say what to do in the words of the way that is logged in by."""
    own = {_LOGIN: _MSK_LOGIN, _RIGHTS: _MSK_RIGHTS} if settings.mechanism == MSK_IAM else {}
    return own.get(way_out, way_out)


def persistently(settings: KafkaSettings, doing: str, call: Callable[[], T]) -> T:
    """Call until it succeeds, with growing pauses; raise MachineryFailed at once if useless, else at the deadline."""
    deadline = time.monotonic() + settings.deadline
    backoff = FIRST_BACKOFF_SECONDS
    while True:
        try:
            return call()
        except errors.KafkaError as error:
            if is_final(error) or time.monotonic() + backoff > deadline:
                raise explained(settings, doing, error) from error
        time.sleep(backoff)
        backoff = min(2 * backoff, LONGEST_BACKOFF_SECONDS)


def bounded(seconds: float, call: Callable[[], T], meanwhile: Callable[[], object]) -> T:
    """Call in a thread, for the client's calls that wait for ever; ``meanwhile`` is called now and then.

    Raises KafkaTimeoutError at the deadline: the thread then ends with the client, which has to be thrown away.
    """
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    deadline = time.monotonic() + seconds
    thread.join(min(seconds, FIRST_BACKOFF_SECONDS))
    while thread.is_alive() and (left := deadline - time.monotonic()) > 0:
        meanwhile()
        thread.join(min(left, 4 * FIRST_BACKOFF_SECONDS))
    if failure:
        raise failure[0]
    if not outcome:
        raise errors.KafkaTimeoutError(f"no answer within {seconds:g} s")
    return outcome[0]
