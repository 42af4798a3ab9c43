"""How the Kafka broker is configured and started: settings for one small node, and a name for every kind of client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from j2k_dev.sandbox.containers import Spec
from j2k_dev.sandbox.model import KAFKA_PORT, KAFKA_PROXIED_PORT, KAFKA_PROXIED_SERVICE, KAFKA_SERVICE
from j2k_dev.sandbox.proxy import HOST_PORT as PROXIED_HOST_PORT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from j2k_dev.sandbox.model import Image, Sandbox
    from j2k_dev.sandbox.network import Subnet

HOST_PORT = 9094
DATA = "/var/lib/kafka/data"

_CONTROLLER_PORT = 9091
_CLUSTER_ID = "ajJrLXNhbmRib3gtMDAwMQ"

# Both the public image and ours have Java in PATH and Kafka's jars in one folder. One small broker needs neither the
# parallel collector nor the optimising compiler, and starts faster without.
_JAVA = (
    "java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError"
    " -Dlog4j2.configurationFile=/tmp/log4j2.properties -cp '/opt/kafka/libs/*'"
)
_START = f"""\
printf '%s' "$SERVER_PROPERTIES" > /tmp/server.properties
printf '%s' "$LOG_PROPERTIES" > /tmp/log4j2.properties
[ -f {DATA}/meta.properties ] || {_JAVA} kafka.tools.StorageTool format -t {_CLUSTER_ID} -c /tmp/server.properties%s
exec {_JAVA} kafka.Kafka /tmp/server.properties
"""
_LOG_PROPERTIES = """\
rootLogger.level=WARN
rootLogger.appenderRef.c.ref=c
appender.c.type=Console
appender.c.name=c
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=%d{ISO8601} %p %m (%c{1})%n
"""


def command(formatting: str = "") -> tuple[str, ...]:
    """Say what the container runs; ``formatting`` are further options for writing its empty data folder."""
    return ("sh", "-ec", _START.replace("%s\nexec", f" {formatting}\nexec" if formatting else "\nexec"))


COMMAND = command()

# One broker: nothing is replicated, and clients may be quick to give each other up.
_SMALL = {
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "3",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # One that was killed may not come back before the controller has given up the one that it was.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "auto.create.topics.enable": "false",
}


def kafka_spec(sandbox: Sandbox, image: Image, subnet: Subnet, proxied_port: int, ports: Mapping[int, int]) -> Spec:
    """Say what the sandbox's broker is made from."""
    name, port = sandbox.container("kafka"), ports.get(HOST_PORT, 0)
    return Spec(
        role="kafka",
        name=name,
        image=image.reference,
        network=sandbox.network,
        address=subnet.address("kafka"),
        ports={HOST_PORT: port},
        command=COMMAND,
        environment=environment(server_properties(port, proxied_port)),
        volumes={name: DATA},
        aliases=(KAFKA_SERVICE,),
        labels=sandbox.labels,
    )


def environment(server: str) -> dict[str, str]:
    """Give the container what ``COMMAND`` writes down: the broker's configuration and its log's."""
    return {"SERVER_PROPERTIES": server, "LOG_PROPERTIES": _LOG_PROPERTIES}


def server_properties(port: int, proxied_port: int) -> str:
    """Write the broker's configuration for these ports of this machine, the second one through the proxy."""
    return properties(server_settings(port, proxied_port))


def properties(settings: Mapping[str, str]) -> str:
    """Write settings as Java reads them."""
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def listeners(port: int, proxied_port: int) -> dict[str, tuple[int, str]]:
    """Name the listeners for clients, with the port that each has and the address that it tells."""
    return {
        "HOST": (HOST_PORT, f"localhost:{port}"),
        "CLUSTER": (KAFKA_PORT, f"{KAFKA_SERVICE}:{KAFKA_PORT}"),
        "PROXIED": (KAFKA_PROXIED_PORT, f"{KAFKA_PROXIED_SERVICE}:{KAFKA_PROXIED_PORT}"),
        "PROXIED_HOST": (PROXIED_HOST_PORT, f"localhost:{proxied_port}"),
    }


def server_settings(port: int, proxied_port: int) -> dict[str, str]:
    """Give the broker's settings by name."""
    named = listeners(port, proxied_port)
    advertised = ",".join(f"{name}://{address}" for name, (_port, address) in named.items())
    listening = [f"{name}://:{own}" for name, (own, _address) in named.items()]
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@localhost:{_CONTROLLER_PORT}",
        "listeners": ",".join([*listening, f"CONTROLLER://localhost:{_CONTROLLER_PORT}"]),
        "advertised.listeners": advertised,
        "inter.broker.listener.name": "CLUSTER",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in [*named, "CONTROLLER"]),
        "log.dirs": DATA,
        **_SMALL,
    }
