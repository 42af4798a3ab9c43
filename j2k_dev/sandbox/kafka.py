"""The Kafka broker: one KRaft node with a name for everyone who wants to reach it.

``KafkaSandbox`` stands alone too, as a fixture of tests: ``with KafkaSandbox(image) as kafka: kafka.bootstrap``.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.containers import LOOPBACK, endpoint, free_port
from j2k_dev.sandbox.kafka_config import COMMAND, HOST_PORT, environment, server_properties
from j2k_dev.sandbox.model import KAFKA_SERVICE
from j2k_dev.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from docker import DockerClient

    from j2k_dev.sandbox.containers import Spec

READY_TOPIC = "j2k.ready"

_READY_SECONDS = 90.0
_REQUEST_SECONDS = 5.0
_LOG_LINES = 15


class KafkaSandbox(DockerContainer):  # type: ignore[misc] # testcontainers' classes are not looked into
    """A Kafka broker in a container; ``start`` returns once it has committed a transaction.

    ``port`` and ``proxied_port`` are ports of this machine, chosen where they are not given. Further arguments go to
    Docker as they are: ``name``, ``labels``, ``network`` ...
    """

    def __init__(self, image: str, *, port: int = 0, proxied_port: int = 0, name: str = "", **arguments: Any) -> None:
        # The reaper needs an image of its own, and would take the broker away when this process ends.
        testcontainers_config.ryuk_disabled = True
        self.port = port or free_port()
        proxied = proxied_port or free_port()
        told = environment(server_properties(self.port, proxied))
        super().__init__(image, command=list(COMMAND), env=told, name=name or None)
        self.ports[f"{HOST_PORT}/tcp"] = (LOOPBACK, self.port)
        # The broker is a client of itself, under the name that it tells others.
        self.with_kwargs(**{"extra_hosts": {KAFKA_SERVICE: LOOPBACK}, **arguments})

    @property
    def bootstrap(self) -> str:
        """The address for clients on this machine."""
        return f"localhost:{self.port}"

    def launch(self) -> Self:
        """Start the broker, and leave the waiting to the caller."""
        super().start()
        return self

    def start(self) -> Self:
        """Start the broker and wait until it has committed a transaction."""
        self.launch()
        wait_for_broker(self.get_wrapped_container(), self.bootstrap, threading.Event())
        return self


def start_broker(proxied_port: int, client: DockerClient, spec: Spec) -> None:
    """Start the sandbox's broker, without waiting for it."""
    broker = KafkaSandbox(
        spec.image,
        port=spec.ports[HOST_PORT],
        proxied_port=proxied_port,
        name=spec.name,
        labels=spec.all_labels,
        network=spec.network,
        networking_config={spec.network: endpoint(client, spec)},
    )
    for name, bind in spec.binds.items():
        broker.with_volume_mapping(name, bind["bind"], bind["mode"])
    broker.launch()


# --- readiness --------------------------------------------------------------------------------------------------------


def wait_for_broker(container: Any, bootstrap: str, stop: threading.Event, **client: Any) -> None:
    """Wait until a transaction is committed; fail at once where the broker's process has ended.

    ``client`` says how to log in, as kafka-python has it.
    """
    last = ""

    def committed() -> bool:
        nonlocal last
        container.reload()
        if container.status != "running":
            raise _not_ready(container, f"the broker ended ({container.status})")
        last = commit_transaction(bootstrap, **client)
        return not last

    def late() -> MachineryFailed:
        return _not_ready(container, f"the broker committed no transaction within {_READY_SECONDS:g} seconds: {last}")

    wait_until(committed, _READY_SECONDS, late, stop)


def commit_transaction(bootstrap: str, **client: Any) -> str:
    """Commit a transaction, and return why it failed, or nothing."""
    from kafka import KafkaProducer  # noqa: PLC0415 - 0.2 s that only who makes a broker pays for
    from kafka.errors import KafkaError  # noqa: PLC0415 - see above

    with _quiet(logging.getLogger("kafka")):
        try:
            _provide_topic(bootstrap, client)
            producer = KafkaProducer(
                bootstrap_servers=bootstrap,
                transactional_id=READY_TOPIC,
                max_block_ms=int(_REQUEST_SECONDS * 1000),
                **client,
            )
        except (KafkaError, OSError) as error:
            return f"{type(error).__name__}: {error}"
        try:
            producer.init_transactions()
            producer.begin_transaction()
            producer.send(READY_TOPIC, str(time.time()).encode()).get(_REQUEST_SECONDS)
            producer.commit_transaction()
        except (KafkaError, OSError) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            producer.close(timeout=1)
    return ""


def _provide_topic(bootstrap: str, client: dict[str, Any]) -> None:
    from kafka.admin import KafkaAdminClient, NewTopic  # noqa: PLC0415 - as above
    from kafka.errors import TopicAlreadyExistsError  # noqa: PLC0415 - as above

    admin = KafkaAdminClient(bootstrap_servers=bootstrap, **client)
    try:
        with suppress(TopicAlreadyExistsError):
            admin.create_topics([NewTopic(READY_TOPIC, 1, 1)])
    finally:
        admin.close()


class _quiet:  # noqa: N801 - reads as a function
    """Silence a logger for a while: a broker that is not there yet is no news."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def __enter__(self) -> None:
        self._level = self._logger.level
        self._logger.setLevel(logging.CRITICAL)

    def __exit__(self, *_error: object) -> None:
        self._logger.setLevel(self._level)


def _not_ready(container: Any, told: str) -> MachineryFailed:
    lines = container.logs(tail=_LOG_LINES).decode(errors="replace")
    return MachineryFailed(
        told, "`j2k sandbox down`, then the same command again", detail=f"$ docker logs {container.name}\n{lines}"
    )
