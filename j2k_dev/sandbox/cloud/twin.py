"""How the twin of a cloud comes up: what it does differently from a plain sandbox, and what it has besides."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.api import read_api
from j2k_dev.sandbox.cloud import kafka as cloud_kafka
from j2k_dev.sandbox.cloud import nodes, registry
from j2k_dev.sandbox.cloud.admin import grant, prepared
from j2k_dev.sandbox.cloud.authority import Identity, provide_authority, provide_certificate
from j2k_dev.sandbox.cloud.files import Logins, docker_config, provide_logins, write_private
from j2k_dev.sandbox.cloud.model import ACCOUNT, EBS_DRIVER, EFS_DRIVER, KAFKA_SECRET, MECHANISM, PULL_SECRET
from j2k_dev.sandbox.cloud.objects import drivers
from j2k_dev.sandbox.cloud.program import cloud_program
from j2k_dev.sandbox.cloud.user import provide_user
from j2k_dev.sandbox.containers import run
from j2k_dev.sandbox.kind_config import plan_nodes
from j2k_dev.sandbox.model import CloudState
from j2k_dev.sandbox.registry import registry_address
from j2k_dev.sandbox.waiting import wait_until

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from docker import DockerClient

    from j2k_dev.sandbox.cloud.model import Cloud
    from j2k_dev.sandbox.commands import Runner
    from j2k_dev.sandbox.containers import Spec
    from j2k_dev.sandbox.kind_config import NodePlan
    from j2k_dev.sandbox.model import Images, SandboxState
    from j2k_dev.sandbox.network import Subnet
    from j2k_dev.sandbox.progress import Progress

# Whose the files are of the access point that is there from the beginning: nobody on any machine.
_STATIC_USER = 65532
_REGISTERED_SECONDS = 60.0


def twin_ground(
    cloud: Cloud, images: Images, client: DockerClient, runner: Runner, progress: Progress, before: SandboxState | None
) -> TwinGround:
    """Give a twin's ground, with authority and passwords: registry and broker, side by side, must not make two."""
    authority = provide_authority(cloud.authority, cloud.root / "ca.key")
    pipelines = before.cloud.pipelines if before and before.cloud else {}
    return TwinGround(cloud, images, client, runner, progress, authority, provide_logins(cloud.logins), pipelines)


