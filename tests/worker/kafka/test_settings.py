"""The settings for Kafka: read from variables, refused by name, and never showing a secret."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.errors import BadInput
from j2k_dev.worker.kafka.settings import (
    KEYS,
    SECRET_KEYS,
    KafkaSettings,
    environment_of,
    settings_from_environment,
)

if TYPE_CHECKING:
    from pathlib import Path

LOGIN = {
    "KAFKA_BROKER": "b-1.example.com:9096, b-2.example.com:9096",
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "j2k",
    "KAFKA_SASL_PASSWORD": "hunter2",
}


def test_an_address_is_all_that_is_needed() -> None:
    assert settings_from_environment({"KAFKA_BROKER": "kafka:9092"}) == KafkaSettings(("kafka:9092",))


def test_everything_is_read_and_written_under_the_same_names(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.touch()
    given = LOGIN | {"KAFKA_CA_FILE": str(ca_file), "KAFKA_SESSION_SECONDS": "3", "KAFKA_REPLICATION_FACTOR": "3"}
    settings = settings_from_environment(given)
    assert settings.bootstrap == ("b-1.example.com:9096", "b-2.example.com:9096")
    assert (settings.session, settings.replication, settings.ca_file) == (3.0, 3, str(ca_file))
    assert settings.client_options["sasl_plain_password"] == "hunter2"
    assert settings_from_environment(environment_of(settings)) == settings
    assert set(environment_of(settings)) <= set(KEYS)


def test_empty_variables_are_as_good_as_none() -> None:
    empty = dict.fromkeys(KEYS, "")
    assert settings_from_environment(empty | {"KAFKA_BROKER": "kafka:9092"}) == KafkaSettings(("kafka:9092",))


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"KAFKA_BROKER": ""}, "KAFKA_BROKER is missing"),
        ({"KAFKA_BROKER": "kafka"}, "KAFKA_BROKER has 'kafka', which is not HOST:PORT"),
        ({"KAFKA_BROKER": "kafka:99999"}, "'kafka:99999', which is not HOST:PORT"),
        ({"KAFKA_BROKER": "a:1,,b:2"}, "'', which is not HOST:PORT"),
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "KAFKA_SECURITY_PROTOCOL is 'TLS', not one of PLAINTEXT, SSL"),
        ({"KAFKA_SASL_MECHANISM": "MD5"}, "KAFKA_SASL_MECHANISM is 'MD5', not one of PLAIN, SCRAM-SHA-256"),
        ({"KAFKA_SASL_PASSWORD": ""}, "KAFKA_SASL_PASSWORD is missing, which SASL_SSL needs"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL"}, "KAFKA_SASL_PASSWORD is set, but KAFKA_SECURITY_PROTOCOL is SSL"),
        ({"KAFKA_CA_FILE": "/nowhere/ca.pem"}, "KAFKA_CA_FILE is '/nowhere/ca.pem', which is not a file"),
        ({"KAFKA_SESSION_SECONDS": "soon"}, "KAFKA_SESSION_SECONDS is 'soon', not seconds above 0"),
        ({"KAFKA_SESSION_SECONDS": "nan"}, "KAFKA_SESSION_SECONDS is 'nan'"),
        ({"KAFKA_DEADLINE_SECONDS": "-1"}, "KAFKA_DEADLINE_SECONDS is '-1', not seconds above 0"),
        ({"KAFKA_REPLICATION_FACTOR": "0"}, "KAFKA_REPLICATION_FACTOR is '0', not -1, or 1 and above"),
    ],
)
def test_a_wrong_value_is_refused_by_name(changed: dict[str, str], complaint: str) -> None:
    with pytest.raises(BadInput) as caught:
        settings_from_environment(LOGIN | changed)
    assert complaint in caught.value.message
    assert "hunter2" not in caught.value.message


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(BadInput) as caught:
        settings_from_environment({"KAFKA_SECURITY_PROTOCOL": "TLS", "KAFKA_SESSION_SECONDS": "soon"})
    assert all(key in caught.value.message for key in ("KAFKA_BROKER", "KAFKA_SECURITY_PROTOCOL", "KAFKA_SESSION"))


def test_the_password_is_not_shown() -> None:
    settings = settings_from_environment(LOGIN)
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert "KAFKA_SASL_PASSWORD" in SECRET_KEYS


def test_a_login_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(BadInput) as caught:
        settings_from_environment({"KAFKA_BROKER": "j2k:hunter2@kafka:9092"})
    assert "…@kafka:9092" in caught.value.message
    assert "hunter2" not in caught.value.message
