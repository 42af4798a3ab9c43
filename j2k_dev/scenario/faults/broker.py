"""The broker's container killed, paused, restarted; the network to it cut, slowed or reset by the proxy in between."""

from __future__ import annotations

import json
import logging
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from docker.errors import DockerException

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.kafka import wait_for_broker
from j2k_dev.sandbox.model import KAFKA_PROXIED_PORT
from j2k_dev.sandbox.nodes import execute
from j2k_dev.sandbox.proxy import HOST, PODS
from j2k_dev.scenario.ground import Fault, Proof

if TYPE_CHECKING:
    from docker.models.containers import Container as DockerContainer


_ANSWER_SECONDS = 10.0
_QUESTION_MILLISECONDS = 2000
_LATENCY_MILLISECONDS = 400
_KILOBYTES_PER_SECOND = 40
# What the proxy is told to do, by fault.
_TOXICS: dict[str, dict[str, dict[str, int]]] = {
    "slow-network": {
        "latency": {"latency": _LATENCY_MILLISECONDS, "jitter": 100},
        "bandwidth": {"rate": _KILOBYTES_PER_SECOND},
    },
    "reset-network": {"reset_peer": {"timeout": 0}},
}
_SILENT, _ANSWERS, _RESET = "no answer", "answers", "is reset"
# Asks for the versions that a broker speaks, as Kafka's protocol has it (length, key, version, number, no client), from
# a node: Docker's own proxy, by which this machine comes to the containers, makes an ordinary end of every reset.
_CONNECT = r"""
timeout 4 bash -c '
exec 3<>/dev/tcp/{address}/{port} || {{ echo "is refused"; exit 0; }}
printf "\0\0\0\12\0\22\0\0\0\0\0\1\377\377" >&3
found=$({{ head -c 4 <&3 | wc -c; }} 2>&1)
case $found in *reset*) echo "is reset";; 4) echo answers;; *) echo "is ended";; esac
' 2>/dev/null || echo "no answer"
"""


@dataclass
class BrokerDown(Fault):
    """Kills, pauses or restarts the broker; killed or paused, it is away until it is undone."""

    def strike(self) -> None:
        """Do it."""
        container = self._container()
        self.before = _state(container)
        self.begins()
        if self.asked.fault == "pause-broker":
            container.pause()
        else:
            container.kill()
        container.reload()
        self.after = _state(container)
        if self.asked.fault == "restart-broker":
            container.start()

    def undo(self) -> None:
        """Have the broker again, and wait until it commits transactions."""
        container = self._container()
        if container.status == "paused":
            container.unpause()
        elif container.status != "running":
            container.start()
        wait_for_broker(container, self.ground.on_cluster.state.kafka, threading.Event())

    def proof(self) -> Proof:
        """Say how the container was, and how it is."""
        after = _state(self._container())
        if self.asked.fault == "pause-broker":
            return Proof(self.after.get("status") == "paused", f"the broker was {self.after.get('status')}",
                         self.before, self.after)  # fmt: skip
        ended = self.after.get("status") == "exited"
        told = f"the broker {self.after.get('status')} with {self.after.get('exit code')}, and began anew"
        return Proof(ended and after["began"] != self.before["began"], told, self.before, after)

    def _container(self) -> DockerContainer:
        cluster = self.ground.on_cluster
        try:
            return cluster.client.containers.get(cluster.sandbox.container("kafka"))
        except DockerException as error:
            raise MachineryFailed(f"the broker's container can't be reached: {error}", "j2k sandbox up") from error


def _state(container: DockerContainer) -> dict[str, str]:
    state: dict[str, Any] = container.attrs["State"]
    return {"status": str(state["Status"]), "began": str(state["StartedAt"]), "exit code": str(state["ExitCode"])}


@dataclass
class Network(Fault):
    """Cuts the way to the broker, makes it slow (0.4 s, 40 kB/s) or resets connections, with the sandbox's proxy."""

    def strike(self) -> None:
        """Do it to pods and to this machine's own way, by which it is measured."""
        self.before = self._measured()
        self.begins()
        for proxy in (PODS, HOST):
            if self.asked.fault == "cut-network":
                self._ask(f"/proxies/{proxy}", {"enabled": False})
            else:
                for kind, attributes in _TOXICS[self.asked.fault].items():
                    toxic = {"name": f"j2k-{kind}", "type": kind, "attributes": attributes}
                    self._ask(f"/proxies/{proxy}/toxics", toxic)
        self.after = self._measured()

    def undo(self) -> None:
        """Put everything back as it was."""
        self._ask("/reset", {})

    def proof(self) -> Proof:
        """Say how long an answer took before and then, for this machine, and what a pod's connection comes to."""
        way = f"a connection as pods make them: {self.before['connection']} before, {self.after['connection']} then"
        told = (
            f"a question to the broker through the proxy: {self.before['answer']} before, {self.after['answer']} then"
        )
        return Proof(self._bit(), f"{told}; {way}", self.before, self.after)

    def _bit(self) -> bool:
        if self.before["connection"] != _ANSWERS:
            return False
        if self.asked.fault == "reset-network":
            return self.after["connection"] == _RESET
        if self.asked.fault == "cut-network":
            return self.after["answer"] == _SILENT and self.after["connection"] not in {_ANSWERS, _RESET}
        return float(self.after["seconds"]) > float(self.before["seconds"]) + _LATENCY_MILLISECONDS / 1000

    def _measured(self) -> dict[str, str]:
        cluster = self.ground.on_cluster
        seconds = question_seconds(cluster.state.kafka_proxied)
        told = _SILENT if seconds is None else f"{seconds:.2f} s"
        proxy = cluster.client.api.inspect_container(cluster.sandbox.container("proxy"))
        address = proxy["NetworkSettings"]["Networks"][cluster.sandbox.network]["IPAddress"]
        script = _CONNECT.format(address=address, port=KAFKA_PROXIED_PORT)
        connection = execute(cluster.client, f"{cluster.sandbox.cluster}-control-plane", script).strip()
        return {"answer": told, "seconds": f"{seconds or 0.0:.3f}", "connection": connection}

    def _ask(self, path: str, body: dict[str, Any]) -> None:
        address = f"{self.ground.on_cluster.state.proxy}{path}"
        request = urllib.request.Request(address, json.dumps(body).encode(), method="POST")  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS):  # noqa: S310 - see above
                pass
        except (urllib.error.URLError, OSError) as error:
            raise MachineryFailed(f"the proxy does not answer at {address}: {error}", "j2k sandbox up") from error


def question_seconds(address: str) -> float | None:
    """Return how long the broker takes to answer at an address; None where it does not."""
    from kafka.admin import KafkaAdminClient  # noqa: PLC0415 - takes its time to import
    from kafka.errors import KafkaError  # noqa: PLC0415 - see above

    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # a broker that is away is what is asked about
    began = time.monotonic()
    try:
        KafkaAdminClient(bootstrap_servers=address, bootstrap_timeout_ms=_QUESTION_MILLISECONDS).close()
    except (KafkaError, OSError):
        return None
    return time.monotonic() - began
