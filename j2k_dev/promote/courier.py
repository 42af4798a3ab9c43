"""The courier's pod of a release: made of one of its Deployments, so that it has what the workers have. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from j2k_dev.deploy.courier_pod import SERVE
from j2k_dev.deploy.manifests import COURIER_LABEL, EXCHANGE_MOUNT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from j2k_dev.promote.model import Object

_PROGRAM = "j2k_dev.worker.courier"
# The folder that cells run in: nobody runs any here.
_WORK = "work"
_SPREAD = "topologySpreadConstraints"


def courier_of(deployment: Object, entrypoint: Sequence[str]) -> Object:
    """Make the pod that reaches the exchange and the broker; ``entrypoint`` starts the image's interpreter.

    Every stage's image stands on the pipeline's environment, so any of them serves.
    """
    template = deployment["spec"]["template"]["spec"]
    worker, labels = template["containers"][0], deployment["metadata"]["labels"]
    container = {
        "name": "courier",
        "image": worker["image"],
        "imagePullPolicy": "IfNotPresent",
        "args": [_PROGRAM, "wait", EXCHANGE_MOUNT],
        "envFrom": worker["envFrom"],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
        "securityContext": worker["securityContext"],
        "volumeMounts": [
            mount for mount in worker["volumeMounts"] if _WORK not in (mount["name"], mount.get("subPath"))
        ],
    }
    spec = {
        **{name: value for name, value in template.items() if name != _SPREAD},
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 2,
        "containers": [container],
        "volumes": [_small(volume) for volume in template["volumes"] if volume["name"] != _WORK],
    }
    pipeline = labels["j2k.dev/pipeline"]
    metadata = {
        "name": f"courier-{worker['image'].rpartition(':')[2][:12]}",
        "namespace": deployment["metadata"]["namespace"],
        "labels": {
            "app.kubernetes.io/part-of": pipeline,
            "app.kubernetes.io/managed-by": "j2k",
            COURIER_LABEL: pipeline,
        },
        "annotations": {SERVE: json.dumps([*entrypoint, _PROGRAM, "serve", EXCHANGE_MOUNT])},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _small(volume: Object) -> Object:
    """Give a pod that is gone in a moment space on its node, where workers have volumes made for them."""
    return {"name": volume["name"], "emptyDir": {}} if "ephemeral" in volume else volume
