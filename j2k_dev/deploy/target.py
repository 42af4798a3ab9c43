"""The target file: a cluster that is not the sandbox, and what belongs to it. Without any secret: those are named."""

from __future__ import annotations

import dataclasses
import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from j2k_dev.deploy.strict_yaml import read_yaml, rule
from j2k_dev.deploy.target_secrets import refuse_secrets
from j2k_dev.model.errors import BadInput
from j2k_dev.worker.kafka.settings import BROKER, CA_FILE, MECHANISM, PROTOCOL, REPLICATION, SESSION

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "targets"
# Where pods find the certificates that the broker's is to be signed by.
CA_MOUNT = "/etc/j2k/kafka"
CA_NAME = "ca.pem"
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_QUANTITY = re.compile(r"[1-9][0-9]*(Mi|Gi|Ti)")
_CPU = re.compile(r"[1-9][0-9]*m?|[0-9]+\.[0-9]{1,3}")
_ADDRESS = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9._/-]+)?")
_REPOSITORY = re.compile(r"[a-z0-9]+([._/-]+[a-z0-9]+)*")
_BROKERS = re.compile(r"[A-Za-z0-9._-]+:[0-9]{1,5}(,[A-Za-z0-9._-]+:[0-9]{1,5})*")
_FILE_SYSTEM = re.compile(r"fs-[0-9a-f]{8,40}")
_ACCESS_POINT = re.compile(r"fsap-[0-9a-f]{8,40}")
_PERMISSIONS = re.compile(r"0?[0-7]{3}")
_BASE_PATH = re.compile(r"(/[A-Za-z0-9._-]+)+")
_KMS_KEY = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[A-Za-z0-9/_-]+")
_CERTIFICATE = "-----BEGIN CERTIFICATE-----"
_MOST_REPLICAS = 3
# What EBS takes at least; how much at most depends on type, size and region.
_LEAST_IOPS, _LEAST_IOPS_OF_GP3, _LEAST_THROUGHPUT = 100, 3000, 125


def _matches(pattern: re.Pattern[str], told: str) -> Any:
    return lambda value: "" if pattern.fullmatch(value) else f"{value!r} is not {told}"


def _at_least(least: int, unit: str) -> Any:
    return lambda value: "" if value >= least else f"{least} {unit} at least"


_name = _matches(_LABEL, "a name that Kubernetes takes (lower case, digits, dashes)")
_quantity = _matches(_QUANTITY, "a size, such as 10Gi")
_address = _matches(_ADDRESS, "HOST[:PORT][/PATH], without https://")


@dataclass(frozen=True)
class TargetRegistry:
    """Where images are pushed, and what the cluster pulls them by (the same, if nothing else is said).

    All images of a promoted pipeline are in one ``repository`` below ``push``, told apart by their digests; without
    one, the pipeline's name. ``ca`` is a file with the certificates to trust; ``insecure`` speaks plain HTTP.
    Credentials are docker's.
    """

    push: str = rule(_address)
    pull: str = rule(_address, default="")
    insecure: bool = False
    ca: str = ""
    repository: str = rule(_matches(_REPOSITORY, "a repository, such as science/analysis"), default="")

    def pushed(self, pipeline: str) -> str:
        """Name the repository of a pipeline's images as this machine pushes to it."""
        return f"{self.push}/{self.repository or pipeline}"

    def pulled(self, pipeline: str) -> str:
        """Name it as the cluster pulls from it."""
        return f"{self.pull or self.push}/{self.repository or pipeline}"


@dataclass(frozen=True)
class Efs:
    """A file system of Amazon EFS: a class that makes an access point of it for the claim, or one that is there.

    An access point that is made belongs to the user that the pods are, with ``directory_perms``, below ``base_path``.
    """

    file_system_id: str = rule(_matches(_FILE_SYSTEM, "the id of a file system, such as fs-0123456789abcdef0"))
    access_point: str = rule(_matches(_ACCESS_POINT, "the id of an access point, fsap-…"), default="")
    directory_perms: str = rule(_matches(_PERMISSIONS, "permissions in octal, such as 700"), default="")
    base_path: str = rule(_matches(_BASE_PATH, "a path, such as /j2k"), default="")


@dataclass(frozen=True)
class Storage:
    """The exchange: a class of volumes that many nodes write (RWX), or a file system of EFS, and how much of it."""

    class_: str = rule(_name, default="")
    size: str = rule(_quantity, default="10Gi")
    efs: Efs | None = None