@dataclass(frozen=True)
class TwinGround:
    """A twin that comes up; ``pipelines`` are what the administrator has prepared it for, and their namespaces."""

    cloud: Cloud
    images: Images
    client: DockerClient
    runner: Runner
    progress: Progress
    authority: Identity
    logins: Logins
    pipelines: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_cloud(self) -> bool:
        """Yes."""
        return True

    @cached_property
    def program(self) -> Path:
        """The program that nodes have instead of a cloud."""
        return cloud_program(self.runner, self.progress)

    def mounts(self) -> Mapping[str, str]:
        """Have the account's volume, which goes with the sandbox, and show it to the nodes."""
        labels = dict(self.cloud.sandbox.labels)
        volume = self.client.volumes.create(self.cloud.volume, labels=labels)  # one that is there stays as it is
        return {str(volume.attrs["Mountpoint"]): ACCOUNT}

    def registry_spec(self, subnet: Subnet, ports: Mapping[int, int]) -> Spec:
        """Say what the registry is made from."""
        identity, passwords = self._registry_files
        return registry.cloud_registry_spec(self.cloud, self.images.registry, identity, passwords, subnet, ports)

    def wait_for_registry(self, spec: Spec, stop: threading.Event) -> None:
        """Wait until it answers, and log in to it as this machine does."""
        registry.wait_for_cloud_registry(self.cloud, spec, stop)
        text = docker_config({registry_address(spec): self.logins.registry})
        write_private(self.cloud.docker_config / "config.json", text)

    def broker_spec(self, subnet: Subnet, proxied_port: int, ports: Mapping[int, int]) -> Spec:
        """Say what the broker is made from."""
        identity = self._certificate("kafka", cloud_kafka.KAFKA_HOSTS)
        return cloud_kafka.cloud_kafka_spec(
            self.cloud, self.images.kafka, identity, self.logins.kafka, subnet, proxied_port, ports
        )

    def broker_starter(self, proxied_port: int) -> Callable[[DockerClient, Spec], None]:
        """Start it as every other container."""
        del proxied_port  # its specification has it
        return run

    def wait_for_broker(self, container: Any, bootstrap: str, stop: threading.Event) -> None:
        """Wait until it has committed a transaction of somebody who knows the password."""
        from j2k_dev.sandbox import kafka  # noqa: PLC0415 - testcontainers costs 0.3 s: only who makes a broker pays

        settings = cloud_kafka.client_settings(self.cloud, self.logins.kafka)
        kafka.wait_for_broker(container, bootstrap, stop, **settings)

    def registry_hosts(self, spec: Spec) -> tuple[str, str]:
        """Name the registry by its container: this machine calls it otherwise, as with a cloud."""
        del spec
        return self.cloud.registry, registry.cloud_hosts_toml(self.cloud.registry, nodes.AUTHORITY)

    def furnish(self, plan: tuple[NodePlan, ...], stop: threading.Event) -> None:
        """Have drivers, account and user, and the pipelines' namespaces again where the cluster is a new one."""
        api = read_api(self.cloud.sandbox.kubeconfig)
        assert api is not None  # the cluster has just answered
        for path, wanted in drivers().items():
            api.apply(path, wanted)
        control_plane = plan[0].name
        nodes.check_fuse(self.client, control_plane)
        nodes.open_account(self.client, control_plane, self.cloud, _STATIC_USER)
        for node in plan:
            nodes.trust(self.client, node.name, self.authority)
            nodes.install(self.client, node, self.program)
        provide_user(self.cloud, self.client, control_plane)
        registered = _Registered(plan, api.get)
        wait_until(registered, _REGISTERED_SECONDS, registered.late, stop)
        grant(self.cloud, self._all_pipelines(), self.logins, self.images.kubectl, self.runner)

    def tell(self, state: SandboxState) -> SandboxState:
        """Tell of the user instead of the administrator, and of the cloud."""
        cloud = self.cloud
        told = CloudState(
            admin_context=state.context,
            admin_kubeconfig=state.kubeconfig,
            zones=tuple(node.zone for node in plan_nodes(cloud.sandbox, state.nodes)),
            registry=cloud.registry,
            ca=str(cloud.authority.absolute()),
            docker_config=str(cloud.docker_config.absolute()),
            logins=str(cloud.logins.absolute()),
            pull_secret=PULL_SECRET,
            kafka_secret=KAFKA_SECRET,
            kafka_mechanism=MECHANISM,
            file_system=cloud.file_system,
            access_point=cloud.access_point,
            pipelines=self._all_pipelines(),
        )
        return replace(state, context=cloud.context, kubeconfig=str(cloud.kubeconfig.absolute()), cloud=told)

    def _all_pipelines(self) -> dict[str, str]:
        """Give those that are known, and those that the cluster still has where all files were lost."""
        api = read_api(self.cloud.sandbox.kubeconfig)
        return {**self.pipelines, **(prepared(api.get) if api else {})}

    @cached_property
    def _registry_files(self) -> tuple[Identity, str]:
        identity = self._certificate("registry", registry.registry_hosts(self.cloud))
        login = self.logins.registry
        return identity, registry.write_registry_files(self.cloud, identity, login, self.program, self.runner)

    def _certificate(self, name: str, hosts: tuple[str, ...]) -> Identity:
        return provide_certificate(self.authority, self.cloud.root / f"{name}.pem", name, hosts)


@dataclass
class _Registered:
    """Whether every node's kubelet knows both drivers."""

    plan: tuple[NodePlan, ...]
    get: Callable[[str], dict[str, Any]]
    lacking: list[str] = field(default_factory=list)

    def __call__(self) -> bool:
        told = self.get("/apis/storage.k8s.io/v1/csinodes")["items"]
        known = {item["metadata"]["name"]: {one["name"] for one in item["spec"].get("drivers") or ()} for item in told}
        self.lacking = [node.name for node in self.plan if not {EFS_DRIVER, EBS_DRIVER} <= known.get(node.name, set())]
        return not self.lacking

    def late(self) -> MachineryFailed:
        names = ", ".join(self.lacking)
        told = f"{names}: EFS and EBS were not there within {_REGISTERED_SECONDS:g} seconds"
        return MachineryFailed(told, f"see docker exec {self.lacking[0]} journalctl -u cloud-node")
