"""Taking a sandbox's pods their ways out, so that what runs in them has what its image holds and nothing else.

The sandbox's own network enforces no policies; the kernel of its one node does what such a policy would do.
"""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from j2k_dev.deploy.kubectl import Kubectl
    from tests.cluster.handle import Handle

_CHAIN = "NO-WAY-OUT"
_PODS = "10.244.0.0/16"
_PROTOCOLS = ("udp", "tcp")


@contextmanager
def no_way_out(handle: Handle, kubectl: Kubectl) -> Iterator[None]:
    """Let pods reach the names' service and the broker's proxy while this lasts: no other address, nor each other."""
    names = [pod["status"]["podIP"] for pod in kubectl.get("pods", "kube-system", "k8s-app=kube-dns")]
    node = handle.container("control-plane")
    rules = (
        ("-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "RETURN"),
        *(("-s", name, "-j", "RETURN") for name in names),
        *(("-d", name, "-p", protocol, "--dport", "53", "-j", "RETURN") for name in names for protocol in _PROTOCOLS),
        ("-d", address(handle, "proxy"), "-p", "tcp", "-j", "RETURN"),
        ("-j", "REJECT"),
    )
    jump = ("FORWARD", "-s", _PODS, "-j", _CHAIN)
    _iptables(node, ("-N", _CHAIN), *(("-A", _CHAIN, *rule) for rule in rules), ("-I", *jump))
    try:
        yield
    finally:
        _iptables(node, ("-D", *jump), ("-F", _CHAIN), ("-X", _CHAIN))


def address(handle: Handle, role: str) -> str:
    """Give the address of one of a sandbox's containers in its network."""
    found: str = handle.container(role).attrs["NetworkSettings"]["Networks"][handle.sandbox.network]["IPAddress"]
    return found


def _iptables(node: Any, *calls: tuple[str, ...]) -> None:
    script = "\n".join(shlex.join(["iptables", "--wait", *call]) for call in calls)
    code, said = node.exec_run(["sh", "-exc", script])
    assert code == 0, said.decode()
