"""The twin's broker: everybody from outside says who they are, over TLS; its login decides which data it has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from j2k_dev.sandbox.cloud.authority import Identity
from j2k_dev.sandbox.cloud.files import Login
from j2k_dev.sandbox.cloud.kafka import cloud_kafka_spec, cloud_properties
from j2k_dev.sandbox.cloud.model import Cloud
from j2k_dev.sandbox.kafka_config import HOST_PORT
from j2k_dev.sandbox.model import Image, Sandbox
from j2k_dev.sandbox.network import Subnet

if TYPE_CHECKING:
    from j2k_dev.sandbox.containers import Spec

IDENTITY = Identity("-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n", "-----BEGIN KEY-----\nxyz\n")
CLOUD = Cloud(Sandbox(Path("/home/ada/.j2k"), "twin"))


def settings() -> dict[str, str]:
    return dict(line.split("=", 1) for line in cloud_properties(IDENTITY, 40001, 40002).splitlines())


def spec(password: str = "secret") -> Spec:
    image = Image("j2k.local/kafka:1", "sha256:1", "packages")
    login = Login("ada", password)
    return cloud_kafka_spec(CLOUD, image, IDENTITY, login, Subnet("172.20.0.0/16"), 40002, {HOST_PORT: 40001})


def test_whoever_comes_from_outside_needs_a_login_and_tls() -> None:
    protocols = dict(one.split(":") for one in settings()["listener.security.protocol.map"].split(","))
    listeners = dict(one.split("://") for one in settings()["listeners"].split(","))
    open_ones = {name for name, protocol in protocols.items() if protocol == "PLAINTEXT"}
    assert {listeners[name].partition(":")[0] for name in open_ones} == {"localhost"}
    assert {protocols[name] for name in listeners.keys() - open_ones} == {"SASL_SSL"}
    assert settings()["sasl.enabled.mechanisms"] == "SCRAM-SHA-512"


def test_every_listener_for_others_knows_how_to_log_in() -> None:
    modules = [name for name, value in settings().items() if "ScramLoginModule" in value]
    assert modules == [
        f"listener.name.{name}.scram-sha-512.sasl.jaas.config"
        for name in ("host", "cluster", "proxied", "proxied_host")
    ]


def test_certificate_and_key_are_one_line_each() -> None:
    assert settings()["ssl.keystore.certificate.chain"].split("\\n")[1] == "abc"
    assert settings()["ssl.keystore.key"] == r"-----BEGIN KEY-----\nxyz"


def test_topics_are_only_made_on_purpose() -> None:
    assert settings()["auto.create.topics.enable"] == "false"


def test_the_login_is_written_when_the_data_folder_is() -> None:
    assert '--add-scram "$SCRAM"' in spec().command[2]
    assert spec().environment["SCRAM"] == "SCRAM-SHA-512=[name=ada,password=secret]"


def test_another_password_has_another_data_folder() -> None:
    assert spec().volumes == spec().volumes
    assert spec().volumes.keys() != spec("other").volumes.keys()
