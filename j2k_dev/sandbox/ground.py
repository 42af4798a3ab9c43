"""What a plain sandbox and the twin of a cloud do differently while they come up, and how the plain one does it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from j2k_dev.sandbox import kafka_config, registry

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from docker import DockerClient

    from j2k_dev.sandbox.containers import Spec
    from j2k_dev.sandbox.kind_config import NodePlan
    from j2k_dev.sandbox.model import Images, Sandbox, SandboxState
    from j2k_dev.sandbox.network import Subnet


class Ground(Protocol):
    """Registry, broker and nodes of one kind of sandbox."""

    @property
    def is_cloud(self) -> bool:
        """Whether it is the twin of a cloud."""

    def mounts(self) -> Mapping[str, str]:
        """Have what nodes are to see besides, and say it: folders of the Docker engine's machine to theirs."""

    def registry_spec(self, subnet: Subnet, ports: Mapping[int, int]) -> Spec:
        """Say what the registry is made from."""

    def wait_for_registry(self, spec: Spec, stop: threading.Event) -> None:
        """Wait until it answers."""

    def broker_spec(self, subnet: Subnet, proxied_port: int, ports: Mapping[int, int]) -> Spec:
        """Say what the broker is made from."""

    def broker_starter(self, proxied_port: int) -> Callable[[DockerClient, Spec], None]:
        """Give what starts it."""

    def wait_for_broker(self, container: Any, bootstrap: str, stop: threading.Event) -> None:
        """Wait until it has committed a transaction."""

    def registry_hosts(self, spec: Spec) -> tuple[str, str]:
        """Name the registry as the cluster does, and write what leads a node there (hosts.toml)."""

    def furnish(self, plan: tuple[NodePlan, ...], stop: threading.Event) -> None:
        """Have everything else in the cluster, once its nodes are ready and connected."""

    def tell(self, state: SandboxState) -> SandboxState:
        """Add what is told of this kind."""


@dataclass(frozen=True)
class PlainGround:
    """A sandbox as pipelines are tried on: nobody has to say who they are."""

    sandbox: Sandbox
    images: Images

    @property
    def is_cloud(self) -> bool:
        """No."""
        return False

    def mounts(self) -> Mapping[str, str]:
        """Need nothing besides."""
        return {}

    def registry_spec(self, subnet: Subnet, ports: Mapping[int, int]) -> Spec:
        """Say what the registry is made from."""
        return registry.registry_spec(self.sandbox, self.images.registry, subnet, ports)

    def wait_for_registry(self, spec: Spec, stop: threading.Event) -> None:
        """Wait until it answers."""
        registry.wait_for_registry(spec, stop)

    def broker_spec(self, subnet: Subnet, proxied_port: int, ports: Mapping[int, int]) -> Spec:
        """Say what the broker is made from."""
        return kafka_config.kafka_spec(self.sandbox, self.images.kafka, subnet, proxied_port, ports)

    def broker_starter(self, proxied_port: int) -> Callable[[DockerClient, Spec], None]:
        """Give what starts it."""
        from j2k_dev.sandbox import kafka  # noqa: PLC0415 - testcontainers costs 0.3 s: only who makes a broker pays

        return partial(kafka.start_broker, proxied_port)

    def wait_for_broker(self, container: Any, bootstrap: str, stop: threading.Event) -> None:
        """Wait until it has committed a transaction."""
        from j2k_dev.sandbox import kafka  # noqa: PLC0415 - see above

        kafka.wait_for_broker(container, bootstrap, stop)

    def registry_hosts(self, spec: Spec) -> tuple[str, str]:
        """Name the registry as this machine does."""
        return registry.registry_address(spec), registry.hosts_toml(self.sandbox.container("registry"))

    def furnish(self, plan: tuple[NodePlan, ...], stop: threading.Event) -> None:
        """Need nothing else."""

    def tell(self, state: SandboxState) -> SandboxState:
        """Add nothing."""
        return state
