"""Nodes drained, stopped and restarted; the API server away for a while."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.api import read_api
from j2k_dev.sandbox.nodes import execute
from j2k_dev.scenario.faults.pods import pod_of
from j2k_dev.scenario.ground import Fault, Proof
from j2k_dev.scenario.waiting import within

_READY_SECONDS = 60.0
_DRAIN_SECONDS = 60.0


@dataclass
class NodeDown(Fault):
    """Drains, stops or restarts the node that the worker's pod is on."""

    node: str = ""

    def strike(self) -> None:
        """Do it."""
        cluster = self.ground.on_cluster
        self.node = str((pod_of(cluster, self.moment.worker) or {"spec": {"nodeName": ""}})["spec"]["nodeName"])
        if not self.node or self.node.endswith("control-plane"):
            raise MachineryFailed(f"{self.moment.worker} is on no node that can go", "j2k sandbox up --nodes 3")
        self.before = self._seen()
        self.begins()
        if self.asked.fault == "drain-node":
            flags = ("--ignore-daemonsets", "--delete-emptydir-data", "--force")
            cluster.kubectl.call("drain", self.node, *flags, timeout=_DRAIN_SECONDS)
        else:
            cluster.client.api.kill(self.node)
            if self.asked.fault == "restart-node":
                cluster.client.api.start(self.node)
        self.after = self._seen()

    def undo(self) -> None:
        """Have the node again, and wait until it is ready."""
        if not self.node:
            return
        cluster = self.ground.on_cluster
        if not self._inspected()["State"]["Running"]:
            cluster.client.api.start(self.node)
        if self.asked.fault == "drain-node":
            cluster.kubectl.call("uncordon", self.node)
        if not within(_READY_SECONDS, self._is_ready):
            raise MachineryFailed(f"{self.node} is not ready again", "j2k sandbox up")

    def proof(self) -> Proof:
        """Say how the node was before, and then."""
        told = f"{self.node}: {_words(self.before)} before, {_words(self.after)} then"
        return Proof(self.before != self.after, told, self.before, self.after)

    def _seen(self) -> dict[str, str]:
        state, spec = self._inspected()["State"], self._node().get("spec", {})
        open_to_pods = "no" if spec.get("unschedulable") else "yes"
        return {"container": str(state["Status"]), "began": str(state["StartedAt"]), "takes pods": open_to_pods}

    def _inspected(self) -> Any:
        return self.ground.on_cluster.client.api.inspect_container(self.node)

    def _node(self) -> Any:
        return next(iter(self.ground.on_cluster.kubectl.find("default", f"node/{self.node}")), {})

    def _is_ready(self) -> bool:
        conditions = self._node().get("status", {}).get("conditions", ())
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


@dataclass
class ApiServerAway(Fault):
    """Stops the API server's process where it is: it holds its port, and answers nobody."""

    def strike(self) -> None:
        """Stop it."""
        self.before = self._seen()
        self.begins()
        self._signal("STOP")
        self.after = self._seen()

    def undo(self) -> None:
        """Let it go on."""
        self._signal("CONT")
        within(_READY_SECONDS, lambda: self._seen()["api"] == "answers")

    def proof(self) -> Proof:
        """Say whether it answered."""
        told = f"the API server {self.before['api']} before, and {self.after['api']} then"
        return Proof(self.before["api"] == "answers" != self.after["api"], told, self.before, self.after)

    def _signal(self, name: str) -> None:
        cluster = self.ground.on_cluster
        execute(cluster.client, f"{cluster.sandbox.cluster}-control-plane", f"pkill -{name} -x kube-apiserver")

    def _seen(self) -> dict[str, str]:
        api, began = read_api(self.ground.on_cluster.sandbox.kubeconfig), time.monotonic()
        try:
            if api is not None:
                api.get("/api/v1/namespaces/default")
                return {"api": "answers", "seconds": f"{time.monotonic() - began:.2f}"}
        except MachineryFailed:
            pass
        return {"api": "answers nobody", "seconds": f"{time.monotonic() - began:.2f}"}


def _words(seen: dict[str, str]) -> str:
    return f"{seen.get('container')} since {seen.get('began', '')[11:19]}, takes pods: {seen.get('takes pods')}"
