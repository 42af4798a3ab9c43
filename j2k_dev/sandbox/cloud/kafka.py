"""The twin's broker: it speaks to those who know a password (SCRAM), over TLS; only it itself does without, inside."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from j2k_dev.sandbox.cloud.model import MECHANISM
from j2k_dev.sandbox.kafka_config import (
    DATA,
    HOST_PORT,
    command,
    environment,
    kafka_spec,
    listeners,
    properties,
    server_settings,
)
from j2k_dev.sandbox.model import KAFKA_PROXIED_SERVICE, KAFKA_SERVICE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from j2k_dev.sandbox.cloud.authority import Identity
    from j2k_dev.sandbox.cloud.files import Login
    from j2k_dev.sandbox.cloud.model import Cloud
    from j2k_dev.sandbox.containers import Spec
    from j2k_dev.sandbox.model import Image
    from j2k_dev.sandbox.network import Subnet

_INTERNAL_PORT = 9096
# Who may log in is in the broker's own records.
_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
KAFKA_HOSTS = (KAFKA_SERVICE, KAFKA_PROXIED_SERVICE, "localhost", "127.0.0.1")


def cloud_kafka_spec(
    cloud: Cloud,
    image: Image,
    identity: Identity,
    login: Login,
    subnet: Subnet,
    proxied_port: int,
    ports: Mapping[int, int],
) -> Spec:
    """Say what the broker is made from; its data are kept while its login is the same, which they hold."""
    plain = kafka_spec(cloud.sandbox, image, subnet, proxied_port, ports)
    own = cloud_properties(identity, ports.get(HOST_PORT, 0), proxied_port)
    scram = f"{MECHANISM}=[name={login.user},password={login.password}]"
    volume = f"{plain.name}-{hashlib.sha256(login.basic.encode()).hexdigest()[:8]}"
    return replace(
        plain,
        command=command('--add-scram "$SCRAM"'),
        environment={**environment(own), "SCRAM": scram},
        volumes={volume: DATA},
    )


def cloud_properties(identity: Identity, port: int, proxied_port: int) -> str:
    """Write the broker's configuration."""
    settings = server_settings(port, proxied_port)
    secured = listeners(port, proxied_port)
    protocols = {**dict.fromkeys(secured, "SASL_SSL"), "INTERNAL": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
    internal = f"INTERNAL://localhost:{_INTERNAL_PORT}"
    return properties(
        {
            **settings,
            "listeners": f"{settings['listeners']},{internal}",
            "advertised.listeners": f"{settings['advertised.listeners']},{internal}",
            "inter.broker.listener.name": "INTERNAL",
            "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
            "sasl.enabled.mechanisms": MECHANISM,
            **{f"listener.name.{name.lower()}.{MECHANISM.lower()}.sasl.jaas.config": _LOGIN for name in secured},
            "ssl.keystore.type": "PEM",
            "ssl.keystore.certificate.chain": _one_line(identity.certificate),
            "ssl.keystore.key": _one_line(identity.key),
        }
    )


def client_settings(cloud: Cloud, login: Login) -> dict[str, Any]:
    """Say what a client on this machine is given, as kafka-python has it."""
    return {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": MECHANISM,
        "sasl_plain_username": login.user,
        "sasl_plain_password": login.password,
        "ssl_cafile": str(cloud.authority),
    }


def _one_line(pem: str) -> str:
    """Write PEM as Java's properties take it."""
    return pem.strip().replace("\n", "\\n")
