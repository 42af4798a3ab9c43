"""Target files: what they may say, and that everything wrong with one is told at once, with its line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from j2k_dev.deploy.target import TargetRegistry, read_target, template
from j2k_dev.model.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path

SMALL = """context: prod
registry:
  push: registry.example.org/science
storage:
  class: efs
kafka:
  bootstrap: kafka:9092
"""


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def written(folder: Path, text: str, name: str = "prod") -> Path:
    path = folder / "targets" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def problems(folder: Path, text: str) -> str:
    path = written(folder, text)
    with pytest.raises(BadInput) as caught:
        read_target("prod", None, folder)
    assert caught.value.way_out == f"mend {path}"
    return caught.value.message.removeprefix(f"{path}: ")


def test_a_small_target_has_defaults(tmp_path: Path) -> None:
    written(tmp_path, SMALL)
    target = read_target("prod", None, tmp_path)
    assert (target.storage.class_, target.storage.size, target.namespace) == ("efs", "10Gi", "")
    assert target.kafka.environment["KAFKA_BROKER"] == "kafka:9092"
    assert "KAFKA_SASL_MECHANISM" not in target.kafka.environment


def test_a_full_target_is_read(tmp_path: Path) -> None:
    more = """replicas: 2
imagePullSecret: regcred
nodeSelector: {kubernetes.io/arch: amd64}
tolerations: [{key: dedicated, operator: Exists, effect: NoSchedule}]
"""
    target = read_target("prod", written(tmp_path, SMALL + more), tmp_path)
    assert target.node_selector == {"kubernetes.io/arch": "amd64"}
    assert target.tolerations[0].plain == {"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}
    assert (target.replicas, target.image_pull_secret) == (2, "regcred")


def test_everything_wrong_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    told = problems(
        tmp_path,
        """context: prod
regstry: {}
registry:
  push: https://registry.example.org
storage:
  class: efs
  size: 10
kafka:
  protocol: TLS
replicas: 9
nodeSelector:
  gpu: true
