"""Pods and their containers: looked into from their node, deleted, starved of memory, given a wrong image."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kafka.errors import KafkaError

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.nodes import execute
from j2k_dev.scenario.ground import Fault, Proof
from j2k_dev.scenario.waiting import within

if TYPE_CHECKING:
    from j2k_dev.scenario.ground import OnCluster

_EFFECT_SECONDS = 30.0
_ADMIN_MILLISECONDS = 5000
_SETTLED = "Stable"
_NOWHERE = "sha256:" + "0" * 64


@dataclass(frozen=True)
class Container:
    """The container of a worker's pod as its node sees it; ``first`` is its first process, as the node counts."""

    cluster: OnCluster
    pod: str
    node: str
    first: int

    @classmethod
    def of(cls, cluster: OnCluster, pod: str) -> Container:
        """Find it; raise MachineryFailed where it does not run."""
        found = pod_of(cluster, pod)
        status: Any = next(iter(found.get("status", {}).get("containerStatuses", ())), {}) if found else {}
        if "running" not in status.get("state", {}):
            raise MachineryFailed(f"the pod {pod} does not run", "run the scenario again")
        node = str(found["spec"]["nodeName"])
        number = status["containerID"].rpartition("/")[2]
        told = execute(cluster.client, node, f"ctr --namespace k8s.io tasks ls | awk '$1 == \"{number}\" {{print $2}}'")
        if not told.strip().isdecimal():
            raise MachineryFailed(f"{node} knows no process of the pod {pod}", "run the scenario again")
        return cls(cluster, pod, node, int(told))

    def in_node(self, script: str) -> str:
        """Run a script in the container's node."""
        return execute(self.cluster.client, self.node, script)

    def host_number(self, number: int) -> str:
        """Write what prints the node's number of a process, whose number in the container is known."""
        return (
            f"own=$(readlink /proc/{self.first}/ns/pid || true); for p in /proc/[0-9]*; do "
            f'[ "$(readlink $p/ns/pid 2>/dev/null)" = "$own" ] || continue; '
            f'[ "$(sed -n "s/^NSpid:.*[[:space:]]//p" $p/status 2>/dev/null)" = "{number}" ] && basename $p; done; true'
        )

    def facts(self) -> dict[str, str]:
        """Say what Kubernetes tells of it."""
        return container_facts(pod_of(self.cluster, self.pod))


def pod_of(cluster: OnCluster, pod: str) -> Any:
    """Ask for a pod; None where there is none of that name."""
    return next(iter(cluster.kubectl.find(cluster.namespace, f"pod/{pod}")), None)


def pods_of(cluster: OnCluster, stage: str) -> list[Any]:
    """Ask for the pods of a stage."""
    return cluster.kubectl.get("pods", cluster.namespace, f"j2k.dev/stage={cluster.objects[stage]}")


def container_facts(pod: Any) -> dict[str, str]:
    """Say of a pod's container which one it is, how often it was started again, and how it ended last."""
    if pod is None:
        return {"pod": "gone"}
    status: Any = next(iter(pod.get("status", {}).get("containerStatuses", ())), {})
    ended = status.get("lastState", {}).get("terminated") or status.get("state", {}).get("terminated") or {}
    facts = {
        "pod": pod["metadata"]["uid"],
        "container": status.get("containerID", "").rpartition("/")[2][:12],
        "restarts": str(status.get("restartCount", 0)),
        "exit code": str(ended.get("exitCode", "")),
        "reason": str(ended.get("reason", "")),
    }
    return {name: value for name, value in facts.items() if value}


@dataclass
class DeletePod(Fault):
    """Deletes the worker's pod: at once, or with ``seconds`` to say farewell."""

    def strike(self) -> None:
        """Delete it."""
        cluster = self.ground.on_cluster
        self.before = container_facts(pod_of(cluster, self.moment.worker))
        how = ["--force"] if not self.asked.seconds else []
        grace = f"--grace-period={self.asked.seconds}"
        self.begins()
        cluster.kubectl.call(
            "delete", "pod", self.moment.worker, "--namespace", cluster.namespace, grace, *how, "--wait=false"
        )

    def proof(self) -> Proof:
        """See that it is gone, and which one came."""
        cluster = self.ground.on_cluster
        within(_EFFECT_SECONDS, self._is_gone)
        now = pods_of(cluster, self.moment.stage)
        others = [pod["metadata"]["name"] for pod in now if pod["metadata"]["name"] != self.moment.worker]
        gone = self._is_gone()
        told = f"pod {self.moment.worker} is {'gone' if gone else 'there'}; in its place {', '.join(others) or 'none'}"
        return Proof(gone and "container" in self.before, told, self.before, {"pods": ", ".join(others)})

    def _is_gone(self) -> bool:
        found = pod_of(self.ground.on_cluster, self.moment.worker)
        return found is None or found["metadata"]["uid"] != self.before.get("pod")


