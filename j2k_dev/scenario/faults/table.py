"""Which fault is made by what, and which engine can make it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from j2k_dev.scenario.faults.broker import BrokerDown, Network
from j2k_dev.scenario.faults.exchange import Damage, MountFault
from j2k_dev.scenario.faults.messages import SendTwice
from j2k_dev.scenario.faults.nodes import ApiServerAway, NodeDown
from j2k_dev.scenario.faults.pods import DeletePod, OutOfMemory, Rebalance, RollingUpdate, UnpullableImage
from j2k_dev.scenario.faults.power import PowerCut
from j2k_dev.scenario.faults.processes import Signal
from j2k_dev.scenario.faults.program import KillJ2k
from j2k_dev.scenario.faults.slow import SlowExchange

if TYPE_CHECKING:
    from collections.abc import Callable

    from j2k_dev.scenario.ground import Fault, Ground, Moment
    from j2k_dev.scenario.model import Strike

MAKERS: dict[str, Callable[[Ground, Moment, Strike], Fault]] = {
    "kill": Signal,
    "terminate": Signal,
    "stop": Signal,
    "interrupt": Signal,
    "kill-container": Signal,
    "delete-pod": DeletePod,
    "out-of-memory": OutOfMemory,
    "unpullable-image": UnpullableImage,
    "kill-broker": BrokerDown,
    "pause-broker": BrokerDown,
    "restart-broker": BrokerDown,
    "cut-network": Network,
    "slow-network": Network,
    "reset-network": Network,
    "fill-exchange": MountFault,
    "readonly-exchange": MountFault,
    "slow-exchange": SlowExchange,
    "damage-blob": Damage,
    "truncate-blob": Damage,
    "remove-snapshot": Damage,
    "send-twice": SendTwice,
    "rebalance": Rebalance,
    "rolling-update": RollingUpdate,
    "drain-node": NodeDown,
    "stop-node": NodeDown,
    "restart-node": NodeDown,
    "pause-api-server": ApiServerAway,
    "kill-j2k": KillJ2k,
    "power-cut": PowerCut,
}
# What can be done to processes of this machine too; everything else needs what only a cluster has.
ON_THIS_MACHINE = (
    "kill", "terminate", "stop", "interrupt", "damage-blob", "truncate-blob", "remove-snapshot", "send-twice",
    "kill-j2k", "power-cut",
)  # fmt: skip


def engines_of(fault: str) -> tuple[str, ...]:
    """Say which engines can make a fault."""
    return ("local", "kind") if fault in ON_THIS_MACHINE else ("kind",)


def make(ground: Ground, moment: Moment, strike: Strike) -> Fault:
    """Make ready for a fault."""
    return MAKERS[strike.fault](ground, moment, strike)