tolerations: dedicated
context: twice
""",
    )
    assert "line 2: unknown field regstry (there are context, registry, storage" in told
    assert "line 4: registry.push: 'https://registry.example.org' is not HOST[:PORT][/PATH]" in told
    assert 'line 7: storage.size has to be a text: write "10"' in told
    assert "line 9: kafka.bootstrap is missing" in told
    assert "line 9: kafka.protocol has to be one of PLAINTEXT" in told
    assert "line 10: replicas: 1 to 3" in told
    assert 'line 12: nodeSelector.gpu has to be a text: write "true"' in told
    assert "line 13: tolerations has to be a list" in told
    assert "line 14: context stands there twice" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1: the file is empty"),
        ("a: [", "is no YAML"),
        ("- a", "line 1: the file has to be fields with values"),
        (SMALL.replace("prod", "other"), "it is for the context other, and --context says prod"),
        (SMALL + "  protocol: SASL_SSL\n", "needs kafka.mechanism and kafka.secret"),
        (SMALL + "  secret: x\n", "are of no use with kafka.protocol PLAINTEXT"),
        (SMALL.replace("class:", "class_:"), "unknown field storage.class_"),
        (SMALL.replace("class: efs", "size: 1Gi"), "storage needs one of class and efs"),
        (SMALL.replace("class: efs", "class: a\n  efs: {fileSystemId: fs-01234567}"), "needs one of class and efs"),
        (SMALL.replace("class: efs", "efs: {fileSystemId: vol-1}"), "'vol-1' is not the id of a file system"),
        (
            SMALL.replace("class: efs", "efs: {fileSystemId: fs-01234567, accessPoint: fsap-01234567, basePath: /a}"),
            "basePath are of no use with an accessPoint",
        ),
        (SMALL + "scratch: {size: 1Gi}\n", "scratch needs one of class and ebs"),
        (SMALL + "scratch: {ebs: {type: gp2, iops: 3000}}\n", "iops is not for type gp2"),
        (SMALL + "scratch: {ebs: {iops: 500}}\n", "type gp3 has 3000 without anything said"),
        (SMALL + "scratch: {ebs: {type: io2}}\n", "iops is missing, which type io2 needs"),
        (SMALL + "scratch: {ebs: {type: io2, iops: 3000, throughput: 200}}\n", "throughput is for type gp3 only"),
        (SMALL + "scratch: {ebs: {throughput: 5}}\n", "scratch.ebs.throughput: 125 MiB/s at least"),
        (
            SMALL + "scratch: {ebs: {encrypted: false, kmsKeyId: 'arn:aws:kms:eu-west-1:123456789012:key/a'}}\n",
            "kmsKeyId is of no use where nothing is encrypted",
        ),
        (SMALL + "  mechanism: AWS_MSK_IAM\n", "AWS_MSK_IAM needs kafka.protocol SASL_SSL"),
        (SMALL + "  protocol: SASL_SSL\n  mechanism: AWS_MSK_IAM\n  secret: x\n", "takes no kafka.secret"),
        (SMALL + "  ca: ca.pem\n", "kafka.ca is of no use with kafka.protocol PLAINTEXT"),
        (SMALL + "resources: {fit: {memory: 4}}\n", "resources.fit.memory has to be a text"),
        (SMALL + "resources: {fit: {cpu: two}}\n", "resources.fit.cpu: 'two' is not a number of CPUs"),
        (SMALL + "? [a]\n: b\n", "line 8: the file has a field whose name is no text"),
        (SMALL + "namespace: !mine x\n", "namespace has to be a text"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BadInput) as caught:
        read_target("prod", path, tmp_path)
    assert told in caught.value.message


def test_a_missing_file_is_named_with_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"there is no target file .*/targets/prod\.yaml") as caught:
        read_target("prod", None, tmp_path)
    assert "j2k target prod" in caught.value.way_out


def test_the_template_is_a_target(tmp_path: Path) -> None:
    written(tmp_path, template("prod"))
    assert read_target("prod", None, tmp_path).context == "prod"


def test_the_template_is_one_too_with_all_that_is_optional(tmp_path: Path) -> None:
    """Left out is what excludes something else: a class beside EFS, plain HTTP, an access point that is there."""
    everything = [re.sub("^( *)# (?=[ a-zA-Z-])", r"\1", line) for line in template("prod").splitlines()[2:]]
    instead = re.compile("  class: efs| *insecure:| *accessPoint:")
    written(tmp_path, "\n".join(line for line in everything if not instead.match(line)))
    (tmp_path / "kafka.pem").write_text(CERTIFICATE)
    target = read_target("prod", None, tmp_path)
    assert (target.tolerations[0].value, target.replicas, target.kafka.replication_factor) == ("science", 2, 3)
    assert target.storage.efs
    assert target.storage.efs.base_path == "/j2k"
    assert target.scratch
    assert target.scratch.ebs
    assert target.scratch.ebs.kms_key_id.startswith("arn:aws:kms:")
    assert target.resources["fit"].plain == {"memory": "4Gi", "cpu": "2"}
    assert target.service_account_annotations


def test_certificates_are_read_from_the_file_that_the_target_names(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(CERTIFICATE)
    written(tmp_path, SMALL + "  protocol: SSL\n  ca: ca.pem\n")
    kafka = read_target("prod", None, tmp_path).kafka
    assert kafka.ca == CERTIFICATE
    assert kafka.environment["KAFKA_CA_FILE"] == "/etc/j2k/kafka/ca.pem"


@pytest.mark.parametrize(
    ("held", "told"),
    [
        (None, "ca.pem can't be read"),
        ("nothing", "holds no certificate (PEM)"),
        (f"{CERTIFICATE}-----BEGIN EC PRIVATE KEY-----\n", "holds a private key"),
    ],
)
def test_a_file_that_holds_no_certificates_alone_is_refused(tmp_path: Path, held: str | None, told: str) -> None:
    if held is not None:
        (tmp_path / "ca.pem").write_text(held)
    assert told in problems(tmp_path, SMALL + "  protocol: SSL\n  ca: ca.pem\n")


@pytest.mark.parametrize(
    "line",
    [
        "  password: hunter2hunter2\n",
        "  saslPassword: hunter2hunter2\n",
        "serviceAccountAnnotations: {a: AKIAHUNTER2HUNTER22}\n",
        "serviceAccountAnnotations: {apiToken: hunter2}\n",
        "nodeSelector: {url: 'https://hunter2:hunter2@example.org'}\n",
    ],
)
def test_a_secret_in_clear_text_is_refused_by_its_place_and_never_shown(tmp_path: Path, line: str) -> None:
    path = written(tmp_path, SMALL + line)
    with pytest.raises(
        BadInput, match=r"a secret in clear text: line 8: (kafka|serviceAccount|nodeSelector)"
    ) as caught:
        read_target("prod", path, tmp_path)
    assert "hunter2" not in caught.value.message.lower()
    assert "a Secret in the namespace" in caught.value.way_out


def test_a_login_before_the_broker_is_not_shown(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL.replace("kafka:9092", "ada:hunter2@kafka:9092"))
    with pytest.raises(BadInput, match=r"line 7: kafka\.bootstrap") as caught:
        read_target("prod", path, tmp_path)
    assert "hunter2" not in caught.value.message


def test_images_of_a_pipeline_are_in_one_repository() -> None:
    registry = TargetRegistry("registry.example.org/science", pull="registry.internal:5000")
    assert registry.pushed("weather") == "registry.example.org/science/weather"
    assert registry.pulled("weather") == "registry.internal:5000/weather"
    named = TargetRegistry("123456789012.dkr.ecr.eu-west-1.amazonaws.com", repository="science/weather")
    assert named.pulled("other") == "123456789012.dkr.ecr.eu-west-1.amazonaws.com/science/weather"