@dataclass
class OutOfMemory(Fault):
    """Takes away what memory a container has beyond what it uses now, so that the kernel kills who asks for more."""

    container: Container | None = None
    usual: str = ""

    def strike(self) -> None:
        """Lower the container's limit to what it uses."""
        self.container = Container.of(self.ground.on_cluster, self.moment.worker)
        self.usual = self._memory(_READ_LIMIT)
        self.before = {**self.container.facts(), "limit": self.usual, "kills": self._kills()}
        self.begins()
        self._memory(_LOWER_LIMIT)

    def undo(self) -> None:
        """Give the memory back, if the container is still the same one."""
        if self.container is not None and self.usual:
            self._memory(_RESTORE_LIMIT.format(limit=self.usual))

    def proof(self) -> Proof:
        """See that the kernel killed somebody."""
        assert self.container is not None
        now = self.container.facts()
        after = {**now, "kills": self._kills()}
        killed = after["kills"] not in {self.before["kills"], ""} or now.get("reason") == "OOMKilled"
        told = f"the kernel killed for want of memory: {self.before['kills']} times before, {after['kills']} after"
        return Proof(killed or now.get("container") != self.before.get("container"), told, self.before, after)

    def _kills(self) -> str:
        return self._memory(_READ_KILLS)

    def _memory(self, script: str) -> str:
        assert self.container is not None
        return self.container.in_node(_CGROUP.format(first=self.container.first) + script).strip()


# Version 1 of control groups has a hierarchy for memory alone, version 2 one for everything.
_CGROUP = """\
v1=$(sed -n 's/^[0-9]*:memory://p' /proc/{first}/cgroup 2>/dev/null)
v2=$(sed -n 's/^0:://p' /proc/{first}/cgroup 2>/dev/null)
if [ -n "$v1" ]; then at=/sys/fs/cgroup/memory$v1; max=memory.limit_in_bytes; now=memory.usage_in_bytes
else at=/sys/fs/cgroup$v2; max=memory.max; now=memory.current; fi
[ -d "$at" ] || exit 0
"""
_READ_LIMIT = "cat $at/$max"
_READ_KILLS = "cat $at/memory.oom_control $at/memory.events 2>/dev/null | sed -n 's/^oom_kill //p' | head -1"
# As low as the kernel takes it: each step has it give back what files it keeps in memory, until nothing is left to give
# (version 1 then refuses) or it kills (version 2).
_LOWER_LIMIT = f"""\
kills() {{ {_READ_KILLS}; }}
before=$(kills); limit=$(cat $at/$now)
for step in 16777216 4194304 1048576 262144 65536; do
  while [ "$(kills)" = "$before" ] && [ $limit -gt $step ] && echo $(( limit - step )) > $at/$max; do
    limit=$(( limit - step ))
  done 2>/dev/null
done"""
_RESTORE_LIMIT = "echo {limit} > $at/$max 2>/dev/null || true"


@dataclass
class UnpullableImage(Fault):
    """Gives a stage an image that is in no registry, as a wrong release would."""

    struck: bool = False
    seen: str = ""

    def strike(self) -> None:
        """Change the image, and wait until a pod can't pull it."""
        cluster, name = self.ground.on_cluster, self._name
        image = cluster.kubectl.find(cluster.namespace, name)[0]["spec"]["template"]["spec"]["containers"][0]["image"]
        self.before = {"image": image}
        nowhere = f"{image.partition('@')[0].rpartition(':')[0] or image}@{_NOWHERE}"
        self.begins()
        cluster.kubectl.call("set", "image", name, f"worker={nowhere}", "--namespace", cluster.namespace)
        self.struck = True
        within(_EFFECT_SECONDS, self._is_seen)

    def undo(self) -> None:
        """Go back to the image before."""
        if self.struck:
            self.ground.on_cluster.deploy_anew()
            self.struck = False

    def proof(self) -> Proof:
        """Say whether a pod was seen that could not pull it."""
        told = f"a pod said {self.seen}" if self.seen else "no pod tried to pull it"
        return Proof(bool(self.seen), told, self.before, {"pod": self.seen})

    @property
    def _name(self) -> str:
        return f"deployment/{self.ground.on_cluster.objects[self.moment.stage]}"

    def _is_seen(self) -> bool:
        for pod in pods_of(self.ground.on_cluster, self.moment.stage):
            for status in pod.get("status", {}).get("containerStatuses", ()):
                reason = status.get("state", {}).get("waiting", {}).get("reason", "")
                if reason in {"ErrImagePull", "ImagePullBackOff"}:
                    self.seen = reason
        return bool(self.seen)


