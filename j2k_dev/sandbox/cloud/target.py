"""The target file of a twin: what a scientist would write by hand from what the cloud's administrator told them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from j2k_dev.engine.workspace import write_text
from j2k_dev.sandbox.cloud.model import EBS_CLASS, EFS_CLASS

if TYPE_CHECKING:
    from pathlib import Path

    from j2k_dev.sandbox.model import SandboxState

_HEAD = "# Made by j2k sandbox up --cloud for its twin. Without this line it is yours, and is left alone.\n"


def target_text(state: SandboxState) -> str:
    """Write the target file."""
    cloud = state.cloud
    assert cloud is not None
    told = {
        "context": state.context,
        "kubeconfig": state.kubeconfig,
        "registry": {"push": state.registry, "pull": cloud.registry, "ca": cloud.ca},
        "imagePullSecret": cloud.pull_secret,
        "storage": {"class": EFS_CLASS, "size": "2Gi"},
        "scratch": {"class": EBS_CLASS, "size": "1Gi"},
        "kafka": {
            "bootstrap": state.kafka_in_cluster,
            "protocol": "SASL_SSL",
            "mechanism": cloud.kafka_mechanism,
            "secret": cloud.kafka_secret,
            "ca": cloud.ca,
        },
    }
    return _HEAD + yaml.safe_dump(told, sort_keys=False)


def write_target(state: SandboxState, folder: Path) -> tuple[Path, bool]:
    """Write the target file into a folder's ``targets``, and say whether it is ours: one of the user's own is kept."""
    path = folder / "targets" / f"{state.context}.yaml"
    if path.is_file() and not path.read_text(encoding="utf-8").startswith(_HEAD):
        return path, False
    write_text(path, target_text(state))
    return path, True
