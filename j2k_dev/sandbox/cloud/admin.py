"""The twin's administrator: grants a pipeline what docs/admin.md asks for, with the files that are shipped for it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

import j2k_dev
from j2k_dev.engine.workspace import write_text
from j2k_dev.sandbox.api import read_api
from j2k_dev.sandbox.cloud.files import docker_config, provide_logins
from j2k_dev.sandbox.cloud.model import KAFKA_SECRET, PULL_SECRET
from j2k_dev.sandbox.cloud.objects import secret
from j2k_dev.sandbox.commands import Command
from j2k_dev.sandbox.state import write_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from j2k_dev.sandbox.cloud.files import Logins
    from j2k_dev.sandbox.cloud.model import Cloud
    from j2k_dev.sandbox.commands import Runner
    from j2k_dev.sandbox.model import SandboxState

_MANAGER = "administrator"
_PIPELINE = "j2k.dev/pipeline"
_OURS = f"app.kubernetes.io/managed-by=j2k,{_PIPELINE}"


def admin_folder() -> Path:
    """Find what ships for administrators: inside an installed wheel, or beside the package in a checkout."""
    package = Path(j2k_dev.__file__).parent
    shipped = package / "_data" / "manifests" / "admin"
    return shipped if shipped.is_dir() else package.parent / "manifests" / "admin"


def prepare(
    cloud: Cloud, state: SandboxState, pipelines: Mapping[str, str], kubectl: Path, runner: Runner
) -> SandboxState:
    """Prepare a twin that is up for these pipelines too, by name, each with its namespace; return what it tells now."""
    assert state.cloud is not None
    grant(cloud, pipelines, provide_logins(cloud.logins), kubectl, runner)
    told = replace(state, cloud=replace(state.cloud, pipelines={**state.cloud.pipelines, **pipelines}))
    write_state(cloud.sandbox, told)
    return told


def grant(cloud: Cloud, pipelines: Mapping[str, str], logins: Logins, kubectl: Path, runner: Runner) -> None:
    """Make pipelines' namespaces, let the user promote into them, and leave the logins there; again changes nothing."""
    words: list[str | Path] = [kubectl, "--kubeconfig", cloud.sandbox.kubeconfig.absolute(), "apply", "--server-side"]
    words += ["--force-conflicts", "--field-manager", _MANAGER, "-k"]
    for folder in write_overlays(cloud, pipelines):
        runner.run(Command([*words, folder]), "`j2k sandbox up`, then the same command again")
    api = read_api(cloud.sandbox.kubeconfig)
    assert api is not None  # kubectl has just used it
    for namespace in pipelines.values():
        for path, wanted in _secrets(cloud, namespace, logins):
            api.apply(path, wanted)


def prepared(get: Callable[[str], dict[str, Any]]) -> dict[str, str]:
    """Ask a twin's cluster for the pipelines that it was prepared for, each with its namespace."""
    found = get(f"/api/v1/namespaces?labelSelector={_OURS}")["items"]
    return {each["metadata"]["labels"][_PIPELINE]: each["metadata"]["name"] for each in found}


def write_overlays(cloud: Cloud, pipelines: Mapping[str, str]) -> tuple[Path, ...]:
    """Write what the administrator applies, as docs/admin.md says it; return the folders."""
    home = cloud.root / "admin"
    shutil.copytree(admin_folder(), home, dirs_exist_ok=True)
    overlays = {home / "for-all": _for_all(cloud)}
    overlays |= {home / f"for-{name}": _for_one(name, namespace) for name, namespace in pipelines.items()}
    for folder, told in overlays.items():
        header = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
        write_text(folder / "kustomization.yaml", yaml.safe_dump({**header, **told}, sort_keys=False))
    return tuple(overlays)


def _for_all(cloud: Cloud) -> dict[str, object]:
    """Give what is there once for the cluster: looking, and the classes of volumes."""
    return {
        "resources": ["../cluster", "../storage"],
        "patches": [_patch("StorageClass", "efs", "replace", "/parameters/fileSystemId", cloud.file_system)],
    }


def _for_one(pipeline: str, namespace: str) -> dict[str, object]:
    """Give what is there once for a pipeline: its namespace, with rights and a quota."""
    return {
        "resources": ["../namespace"],
        "namespace": namespace,
        "patches": [_patch("Namespace", "j2k-pipeline", "add", "/metadata/labels/j2k.dev~1pipeline", pipeline)],
    }


def _patch(kind: str, name: str, step: str, path: str, value: str) -> dict[str, object]:
    steps = [{"op": step, "path": path, "value": value}]
    return {"target": {"kind": kind, "name": name}, "patch": yaml.safe_dump(steps, sort_keys=False)}


def _secrets(cloud: Cloud, namespace: str, logins: Logins) -> list[tuple[str, dict[str, object]]]:
    pull = {".dockerconfigjson": docker_config({cloud.registry: logins.registry})}
    kafka = {"KAFKA_SASL_USERNAME": logins.kafka.user, "KAFKA_SASL_PASSWORD": logins.kafka.password}
    return [
        secret(namespace, PULL_SECRET, "kubernetes.io/dockerconfigjson", pull),
        secret(namespace, KAFKA_SECRET, "Opaque", kafka),
    ]