@dataclass
class RollingUpdate(Fault):
    """Replaces a stage's pods as a new release would, in the middle of the run."""

    def strike(self) -> None:
        """Ask for new pods."""
        cluster = self.ground.on_cluster
        self.before = {"pods": self._pods()}
        name = f"deployment/{cluster.objects[self.moment.stage]}"
        self.begins()
        cluster.kubectl.call("rollout", "restart", name, "--namespace", cluster.namespace)

    def proof(self) -> Proof:
        """See that none of the old pods is left."""
        before = set(self.before["pods"].split(", "))
        within(_EFFECT_SECONDS * 2, lambda: not before & set(self._pods().split(", ")))
        after = self._pods()
        left = before & set(after.split(", "))
        told = f"pods before: {self.before['pods']}; after: {after}"
        return Proof(not left, told, self.before, {"pods": after})

    def _pods(self) -> str:
        return ", ".join(sorted(pod["metadata"]["name"] for pod in pods_of(self.ground.on_cluster, self.moment.stage)))


@dataclass
class Rebalance(Fault):
    """Adds a worker to the stage's group, so that Kafka deals out its partitions anew, and takes it away again.

    Strikes until the group is being put together anew, or was: a worker that is held where it does not ask Kafka for
    anything keeps it so, and whatever strikes next does so during the rebalance.
    """

    def strike(self) -> None:
        """Add a pod, and wait until the group takes it in."""
        with closing(_admin(self.ground.on_cluster.state.kafka)) as admin:
            self.before = self._group(admin)
            pods = len(pods_of(self.ground.on_cluster, self.moment.stage))
            self.begins()
            self._scale(pods + 1)
            within(_EFFECT_SECONDS, lambda: self._is_moved(admin))

    def undo(self) -> None:
        """Take it away again."""
        if self.before:
            self.ground.on_cluster.deploy_anew()

    def proof(self) -> Proof:
        """Say how the group was, and what became of it."""
        told = f"the group: {_told(self.before)} before, {_told(self.after)} then"
        return Proof(self._differs(), told, self.before, self.after)

    def _is_moved(self, admin: Any) -> bool:
        self.after = self._group(admin)
        return self._differs()

    def _differs(self) -> bool:
        more = int(self.after.get("members", 0)) > int(self.before.get("members", 0))
        return more or (self.before.get("state") == _SETTLED and self.after.get("state", "").endswith("Rebalance"))

    def _group(self, admin: Any) -> dict[str, str]:
        """Ask the broker for the state and the members of the stage's group, which is called like its topic."""
        name = self.ground.on_cluster.topics[self.moment.stage]
        try:
            group = admin.describe_groups([name])[name]
        except KafkaError as error:
            raise MachineryFailed(f"the broker does not tell of the group {name}: {error}", "j2k doctor") from error
        return {"state": str(group["group_state"]), "members": str(len(group["members"]))}

    def _scale(self, replicas: int) -> None:
        cluster = self.ground.on_cluster
        name = f"deployment/{cluster.objects[self.moment.stage]}"
        cluster.kubectl.call("scale", name, f"--replicas={replicas}", "--namespace", cluster.namespace)


def _told(group: dict[str, str]) -> str:
    return f"{group.get('state', 'unknown')}, with {group.get('members', 'no')} workers"


def _admin(address: str) -> Any:
    from kafka.admin import KafkaAdminClient  # noqa: PLC0415 - takes its time to import

    try:
        return KafkaAdminClient(bootstrap_servers=address, bootstrap_timeout_ms=_ADMIN_MILLISECONDS)
    except (KafkaError, OSError) as error:
        raise MachineryFailed(f"the broker does not answer at {address}: {error}", "j2k sandbox up") from error
