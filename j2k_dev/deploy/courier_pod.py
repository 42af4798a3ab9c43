"""The courier's pod: made when it is first asked, again where it is gone, and spoken to through ``kubectl exec``."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from j2k_dev.deploy.courier import Connection
from j2k_dev.deploy.kubectl import FIELD_MANAGER
from j2k_dev.deploy.trouble import view
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.worker.frames import LineLost

if TYPE_CHECKING:
    from j2k_dev.deploy.kubectl import Kubectl
    from j2k_dev.deploy.manifests import Object

SERVE = "j2k.dev/serve"

_READY_SECONDS = 180.0
_LOOK_SECONDS = 0.3
_DELETE_SECONDS = 60.0
# What trying again does not mend.
_FINAL = re.compile(r"\((Forbidden|NotFound|Invalid|BadRequest|Unauthorized)\)|is invalid|does not exist")


class CourierPod:
    """One pod on one cluster, as its manifest says."""

    def __init__(self, kubectl: Kubectl, manifest: Object) -> None:
        self._kubectl = kubectl
        self._manifest = manifest
        self._name: str = manifest["metadata"]["name"]
        self._place = ("--namespace", str(manifest["metadata"]["namespace"]))

    def connect(self) -> Connection:
        """Have the pod, and start a courier in it; raise LineLost where another try makes sense."""
        try:
            self._have()
        except MachineryFailed as error:
            if error.detail and not _FINAL.search(error.detail):  # kubectl failed: the cluster may be away
                raise LineLost(f"{error.message}: {error.detail}") from error
            raise
        command = json.loads(self._manifest["metadata"]["annotations"][SERVE])
        exec_ = ("exec", "--stdin", self._name, *self._place, "--container", "courier", "--", *command)
        return Connection(self._kubectl.cluster.arguments(*exec_))

    def _have(self) -> None:
        """Wait until the pod is ready; say within seconds why it can't be."""
        deadline, troubled = time.monotonic() + _READY_SECONDS, 0.0
        while not _is_ready(pod := self._found()):
            if pod is None:
                self._kubectl.call(
                    "apply", "--server-side", "--field-manager", FIELD_MANAGER, "--filename", "-",
                    stdin=json.dumps(self._manifest),
                )  # fmt: skip
            elif _is_over(pod):
                wait = f"--timeout={_DELETE_SECONDS:g}s"
                self._kubectl.call("delete", "pod", self._name, *self._place, "--ignore-not-found", wait)
            else:
                troubled = _trouble(pod, troubled)
            if time.monotonic() > deadline:
                told = f"the courier's pod {self._name} was not ready within {_READY_SECONDS:g} seconds"
                raise MachineryFailed(told, f"kubectl describe pod {self._name} {' '.join(self._place)}")
            time.sleep(_LOOK_SECONDS)

    def _found(self) -> Object | None:
        found = self._kubectl.find(self._place[1], f"pod/{self._name}")
        return found[0] if found else None


def _is_ready(pod: Object | None) -> bool:
    if pod is None or "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = pod.get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _is_over(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"] or pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _trouble(pod: Object, since: float) -> float:
    """Return since when the pod is in trouble (0: it is not); raise where that does not mend itself."""
    seen = view(pod)
    if not seen.why:
        return 0.0
    if since and time.monotonic() - since > seen.patience:
        raise MachineryFailed(f"the courier's pod {seen.name} can't work: {seen.why}", seen.way_out)
    return since or time.monotonic()
