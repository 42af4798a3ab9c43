"""The broker's container killed, paused, restarted; the network to it cut, slowed or reset by the proxy in between."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from docker.errors import DockerException

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.kafka import wait_for_broker
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
_SILENT, _RESET = "no answer", "connection reset"
_ENDS = {"cut-network": _SILENT, "reset-network": _RESET}
# A request for the versions that a broker speaks, as Kafka's protocol has it: length, key, version, number, no client.
_REQUEST = bytes.fromhex("0000000a 0012 0000 00000001 ffff")


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
        """Say how long an answer took by this way before, and then."""
        before, then = self.before["answer"], self.after["answer"]
        told = f"a question to the broker through the proxy: {before} before, {then} then"
        if self.asked.fault != "slow-network":
            bit = before.endswith(" s") and then == _ENDS[self.asked.fault]
        else:
            bit = float(self.after["seconds"]) > float(self.before["seconds"]) + _LATENCY_MILLISECONDS / 1000
        return Proof(bit, told, self.before, self.after)

    def _measured(self) -> dict[str, str]:
        address = self.ground.on_cluster.state.kafka_proxied
        seconds = question_seconds(address)
        told = f"{seconds:.2f} s" if seconds is not None else _RESET if is_reset(address) else _SILENT
        return {"answer": told, "seconds": f"{seconds or 0.0:.3f}"}

    def _ask(self, path: str, body: dict[str, Any]) -> None:
        address = f"{self.ground.on_cluster.state.proxy}{path}"
        request = urllib.request.Request(address, json.dumps(body).encode(), method="POST")  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS):  # noqa: S310 - see above
                pass
        except (urllib.error.URLError, OSError) as error:
            raise MachineryFailed(f"the proxy does not answer at {address}: {error}", "j2k sandbox up") from error


def is_reset(address: str) -> bool:
    """Say whether a connection is reset there once something is sent, instead of being refused or left alone."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_QUESTION_MILLISECONDS / 1000) as connection:
            connection.sendall(_REQUEST)
            connection.recv(1)
    except ConnectionResetError:
        return True
    except OSError:
        return False
    return False


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
