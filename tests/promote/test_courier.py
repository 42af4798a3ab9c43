"""The courier of a release: what the workers have, but for the folder that cells run in."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from j2k_dev.deploy import schema
from j2k_dev.promote.courier import courier_of
from tests.promote.made import EXAMPLE, base

PROMOTED = tuple(yaml.safe_load_all((EXAMPLE / "built.yaml").read_text()))
VERIFIED = tuple(yaml.safe_load_all(base()["stage-2-fit.yaml"]))


def courier(objects: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    deployment = next(each for each in objects if each["kind"] == "Deployment")
    return courier_of(deployment, ["/usr/bin/python3"])


@pytest.mark.parametrize("objects", [PROMOTED, VERIFIED], ids=["promoted", "base"])
def test_it_has_the_exchange_and_room_of_its_node_and_nothing_of_the_cells(objects: tuple[dict[str, Any], ...]) -> None:
    spec = courier(objects)["spec"]
    mounted = {mount["mountPath"]: mount["name"] for mount in spec["containers"][0]["volumeMounts"]}
    assert mounted.items() >= {"/exchange": "exchange", "/tmp": "scratch"}.items()
    assert "/home/ada/notebooks" not in mounted
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes["scratch"] == {"name": "scratch", "emptyDir": {}}
    assert set(mounted.values()) == set(volumes)
    schema.check([courier(objects)], "v1.34.0")


def test_it_reaches_the_targets_broker_as_workers_do() -> None:
    pod = courier(PROMOTED)["spec"]
    container = pod["containers"][0]
    assert {"secretRef": {"name": "kafka-login"}} in container["envFrom"]
    assert "/etc/j2k/kafka" in {mount["mountPath"] for mount in container["volumeMounts"]}
    assert pod["imagePullSecrets"] == [{"name": "regcred"}]
