"""The Docker network of a sandbox, and the addresses on it that stay the same when containers are started again."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker.errors import APIError
from docker.types import IPAMConfig, IPAMPool

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.networks import Network

    from j2k_dev.sandbox.model import Sandbox

_ATTEMPTS = 5
# Docker gives out addresses from the lowest on; ours are counted down from the highest, so that nobody is in the way.
_FROM_THE_TOP = {"registry": 2, "kafka": 3, "proxy": 4}


@dataclass(frozen=True)
class Subnet:
    """The network's addresses."""

    cidr: str

    def address(self, role: str) -> str:
        """Give the address that a role has on it."""
        return str(ipaddress.ip_network(self.cidr)[-_FROM_THE_TOP[role]])


def provide_network(client: DockerClient, sandbox: Sandbox) -> Subnet:
    """Find the sandbox's network, or make it."""
    found = find_network(client, sandbox)
    return Subnet(_cidr(found) if found else _make(client, sandbox))


def find_network(client: DockerClient, sandbox: Sandbox) -> Network | None:
    """Find the sandbox's network."""
    return next((one for one in client.networks.list(names=[sandbox.network]) if one.name == sandbox.network), None)


def _make(client: DockerClient, sandbox: Sandbox) -> str:
    """Make it with the addresses that Docker itself would choose, but written down: only then can they be asked for."""
    for attempt in range(_ATTEMPTS):
        draft = _create(client, sandbox, None)
        draft.reload()
        cidr = _cidr(draft)
        draft.remove()
        try:
            _create(client, sandbox, IPAMConfig(pool_configs=[IPAMPool(subnet=cidr)]))
        except APIError as error:
            if "overlap" not in str(error.explanation) or attempt == _ATTEMPTS - 1:
                raise
        else:
            return cidr
    raise AssertionError("unreachable")


def _create(client: DockerClient, sandbox: Sandbox, ipam: IPAMConfig | None) -> Network:
    return client.networks.create(
        sandbox.network, driver="bridge", labels=sandbox.labels, check_duplicate=True, ipam=ipam
    )


def _cidr(network: Network) -> str:
    return next(str(pool["Subnet"]) for pool in network.attrs["IPAM"]["Config"] if ":" not in pool["Subnet"])
