"""Target files: what they may say, and that everything wrong with one is told at once, with its line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from j2k_dev.deploy.target import read_target, template
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
    everything = [re.sub("^( *)# (?=[ a-zA-Z-])", r"\1", line) for line in template("prod").splitlines()[2:]]
    written(tmp_path, "\n".join(line for line in everything if "insecure" not in line))
    target = read_target("prod", None, tmp_path)
    assert (target.tolerations[0].value, target.replicas, target.kafka.replication_factor) == ("science", 2, 3)
