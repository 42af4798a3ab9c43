"""How to reach Kafka: one frozen dataclass, read from the same environment variables on a laptop and in production.

In a cluster they come from one ConfigMap and one Secret. Nothing here needs a Kafka client.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from j2k_dev.model.errors import BadInput
from j2k_dev.worker.kafka import aws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

BROKER = "KAFKA_BROKER"
PROTOCOL = "KAFKA_SECURITY_PROTOCOL"
MECHANISM = "KAFKA_SASL_MECHANISM"
USERNAME = "KAFKA_SASL_USERNAME"
PASSWORD = "KAFKA_SASL_PASSWORD"  # noqa: S105 - a variable's name
CA_FILE = "KAFKA_CA_FILE"
SESSION = "KAFKA_SESSION_SECONDS"
DEADLINE = "KAFKA_DEADLINE_SECONDS"
REPLICATION = "KAFKA_REPLICATION_FACTOR"

# What belongs into a Secret, and has to be taken out of the environment that a notebook's cells see.
SECRET_KEYS = (USERNAME, PASSWORD, aws.ACCESS_KEY, aws.SECRET_KEY, aws.SESSION_TOKEN)
KEYS = (BROKER, PROTOCOL, MECHANISM, CA_FILE, SESSION, DEADLINE, REPLICATION, *SECRET_KEYS)

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
# Amazon MSK: no user and no password, but the role of the pod's service account.
MSK_IAM = "AWS_MSK_IAM"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", MSK_IAM)
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_HIGHEST_PORT = 65535


@dataclass(frozen=True)
class KafkaSettings:
    """A broker's addresses, how to log in, and how patient to be; never shows its password.

    A worker that is silent for ``session`` seconds has lost its message: brokers refuse less than their
    ``group.min.session.timeout.ms``, 6 s by default. ``deadline`` in seconds for what has to be done at the broker.
    ``replication`` of topics: -1 is the broker's default. ``aws`` is where credentials for MSK come from.
    """

    bootstrap: tuple[str, ...]
    protocol: str = "PLAINTEXT"
    mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    session: float = 6.0
    deadline: float = 60.0
    replication: int = -1
    aws: aws.Login | None = None

    @property
    def place(self) -> str:
        """Name the broker in messages."""
        return ",".join(self.bootstrap)

    @property
    def client_options(self) -> dict[str, Any]:
        """Say what every client of kafka-python is given."""
        return {
            "bootstrap_servers": list(self.bootstrap),
            "security_protocol": self.protocol,
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
            "ssl_cafile": self.ca_file,
            # An object that the login is made with: there is no other place for one.
            "sasl_oauth_token_provider": aws.Source(self.aws, self.ca_file) if self.aws else None,
            # A broker that comes back is found again within a second, however long it was away.
            "reconnect_backoff_max_ms": 1000,
        }


def settings_from_environment(environment: Mapping[str, str]) -> KafkaSettings:
    """Read the settings; raise BadInput that names every wrong variable, and no secret."""
    reader = _Reader(environment)
    settings = KafkaSettings(
        bootstrap=(brokers := reader.addresses(BROKER)),
        protocol=reader.one_of(PROTOCOL, PROTOCOLS) or "PLAINTEXT",
        mechanism=(mechanism := reader.one_of(MECHANISM, MECHANISMS)),
        username=reader.text(USERNAME),
        password=reader.text(PASSWORD),
        ca_file=reader.file(CA_FILE),
        session=reader.number(SESSION, float, 6.0, lambda value: 0 < value <= 1800, "seconds above 0, 1800 at most"),  # noqa: PLR2004 - the broker's own limit
        deadline=reader.number(DEADLINE, float, 60.0, lambda value: 0 < value < float("inf"), "seconds above 0"),
        replication=reader.number(REPLICATION, int, -1, lambda value: value == -1 or value > 0, "-1, or 1 and above"),
        aws=aws.login_from(environment, brokers) if mechanism == MSK_IAM else None,
    )
    problems = [*reader.problems, *_contradictions(settings)]
    if problems:
        raise BadInput("the settings for Kafka are wrong: " + "; ".join(problems), "Correct these variables.")
    return settings


def environment_of(settings: KafkaSettings) -> dict[str, str]:
    """Write the settings as the variables they are read from; those in SECRET_KEYS belong into a Secret."""
    values = {
        BROKER: settings.place,
        PROTOCOL: settings.protocol,
        MECHANISM: settings.mechanism,
        USERNAME: settings.username,
        PASSWORD: settings.password,
        CA_FILE: settings.ca_file,
        SESSION: f"{settings.session:g}",
        DEADLINE: f"{settings.deadline:g}",
        REPLICATION: str(settings.replication),
    }
    own = settings.aws.environment if settings.aws else {}
    return {**{key: value for key, value in values.items() if value is not None}, **own}


def _contradictions(settings: KafkaSettings) -> list[str]:
    if settings.mechanism == MSK_IAM:
        return list(_wrong_with_msk(settings))
    sasl = settings.protocol.startswith("SASL")
    needed = {MECHANISM: settings.mechanism, USERNAME: settings.username, PASSWORD: settings.password}
    if sasl:
        return [f"{key} is missing, which {settings.protocol} needs" for key, value in needed.items() if not value]
    useless = [key for key, value in needed.items() if value]
    if settings.ca_file and settings.protocol == "PLAINTEXT":
        useless.append(CA_FILE)
    return [f"{key} is set, but {PROTOCOL} is {settings.protocol}, which makes no use of it" for key in useless]


def _wrong_with_msk(settings: KafkaSettings) -> Iterator[str]:
    if settings.protocol != "SASL_SSL":
        yield f"{MECHANISM} {MSK_IAM} needs {PROTOCOL} SASL_SSL"
    for key, value in ((USERNAME, settings.username), (PASSWORD, settings.password)):
        if value:
            yield f"{key} is set, but {MECHANISM} is {MSK_IAM}, which makes no use of it"
    if settings.aws is None or not settings.aws.is_complete:
        yield (
            f"{MSK_IAM} needs credentials: a role for the service account (eks.amazonaws.com/role-arn sets {aws.ROLE} "
            f"and {aws.TOKEN_FILE}), or {aws.ACCESS_KEY} and {aws.SECRET_KEY}"
        )
    if settings.aws is not None and not settings.aws.region:
        yield f"{aws.REGION} is missing, and the brokers' names do not say it"


class _Reader:
    """Reads one variable after the other, and collects what is wrong with them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def text(self, key: str) -> str | None:
        return self._environment.get(key) or None

    def addresses(self, key: str) -> tuple[str, ...]:
        text = (self.text(key) or "").strip()
        addresses = tuple(address.strip() for address in text.split(",")) if text else ()
        if not addresses:
            self.problems.append(f"{key} is missing (HOST:PORT, several with commas between them)")
        for address in addresses:
            match = _ADDRESS.fullmatch(address)
            if match is None or not 0 < int(match[2]) <= _HIGHEST_PORT:
                self.problems.append(f"{key} has {_shown(address)}, which is not HOST:PORT")
        return addresses

    def one_of(self, key: str, allowed: tuple[str, ...]) -> str | None:
        value = self.text(key)
        if value is not None and value not in allowed:
            self.problems.append(f"{key} is {value!r}, not one of {', '.join(allowed)}")
        return value

    def file(self, key: str) -> str | None:
        value = self.text(key)
        if value is not None and not Path(value).is_file():
            self.problems.append(f"{key} is {value!r}, which is not a file")
        return value

    def number(self, key: str, kind: Callable[[str], Any], default: Any, good: Callable[[Any], bool], rule: str) -> Any:
        text = self.text(key)
        if text is None:
            return default
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not good(value):
            self.problems.append(f"{key} is {text!r}, not {rule}")
            return default
        return value


def _shown(address: str) -> str:
    """Show an address without what might be a login: 'user:secret@host' is a common mistake."""
    return repr(address if "@" not in address else f"…@{address.rpartition('@')[2]}")
