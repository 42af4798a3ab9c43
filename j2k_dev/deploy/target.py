"""The target file: a cluster that is not the sandbox, and what belongs to it. Without any secret: those are named."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from j2k_dev.deploy.strict_yaml import read_yaml, rule
from j2k_dev.model.errors import BadInput
from j2k_dev.worker.kafka.settings import BROKER, MECHANISM, PROTOCOL, REPLICATION, SESSION

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "targets"
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_QUANTITY = re.compile(r"[1-9][0-9]*(Mi|Gi|Ti)")
_ADDRESS = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9._/-]+)?")
_BROKERS = re.compile(r"[A-Za-z0-9._-]+:[0-9]{1,5}(,[A-Za-z0-9._-]+:[0-9]{1,5})*")
_MOST_REPLICAS = 3


def _matches(pattern: re.Pattern[str], told: str) -> Any:
    return lambda value: "" if pattern.fullmatch(value) else f"{value!r} is not {told}"


_name = _matches(_LABEL, "a name that Kubernetes takes (lower case, digits, dashes)")
_quantity = _matches(_QUANTITY, "a size, such as 10Gi")
_address = _matches(_ADDRESS, "HOST[:PORT][/PATH], without https://")


@dataclass(frozen=True)
class TargetRegistry:
    """Where images are pushed, and what the cluster pulls them by (the same, if nothing else is said).

    ``ca`` is a file with the certificates to trust; ``insecure`` speaks plain HTTP. Credentials are docker's.
    """

    push: str = rule(_address)
    pull: str = rule(_address, default="")
    insecure: bool = False
    ca: str = ""


@dataclass(frozen=True)
class Storage:
    """The exchange: a class of volumes that many nodes write (RWX), and how much of it."""

    class_: str = rule(_name)
    size: str = rule(_quantity, default="10Gi")


@dataclass(frozen=True)
class Kafka:
    """The broker as pods see it; ``secret`` in the namespace has KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD."""

    bootstrap: str = rule(_matches(_BROKERS, "HOST:PORT, several with commas between them"))
    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    secret: str = rule(_name, default="")
    session_seconds: int = rule(lambda value: "" if 1 <= value <= 300 else "1 to 300", default=6)  # noqa: PLR2004
    replication_factor: int = -1

    @property
    def environment(self) -> dict[str, str]:
        """Say what pods are told of it, without credentials."""
        values = {
            BROKER: self.bootstrap,
            PROTOCOL: self.protocol,
            MECHANISM: self.mechanism,
            SESSION: str(self.session_seconds),
            REPLICATION: str(self.replication_factor),
        }
        return {key: value for key, value in values.items() if value is not None}


@dataclass(frozen=True)
class Toleration:
    """A taint of nodes that pods put up with, as Kubernetes has it."""

    key: str = ""
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None

    @property
    def plain(self) -> dict[str, str]:
        """Write it as pods have it."""
        values = {"key": self.key, "operator": self.operator, "value": self.value, "effect": self.effect}
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True)
class Target:
    """A cluster; ``kubeconfig`` is the user's own where none is named, ``namespace`` ``j2k-PIPELINE``."""

    context: str
    registry: TargetRegistry
    storage: Storage
    kafka: Kafka
    kubeconfig: str = ""
    namespace: str = rule(_name, default="")
    replicas: int | None = rule(
        lambda value: "" if 1 <= value <= _MOST_REPLICAS else f"1 to {_MOST_REPLICAS}", default=None
    )
    image_pull_secret: str = rule(_name, default="")
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()


def read_target(context: str, named: Path | None, folder: Path) -> Target:
    """Read the target file of a context: the one that was named, or ``targets/CONTEXT.yaml`` in a folder.

    Raises BadInput with all that is wrong in it.
    """
    path = named or folder / FOLDER / f"{context}.yaml"
    if not path.is_file():
        told = f"there is no target file {path}, which says what belongs to the cluster of the context {context}"
        raise BadInput(told, f"j2k target {context} writes one to fill in; --target FILE names another")
    target = read_yaml(Target, path, f"mend {path}")
    problems = list(_contradictions(target, context))
    if problems:
        raise BadInput(f"{path}: {'; '.join(problems)}", f"mend {path}")
    return target


def _contradictions(target: Target, context: str) -> list[str]:
    kafka, problems = target.kafka, []
    if target.context != context:
        problems.append(f"it is for the context {target.context}, and --context says {context}")
    if kafka.protocol.startswith("SASL") and not (kafka.secret and kafka.mechanism):
        problems.append(f"kafka.protocol {kafka.protocol} needs kafka.mechanism and kafka.secret")
    if not kafka.protocol.startswith("SASL") and (kafka.secret or kafka.mechanism):
        problems.append(f"kafka.secret and kafka.mechanism are of no use with kafka.protocol {kafka.protocol}")
    if target.registry.insecure and target.registry.ca:
        problems.append("registry.ca is of no use with registry.insecure")
    return problems


def template(context: str) -> str:
    """Write a target file to fill in."""
    return textwrap.dedent(f"""\
        # What belongs to the cluster of the context {context}: j2k up NOTEBOOK --context {context}
        # No secrets in here: they are named. What begins with "# " is optional.
        context: {context}
        # kubeconfig: ~/.kube/config
        # namespace: j2k-analysis          # j2k makes it; without this line: j2k- and the notebook's name

        registry:
          push: registry.example.org/science  # this machine pushes here (docker login says who)
          # pull: registry.internal:5000      # what the cluster pulls by, if that is another name
          # ca: /etc/ssl/registry.pem
          # insecure: false                   # true: plain HTTP
        # imagePullSecret: regcred            # a Secret in the namespace

        storage:
          class: efs                          # a StorageClass whose volumes many nodes can write (RWX)
          size: 10Gi

        kafka:
          bootstrap: kafka.example.org:9092   # as pods reach it
          # protocol: SASL_SSL                # PLAINTEXT (without this line), SSL, SASL_PLAINTEXT, SASL_SSL
          # mechanism: SCRAM-SHA-512
          # secret: kafka-login               # has KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD
          # replicationFactor: 3              # of topics; without this line the broker's default

        # replicas: 2
        # nodeSelector:
        #   kubernetes.io/arch: amd64
        # tolerations:
        #   - key: dedicated
        #     operator: Equal
        #     value: science
        #     effect: NoSchedule
        """)
