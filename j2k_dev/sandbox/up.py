"""Bringing a sandbox up: nothing where it is up, what is missing where some of it is, all of it side by side else."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from docker.errors import DockerException

from j2k_dev import __version__
from j2k_dev.engine.workspace import write_text
from j2k_dev.model.errors import BadInput, MachineryFailed
from j2k_dev.sandbox import cluster, kafka_config, proxy, registry
from j2k_dev.sandbox.cloud.model import NODES, Cloud
from j2k_dev.sandbox.containers import provide, run
from j2k_dev.sandbox.ground import PlainGround
from j2k_dev.sandbox.inventory import CONTROL_PLANE, look, nodes_of, of_role
from j2k_dev.sandbox.kind_config import MOST_NODES, plan_nodes
from j2k_dev.sandbox.model import KAFKA_PORT, KAFKA_SERVICE, Images, SandboxState
from j2k_dev.sandbox.network import provide_network
from j2k_dev.sandbox.nodes import Birth, are_well, ask_nodes, is_recent, seen_token, write_token
from j2k_dev.sandbox.state import read_state, sole_use, write_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from docker import DockerClient

    from j2k_dev.sandbox.commands import Runner
    from j2k_dev.sandbox.containers import Spec
    from j2k_dev.sandbox.ground import Ground
    from j2k_dev.sandbox.inventory import Part
    from j2k_dev.sandbox.model import Image, Sandbox, Source
    from j2k_dev.sandbox.network import Subnet
    from j2k_dev.sandbox.progress import Progress

_BESIDE = ("registry", "kafka", "proxy")


def bring_up(
    sandbox: Sandbox,
    images: Images | Callable[[], Images],
    nodes: int | None,
    client: DockerClient,
    runner: Runner,
    progress: Progress,
    *,
    source: Source | None = None,
    retain: bool = False,
    cloud: bool = False,
) -> SandboxState:
    """Bring the sandbox up and tell about it; ``nodes`` None: as many as there are, or one (two of a cloud's twin).

    ``images`` may be a function: it is only called where something has to be made. ``source`` is where they were asked
    to be from. ``retain`` leaves a cluster that kind could not finish, to look into. ``cloud`` makes the twin of a
    cloud; one that is there stays one. Raise MachineryFailed where the engine, kind or a container fails, and BadInput
    where the cluster has another number of nodes, other images, or is no twin.
    """
    with sole_use(sandbox, progress.note), engine_errors():
        started = time.monotonic()
        parts, before = look(client, sandbox), read_state(sandbox)
        if parts and before:
            check_source(before, source)
        cloud = is_cloud(_is_made_as(sandbox, client) if parts else None, asked=cloud)
        check_zones(nodes, cloud=cloud)
        told = _standing(sandbox, parts, client)
        if told and nodes in (None, told.nodes) and (callable(images) or told.images == _by_role(images)):
            progress.note("the sandbox is up already")
            return replace(told, seconds={"total": time.monotonic() - started})
        found = images() if callable(images) else images
        ground = _ground(sandbox, found, client, runner, progress, before, cloud=cloud)
        return _Rise(sandbox, found, client, runner, progress, ground, before=before).rise(parts, nodes, retain=retain)


def check_source(told: SandboxState, source: Source | None) -> None:
    """Refuse to change where the images are from that a sandbox was made of."""
    made_of = {image.source for image in told.images.values()}
    if source and made_of - {source}:
        raise BadInput(
            f"the sandbox was made with --images {', '.join(sorted(made_of))}: that can't be changed afterwards",
            way_out=f"`j2k sandbox down`, then `j2k sandbox up --images {source}`; or leave --images out",
        )


def check_zones(nodes: int | None, *, cloud: bool) -> None:
    """Refuse a twin without a second zone."""
    if cloud and nodes is not None and nodes < NODES:
        raise BadInput(f"--cloud with --nodes {nodes}: it has {NODES} zones at least", "leave --nodes out")


def is_cloud(made: bool | None, *, asked: bool) -> bool:  # noqa: FBT001 - what it was made as, if it was
    """Tell whether it is, or is to be, the twin of a cloud; refuse to make one of another sandbox."""
    if asked and made is False:
        raise BadInput(
            "the sandbox was made without --cloud: that can't be changed afterwards",
            way_out="`j2k sandbox up --name twin --cloud` makes one beside it",
        )
    return asked or bool(made)


def _is_made_as(sandbox: Sandbox, client: DockerClient) -> bool:
    """Tell by its account, which no file here has to remember, whether a sandbox is the twin of a cloud."""
    name = Cloud(sandbox).volume
    return any(volume.name == name for volume in client.volumes.list(filters={"name": name}))


def _ground(
    sandbox: Sandbox,
    images: Images,
    client: DockerClient,
    runner: Runner,
    progress: Progress,
    before: SandboxState | None,
    *,
    cloud: bool,
) -> Ground:
    if not cloud:
        return PlainGround(sandbox, images)
    from j2k_dev.sandbox.cloud.twin import twin_ground  # noqa: PLC0415 - only who makes one pays for it

    return twin_ground(Cloud(sandbox), images, client, runner, progress, before)


@contextmanager
def engine_errors() -> Iterator[None]:
    """Tell in our words what the Docker engine refused."""
    try:
        yield
    except DockerException as error:
        told = getattr(error, "explanation", None) or str(error)
        raise MachineryFailed(f"the Docker engine failed: {told}", "run `j2k doctor`, then the same again") from error


def _standing(sandbox: Sandbox, parts: tuple[Part, ...], client: DockerClient) -> SandboxState | None:
    """Return what the sandbox told last if all of it is up and well: one listing, one question to the cluster."""
    told = read_state(sandbox)
    if not told or told.version != __version__ or not _has_files(sandbox, told):
        return None
    if not all(part.running for part in parts) or len(parts) != told.nodes + len(_BESIDE) or not _as_told(parts, told):
        return None
    return told if _is_well(sandbox, parts, told.nodes, client) else None


def _is_well(sandbox: Sandbox, parts: tuple[Part, ...], count: int, client: DockerClient) -> bool:
    """Whether the cluster has exactly the nodes that run, all of them well, and sees our exchange folder."""
    with ThreadPoolExecutor(1) as pool:
        seen = pool.submit(seen_token, client, f"{sandbox.cluster}-{CONTROL_PLANE}", sandbox.token)
        nodes = ask_nodes(sandbox.kubeconfig) or ()
    at_home = {part.name: part.address for part in nodes_of(parts)}
    if {node.name: node.address for node in nodes} != at_home or seen.result() != sandbox.cluster:
        return False
    return are_well(nodes, count, is_recent(time.time()))


def _as_told(parts: tuple[Part, ...], told: SandboxState) -> bool:
    """Whether the containers beside the cluster have the ports that were told."""
    ports = {f"localhost:{host}" for part in parts for host in part.ports.values()}
    return {told.registry, told.kafka, told.kafka_proxied, told.proxy.removeprefix("http://")} <= ports


def _by_role(images: Images) -> dict[str, Image]:
    return {"node": images.node, "registry": images.registry, "kafka": images.kafka, "proxy": images.proxy}


def _has_files(sandbox: Sandbox, told: SandboxState) -> bool:
    files = [sandbox.kubeconfig]
    if told.cloud:
        cloud = Cloud(sandbox)
        files += [cloud.kubeconfig, cloud.authority, cloud.logins, cloud.docker_config / "config.json"]
    return all(file.is_file() for file in files) and _is_marked(sandbox)


def _is_marked(sandbox: Sandbox) -> bool:
    """Whether the exchange folder is still the one that the nodes were given."""
    mark = sandbox.exchange / sandbox.token
    return mark.is_file() and mark.read_text(encoding="utf-8") == sandbox.cluster


@dataclass
class _Rise:
    """One rise of a sandbox, with the seconds that its parts took; threads share nothing else."""

    sandbox: Sandbox
    images: Images
    client: DockerClient
    runner: Runner
    progress: Progress
    ground: Ground
    stop: threading.Event = field(default_factory=threading.Event)
    seconds: dict[str, float] = field(default_factory=dict)
    before: SandboxState | None = None

    def rise(self, parts: tuple[Part, ...], nodes: int | None, *, retain: bool) -> SandboxState:
        """Make or mend everything."""
        with self._timed("total"):
            subnet, lost = self._prepare(parts)
            parts, count = self._clear(look(self.client, self.sandbox), nodes, subnet)
            with ThreadPoolExecutor(2) as pool:
                beside_registry = pool.submit(self._registry, parts, subnet)
                beside_broker = pool.submit(self._broker, parts, subnet)
                try:
                    since = self._cluster(parts, count, restart=lost, retain=retain)
                    registry_spec = beside_registry.result()
                    with self.progress.step("waiting for the cluster"), self._timed("ready"):
                        self._finish(subnet, registry_spec, count, since)
                    with self.progress.step("waiting for the broker"):
                        kafka_spec, proxy_spec = beside_broker.result()
                except BaseException:
                    self.stop.set()
                    raise
        state = self._told(count, registry_spec, kafka_spec, proxy_spec)
        write_state(self.sandbox, state)
        return state

    def _prepare(self, parts: tuple[Part, ...]) -> tuple[Subnet, bool]:
        """Have what the parts stand on; return whether nodes lost sight of the exchange folder."""
        cluster.end_orphan(self.sandbox, self.client, self.progress.note)
        names = {part.name for part in parts}
        there = tuple(node for node in plan_nodes(self.sandbox, MOST_NODES) if node.name in names)
        cluster.write_node_files(self.sandbox, self.images, there)
        lost = not _is_marked(self.sandbox)
        write_token(self.sandbox.exchange / self.sandbox.token, self.sandbox.cluster)
        return provide_network(self.client, self.sandbox), lost

    def _clear(self, parts: tuple[Part, ...], nodes: int | None, subnet: Subnet) -> tuple[tuple[Part, ...], int]:
        """Remove a cluster that can't be kept, and say why; return what is left, and how many nodes there will be."""
        birth = cluster.find_birth(self.client, parts)
        reason = cluster.why_unusable(parts, birth, self.images, subnet)
        if birth and not reason:
            cluster.check_count(birth.nodes, nodes)
        # What it told before no longer holds until all of it is up again.
        self.sandbox.state.unlink(missing_ok=True)
        if reason:
            with self.progress.step("removing the old cluster"):
                self.progress.note(f"{reason}; it is made anew")
                cluster.remove_cluster(self.client, parts)
            self.sandbox.kubeconfig.unlink(missing_ok=True)
            parts = tuple(part for part in parts if not part.is_node)
        return parts, nodes or (birth.nodes if birth else NODES if self.ground.is_cloud else 1)

    def _cluster(self, parts: tuple[Part, ...], count: int, *, restart: bool, retain: bool) -> float:
        """Make or mend the cluster; return since when its kubelets have to have been heard."""
        now = cluster.now()
        with self._timed("cluster"):
            if not nodes_of(parts):
                with self.progress.step(f"making the cluster ({count} node{'s' * (count > 1)})"):
                    self._create(count, retain=retain)
                return now
            with self.progress.step("bringing the cluster's nodes back"):
                started = cluster.mend_cluster(self.sandbox, self.images, self.client, self.runner, restart=restart)
        return now if started else is_recent(now)

    def _create(self, count: int, *, retain: bool) -> None:
        mounts = self.ground.mounts()
        cluster.create_cluster(self.sandbox, self.images, count, self.client, self.runner, retain=retain, mounts=mounts)

    def _finish(self, subnet: Subnet, registry_spec: Spec, count: int, since: float) -> None:
        cluster.wait_for_nodes(self.sandbox, count, self.client, since, self.sandbox.cluster, self.stop)
        name, hosts = self.ground.registry_hosts(registry_spec)
        cluster.connect_cluster(self.sandbox, self.images, self.client, name, hosts)
        self.ground.furnish(plan_nodes(self.sandbox, count), self.stop)
        birth = Birth(__version__, count, self.images.node.digest, subnet.cidr)
        cluster.complete_cluster(self.sandbox, birth, self.client, self.stop)

    def _registry(self, parts: tuple[Part, ...], subnet: Subnet) -> Spec:
        make = partial(self.ground.registry_spec, subnet)
        with self._timed("registry"):
            spec = provide(self.client, parts, make, self._ports(parts, "registry"), run)
            self.ground.wait_for_registry(spec, self.stop)
        return spec

    def _broker(self, parts: tuple[Part, ...], subnet: Subnet) -> tuple[Spec, Spec]:
        """Make proxy and broker, in this order: the broker tells its clients the proxy's port."""
        write_text(self.sandbox.root / "toxiproxy.json", proxy.proxies())
        make_proxy = partial(proxy.proxy_spec, self.sandbox, self.images.proxy, subnet)
        with self._timed("kafka"):
            through = provide(self.client, parts, make_proxy, self._ports(parts, "proxy"), run)
            proxy.wait_for_proxy(through, self.stop)
            port = through.ports[proxy.HOST_PORT]
            make, start = partial(self.ground.broker_spec, subnet, port), self.ground.broker_starter(port)
            spec = provide(self.client, parts, make, self._ports(parts, "kafka"), start)
            container = self.client.containers.get(spec.name)
            self.ground.wait_for_broker(container, f"localhost:{spec.ports[kafka_config.HOST_PORT]}", self.stop)
        return spec, through

    def _ports(self, parts: tuple[Part, ...], role: str) -> Mapping[int, int]:
        """Return the ports of this machine that a part had: clients go on looking for it there."""
        if part := of_role(parts, role):
            return part.ports
        if not self.before:
            return {}
        told = {
            "registry": {registry.PORT: self.before.registry},
            "kafka": {kafka_config.HOST_PORT: self.before.kafka},
            "proxy": {proxy.API_PORT: self.before.proxy, proxy.HOST_PORT: self.before.kafka_proxied},
        }
        return {port: int(address.rpartition(":")[2]) for port, address in told[role].items()}

    def _told(self, count: int, registry_spec: Spec, kafka_spec: Spec, proxy_spec: Spec) -> SandboxState:
        state = SandboxState(
            cluster=self.sandbox.cluster,
            context=self.sandbox.context,
            kubeconfig=str(self.sandbox.kubeconfig.absolute()),
            kubernetes=self.images.kubernetes,
            nodes=count,
            registry=registry.registry_address(registry_spec),
            kafka=f"localhost:{kafka_spec.ports[kafka_config.HOST_PORT]}",
            kafka_in_cluster=f"{KAFKA_SERVICE}:{KAFKA_PORT}",
            kafka_proxied=f"localhost:{proxy_spec.ports[proxy.HOST_PORT]}",
            proxy=proxy.proxy_address(proxy_spec),
            images=_by_role(self.images),
            version=__version__,
            seconds=dict(self.seconds),
        )
        return self.ground.tell(state)

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[part] = round(time.monotonic() - started, 3)
