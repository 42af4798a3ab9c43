"""A real Kafka broker for the tests of the bus: a given one, or the sandbox's in a container of its own."""

from __future__ import annotations

import contextlib
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
    from j2k_dev.sandbox.kafka import KafkaSandbox

    with KafkaSandbox(os.environ.get(IMAGE) or _sandbox_image()) as kafka:
        container = kafka.get_wrapped_container()
        yield Broker(kafka.bootstrap, lambda: container.restart(timeout=0))


def _sandbox_image() -> str:
    """Have the image of the sandbox's broker, which these tests are marked to need."""
    from j2k_dev.sandbox.commands import SystemRunner
    from j2k_dev.sandbox.docker_engine.engine import connect
    from j2k_dev.sandbox.images import provide_images
    from tests.cluster.handle import Said

    with contextlib.closing(connect()) as client:
        return provide_images("packages", client, SystemRunner(), Said()).kafka.reference


def _restart_given() -> None:
    if RESTART not in os.environ:
        pytest.skip(f"set {RESTART} to the command that restarts the broker at {ADDRESS}")
    subprocess.run(shlex.split(os.environ[RESTART]), check=True, timeout=120)
