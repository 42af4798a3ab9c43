"""What evidence is about, hashed: whatever matters changes a hash, and whatever does not changes none."""

from pathlib import Path

import pytest

from j2k_dev.evidence.hashes import hashes, images, read_base
from j2k_dev.model.errors import BadInput
from j2k_dev.model.pipeline import Pipeline, Stage

DIGEST = "sha256:" + "0123456789abcdef" * 4
STAGE = f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: stage-1-load
  labels:
    j2k.dev/pipeline: weather
    j2k.dev/release: 0123456789abcdef
spec:
  template:
    spec:
      containers:
        - name: worker
          image: localhost:5001/j2k/weather-load@{DIGEST}
          env:
            - name: J2K_STAGE
              value: load
---
kind: Service
"""
BASE = {"stage-1-load.yaml": STAGE, "namespace.yaml": "kind: Namespace\n"}


def pipeline(*cells: int) -> Pipeline:
    return Pipeline("weather", "rec", "auto", (Stage("load", cells, (), (), 1.0, 1),), ())


def of(base: dict[str, str] | None, notebook: bytes = b"{}") -> dict[str, str]:
    return hashes(notebook, pipeline(0, 1), "rec", base)


def test_pods_have_manifests_and_an_image_for_each_stage() -> None:
    assert of(BASE).keys() == {"notebook", "pipeline", "recording", "manifests", "image load"}
    assert of(BASE)["image load"] == DIGEST


def test_processes_on_this_machine_have_neither() -> None:
    assert of(None).keys() == {"notebook", "pipeline", "recording"}


def test_any_edit_of_a_manifest_changes_the_hash_of_the_manifests() -> None:
    edits = [
        {**BASE, "stage-1-load.yaml": STAGE.replace("worker", "other")},
        {**BASE, "stage-1-load.yaml": STAGE + "\n"},
        {**BASE, "more.yaml": ""},
        {"stage-1-load.yaml": STAGE},
        {"stage-1-load.yaml": BASE["namespace.yaml"], "namespace.yaml": STAGE},
    ]
    assert all(of(edited)["manifests"] != of(BASE)["manifests"] for edited in edits)


def test_what_is_in_one_file_is_not_the_same_in_another() -> None:
    assert of({"a.yaml": "x", "b.yaml": ""})["manifests"] != of({"a.yaml": "", "b.yaml": "x"})["manifests"]


def test_another_image_changes_both() -> None:
    other = {**BASE, "stage-1-load.yaml": STAGE.replace("0123", "aaaa", 1).replace("@sha256:0123", "@sha256:bbbb")}
    assert of(other)["image load"] != DIGEST
    assert of(other)["manifests"] != of(BASE)["manifests"]


def test_the_label_that_tells_releases_apart_is_not_of_what_was_verified() -> None:
    """It is a hash of base and overlay together: with more replicas it is another."""
    label = "j2k.dev/release: 0123456789abcdef"
    other = {**BASE, "stage-1-load.yaml": STAGE.replace(label, "j2k.dev/release: fedcba9876543210")}
    assert of(other) == of(BASE)
    quoted = {**BASE, "stage-1-load.yaml": STAGE.replace(label, "j2k.dev/release: '0123456789012345'")}
    assert of(quoted) == of(BASE)


@pytest.mark.parametrize("value", ["0123456789abcdef0", "0123456789abcde", "x", "0123456789abcdef # more", "&a 0123"])
def test_anything_else_in_its_place_is(value: str) -> None:
    other = {**BASE, "stage-1-load.yaml": STAGE.replace("release: 0123456789abcdef", f"release: {value}")}
    assert of(other)["manifests"] != of(BASE)["manifests"]


def test_the_notebook_and_the_plan_count_by_their_contents() -> None:
    assert of(None, b"{ }")["notebook"] != of(None)["notebook"]
    assert hashes(b"{}", pipeline(0), "rec", None)["pipeline"] != of(None)["pipeline"]


def test_images_are_read_as_the_manifests_name_them() -> None:
    assert images(BASE) == {"load": f"localhost:5001/j2k/weather-load@{DIGEST}"}


def test_a_base_is_read_with_the_ends_of_its_lines(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.yaml").write_bytes(b"a: 1\r\n")
    (tmp_path / "deep" / "b.yaml").write_bytes(b"b: 1\n")
    (tmp_path / "notes.txt").write_text("not a manifest")
    assert read_base(tmp_path) == {"a.yaml": "a: 1\r\n", "deep/b.yaml": "b: 1\n"}


def test_a_base_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert read_base(tmp_path / "none") == {}


def test_a_manifest_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match=r"a\.yaml is no text"):
        read_base(tmp_path)