@dataclass(frozen=True)
class Ebs:
    """Volumes of Amazon EBS to be made; ``throughput`` in MiB/s; ``kms_key_id`` is the key's whole ARN."""

    type: Literal["gp3", "gp2", "io1", "io2"] = "gp3"
    iops: int | None = rule(_at_least(_LEAST_IOPS, "I/O operations per second"), default=None)
    throughput: int | None = rule(_at_least(_LEAST_THROUGHPUT, "MiB/s"), default=None)
    encrypted: bool = True
    kms_key_id: str = rule(_matches(_KMS_KEY, "the ARN of a key, arn:aws:kms:…"), default="")


@dataclass(frozen=True)
class Scratch:
    """What each pod has for itself, the notebook's folder and temporary files: a volume that comes and goes with it."""

    class_: str = rule(_name, default="")
    size: str = rule(_quantity, default="10Gi")
    ebs: Ebs | None = None


@dataclass(frozen=True)
class Kafka:
    """The broker as pods see it; ``secret`` in the namespace has KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD.

    ``ca`` is a file with the certificates to trust; once it is read, what is in it.
    """

    bootstrap: str = rule(_matches(_BROKERS, "HOST:PORT, several with commas between them"))
    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "AWS_MSK_IAM"] | None = None
    secret: str = rule(_name, default="")
    session_seconds: int = rule(lambda value: "" if 1 <= value <= 300 else "1 to 300", default=6)  # noqa: PLR2004
    replication_factor: int = -1
    ca: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """Say what pods are told of it, without credentials."""
        values = {
            BROKER: self.bootstrap,
            PROTOCOL: self.protocol,
            MECHANISM: self.mechanism,
            CA_FILE: f"{CA_MOUNT}/{CA_NAME}" if self.ca else None,
            SESSION: str(self.session_seconds),
            REPLICATION: str(self.replication_factor),
        }
        return {key: value for key, value in values.items() if value is not None}


@dataclass(frozen=True)
class StageResources:
    """What a stage's pods are given: as much is reserved, and no more is there."""

    memory: str = rule(_quantity, default="")
    cpu: str = rule(_matches(_CPU, "a number of CPUs, such as 2 or 500m"), default="")

    @property
    def plain(self) -> dict[str, str]:
        """Write it as pods have it."""
        return {name: value for name, value in {"memory": self.memory, "cpu": self.cpu}.items() if value}


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
    """A cluster; ``kubeconfig`` is the user's own where none is named, ``namespace`` ``j2k-PIPELINE``.

    ``resources`` are those of the named stages; the others get what follows from the recording.
    """

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
    scratch: Scratch | None = None
    resources: dict[str, StageResources] = field(default_factory=dict)
    service_account_annotations: dict[str, str] = field(default_factory=dict)


def read_target(context: str, named: Path | None, folder: Path) -> Target:
    """Read the target file of a context: the one that was named, or ``targets/CONTEXT.yaml`` in a folder.

    Files that it names are found from that folder. Raises BadInput with all that is wrong in it.
    """
    path = named or folder / FOLDER / f"{context}.yaml"
    if not path.is_file():
        told = f"there is no target file {path}, which says what belongs to the cluster of the context {context}"
        raise BadInput(told, f"j2k target {context} writes one to fill in; --target FILE names another")
    refuse_secrets(path)
    target = read_yaml(Target, path, f"mend {path}")
    certificates, unread = _certificates(target.kafka.ca, folder)
    problems = [*_contradictions(target, context), *unread]
    if problems:
        raise BadInput(f"{path}: {'; '.join(problems)}", f"mend {path}")
    return dataclasses.replace(target, kafka=dataclasses.replace(target.kafka, ca=certificates))


def _certificates(named: str, folder: Path) -> tuple[str, list[str]]:
    """Read the file that ``kafka.ca`` names; return what is in it, and what is wrong with it."""
    if not named:
        return "", []
    file = (folder.absolute() / named).expanduser()
    try:
        text = file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        return "", [f"kafka.ca: {file} can't be read: {error}"]
    if "PRIVATE KEY" in text:
        return "", [f"kafka.ca: {file} holds a private key, which pods have no business with"]
    return text, [] if _CERTIFICATE in text else [f"kafka.ca: {file} holds no certificate (PEM)"]


def _contradictions(target: Target, context: str) -> list[str]:
    problems = []
    if target.context != context:
        problems.append(f"it is for the context {target.context}, and --context says {context}")
    if target.registry.insecure and target.registry.ca:
        problems.append("registry.ca is of no use with registry.insecure")
    return [*problems, *_of_kafka(target.kafka), *_of_storage(target.storage), *_of_scratch(target.scratch)]


