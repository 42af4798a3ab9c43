"""What the twin's administrator applies: the files that ship for administrators, for one pipeline and its namespace."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from j2k_dev.packaging.system import USER
from j2k_dev.sandbox.cloud.admin import admin_folder, write_overlays
from j2k_dev.sandbox.cloud.model import EBS_CLASS, EBS_DRIVER, EFS_CLASS, EFS_DRIVER, GROUP, Cloud
from j2k_dev.sandbox.model import Sandbox

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(Sandbox(tmp_path, "twin"))


def shipped() -> list[dict[str, Any]]:
    files = [file for file in sorted(admin_folder().rglob("*.yaml")) if file.name != "kustomization.yaml"]
    return [document for file in files for document in yaml.safe_load_all(file.read_text())]


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [each for each in shipped() if each["kind"] == kind]


def test_the_overlays_are_kustomizations_on_what_ships(cloud: Cloud) -> None:
    folders = write_overlays(cloud, {"weather": "j2k-weather"})
    assert [folder.name for folder in folders] == ["for-all", "for-weather"]
    for folder in folders:
        told = yaml.safe_load((folder / "kustomization.yaml").read_text())
        assert all((folder / resource / "kustomization.yaml").is_file() for resource in told["resources"])


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not in PATH")
def test_the_namespace_is_the_pipelines_own_and_restricted(cloud: Cloud) -> None:
    _all, one = write_overlays(cloud, {"weather": "science-weather"})
    built = subprocess.run(["kubectl", "kustomize", one], check=True, capture_output=True, text=True).stdout
    objects = list(yaml.safe_load_all(built))
    (namespace,) = [each for each in objects if each["kind"] == "Namespace"]
    assert namespace["metadata"]["name"] == "science-weather"
    assert namespace["metadata"]["labels"]["j2k.dev/pipeline"] == "weather"
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {each["metadata"]["namespace"] for each in objects if each is not namespace} == {"science-weather"}


def test_rights_are_of_the_group_alone_and_name_every_resource() -> None:
    subjects = [
        subject
        for kind in ("RoleBinding", "ClusterRoleBinding")
        for each in of_kind(kind)
        for subject in each["subjects"]
    ]
    assert {(subject["kind"], subject["name"]) for subject in subjects} == {("Group", GROUP)}
    rules = [rule for kind in ("Role", "ClusterRole") for each in of_kind(kind) for rule in each["rules"]]
    assert "*" not in json.dumps(rules)


def test_nothing_may_be_changed_outside_of_the_namespace() -> None:
    verbs = {verb for each in of_kind("ClusterRole") for rule in each["rules"] for verb in rule["verbs"]}
    assert verbs == {"get", "list"}


def test_data_volumes_may_not_be_deleted() -> None:
    rules = [
        rule for each in of_kind("Role") for rule in each["rules"] if "persistentvolumeclaims" in rule["resources"]
    ]
    assert rules
    assert all("delete" not in rule["verbs"] for rule in rules)


def test_the_access_points_of_the_class_belong_to_who_pods_are() -> None:
    classes = {each["metadata"]["name"]: each for each in of_kind("StorageClass")}
    assert {name: each["provisioner"] for name, each in classes.items()} == {
        EFS_CLASS: EFS_DRIVER,
        EBS_CLASS: EBS_DRIVER,
    }
    assert classes[EFS_CLASS]["parameters"]["uid"] == classes[EFS_CLASS]["parameters"]["gid"] == str(USER)
    assert classes[EBS_CLASS]["volumeBindingMode"] == "WaitForFirstConsumer"
