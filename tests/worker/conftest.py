"""A real Kafka broker for the tests of the bus: a given one, or one in a container of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from j2k_dev.worker.kafka.settings import BROKER, KafkaSettings, settings_from_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ADDRESS = "J2K_TEST_KAFKA"
RESTART = "J2K_TEST_KAFKA_RESTART"
IMAGE = "J2K_TEST_KAFKA_IMAGE"


@dataclass(frozen=True)
class Broker:
    """Where it is, and how it is restarted without losing anything."""

    address: str
    restart: Callable[[], object]

    def settings(self, session: float = 1.5, deadline: float = 60.0) -> KafkaSettings:
        """Say how to reach it, and how soon it misses somebody."""
        environment = {BROKER: self.address, "KAFKA_SESSION_SECONDS": f"{session}"}
        return settings_from_environment(environment | {"KAFKA_DEADLINE_SECONDS": f"{deadline}"})


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    if ADDRESS in os.environ:
        yield Broker(os.environ[ADDRESS], _restart_given)
        return
    if IMAGE not in os.environ:
        pytest.skip(f"no Kafka: set {ADDRESS} to HOST:PORT of a broker, or {IMAGE} to an image with one")
    from j2k_dev.sandbox.kafka import KafkaSandbox

    with KafkaSandbox(os.environ[IMAGE]) as kafka:
        container = kafka.get_wrapped_container()
        yield Broker(kafka.bootstrap, lambda: container.restart(timeout=0))


def _restart_given() -> None:
    if RESTART not in os.environ:
        pytest.skip(f"set {RESTART} to the command that restarts the broker at {ADDRESS}")
    subprocess.run(shlex.split(os.environ[RESTART]), check=True, timeout=120)