def _of_kafka(kafka: Kafka) -> list[str]:
    problems = []
    iam = kafka.mechanism == "AWS_MSK_IAM"
    if iam and (kafka.protocol != "SASL_SSL" or kafka.secret):
        problems.append("kafka.mechanism AWS_MSK_IAM needs kafka.protocol SASL_SSL and takes no kafka.secret")
    elif kafka.protocol.startswith("SASL") and not (iam or (kafka.secret and kafka.mechanism)):
        problems.append(f"kafka.protocol {kafka.protocol} needs kafka.mechanism and kafka.secret")
    elif not kafka.protocol.startswith("SASL") and (kafka.secret or kafka.mechanism):
        problems.append(f"kafka.secret and kafka.mechanism are of no use with kafka.protocol {kafka.protocol}")
    if kafka.ca and not kafka.protocol.endswith("SSL"):
        problems.append(f"kafka.ca is of no use with kafka.protocol {kafka.protocol}")
    return problems


def _of_storage(storage: Storage) -> list[str]:
    efs, problems = storage.efs, []
    if bool(storage.class_) == bool(efs):
        problems.append("storage needs one of class and efs")
    if efs and efs.access_point and (efs.directory_perms or efs.base_path):
        problems.append("storage.efs.directoryPerms and basePath are of no use with an accessPoint that is there")
    return problems


def _of_scratch(scratch: Scratch | None) -> list[str]:
    if scratch is None:
        return []
    ebs, problems = scratch.ebs, []
    if bool(scratch.class_) == bool(ebs):
        problems.append("scratch needs one of class and ebs")
    if ebs and ebs.throughput and ebs.type != "gp3":
        problems.append("scratch.ebs.throughput is for type gp3 only")
    if ebs and ebs.iops and ebs.type == "gp2":
        problems.append("scratch.ebs.iops is not for type gp2, where it follows from the size")
    if ebs and ebs.iops and ebs.type == "gp3" and ebs.iops < _LEAST_IOPS_OF_GP3:
        problems.append(f"scratch.ebs.iops: type gp3 has {_LEAST_IOPS_OF_GP3} without anything said")
    if ebs and not ebs.iops and ebs.type.startswith("io"):
        problems.append(f"scratch.ebs.iops is missing, which type {ebs.type} needs")
    if ebs and ebs.kms_key_id and not ebs.encrypted:
        problems.append("scratch.ebs.kmsKeyId is of no use where nothing is encrypted")
    return problems


def template(context: str) -> str:
    """Write a target file to fill in."""
    return textwrap.dedent(f"""\
        # What belongs to the cluster of the context {context}, for j2k up NOTEBOOK and j2k promote --context {context}.
        # No secrets in here: they are named. What begins with "# " is optional.
        context: {context}
        # kubeconfig: ~/.kube/config
        # namespace: j2k-analysis          # without this line: j2k- and the notebook's name

        registry:
          push: registry.example.org/science  # this machine pushes here (docker login says who)
          # repository: analysis              # of what is promoted, below push; without this line the notebook's name
          # pull: registry.internal:5000      # what the cluster pulls by, if that is another name
          # ca: /etc/ssl/registry.pem
          # insecure: false                   # true: plain HTTP
        # imagePullSecret: regcred            # a Secret in the namespace

        storage:                              # the exchange, which all pods share
          class: efs                          # a StorageClass whose volumes many nodes can write (RWX)
          size: 10Gi
          # efs:                              # instead of class: a file system of Amazon EFS
          #   fileSystemId: fs-0123456789abcdef0
          #   directoryPerms: "700"           # of the access point that is made
          #   basePath: /j2k                  # where it is made
          #   accessPoint: fsap-0123456789abcdef0  # instead of these two: one that is there

        # scratch:                            # what each pod has for itself; without this, space on its node
        #   size: 20Gi
        #   ebs:                              # or class: a StorageClass that is there
        #     type: gp3
        #     iops: 3000
        #     throughput: 125                 # MiB/s
        #     encrypted: true
        #     kmsKeyId: arn:aws:kms:eu-west-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef

        kafka:
          bootstrap: kafka.example.org:9092   # as pods reach it
          # protocol: SASL_SSL                # PLAINTEXT (without this line), SSL, SASL_PLAINTEXT, SASL_SSL
          # mechanism: SCRAM-SHA-512          # PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, AWS_MSK_IAM (without a secret)
          # secret: kafka-login               # has KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD
          # replicationFactor: 3              # of topics; without this line the broker's default
          # ca: kafka.pem                     # certificates to trust, if the authority is your own

        # replicas: 2
        # resources:                          # of single stages, instead of what follows from the recording
        #   fit: {{memory: 4Gi, cpu: "2"}}
        # nodeSelector:
        #   kubernetes.io/arch: amd64
        # tolerations:
        #   - key: dedicated
        #     operator: Equal
        #     value: science
        #     effect: NoSchedule
        # serviceAccountAnnotations:          # who pods are to AWS (IRSA), for AWS_MSK_IAM
        #   eks.amazonaws.com/role-arn: arn:aws:iam::123456789012:role/j2k-analysis
        """)
