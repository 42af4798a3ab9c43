"""Which member of a group owns which partitions: shared out evenly, and never taken from a member that works on one.

Kafka's own assignors know what members own, but not what they are doing: one that comes could be given the partition
whose message another has been working on for an hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from kafka.coordinator.assignors.abstract import AbstractPartitionAssignor, RebalanceProtocol
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment, ConsumerProtocolSubscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# The first version in which members say what they own.
_VERSION = 1


@dataclass(frozen=True)
class Claim:
    """What a member says when it joins: the partitions it owns, and the one whose message it works on."""

    owned: frozenset[int] = frozenset()
    busy: int | None = None


def share(partitions: Iterable[int], claims: Mapping[str, Claim]) -> dict[str, list[int]]:
    """Share partitions among members, by their names.

    What moves from one member to another is nobody's at first: its owner lets go, and joins again for the next round.
    """
    everything = set(partitions)
    claimed = list(chain.from_iterable(claim.owned for claim in claims.values()))
    disputed = {partition for partition in claimed if claimed.count(partition) > 1}
    shares: dict[str, list[int]] = {}
    quotas = _quotas(len(everything), claims)
    for member, claim in claims.items():
        own = sorted(claim.owned & everything - disputed, key=lambda partition: (partition != claim.busy, partition))
        shares[member] = own[: quotas[member]]
    free = sorted(everything - set(claimed))
    for member, quota in quotas.items():
        while free and len(shares[member]) < quota:
            shares[member].append(free.pop(0))
    return {member: sorted(share) for member, share in shares.items()}


def _quotas(count: int, claims: Mapping[str, Claim]) -> dict[str, int]:
    """Say how many partitions each member gets; odd ones go to who has most already, then to who has time."""
    least, odd = divmod(count, max(len(claims), 1))
    order = sorted(claims, key=lambda member: (-len(claims[member].owned), claims[member].busy is not None, member))
    return {member: least + (place < odd) for place, member in enumerate(order)}


class KeepingAssignor(AbstractPartitionAssignor):  # type: ignore[misc]
    """Does this as a part of the client; ``claim`` says what this member owns and does just now."""

    name = "j2k-keeping"

    def __init__(self, topic: str, claim: Callable[[], Claim]) -> None:
        self._topic = topic
        self._claim = claim

    def supported_protocols(self) -> list[RebalanceProtocol]:
        """Keep what does not move while members join."""
        return [RebalanceProtocol.COOPERATIVE]

    def metadata(self, topics: Iterable[str]) -> Any:
        """Say what this member claims."""
        claim = self._claim()
        owned = ConsumerProtocolSubscription.TopicPartition(topic=self._topic, partitions=sorted(claim.owned))
        busy = b"" if claim.busy is None else str(claim.busy).encode()
        return ConsumerProtocolSubscription(
            version=_VERSION, topics=sorted(topics), user_data=busy, owned_partitions=[owned]
        )

    def assign(self, cluster: Any, members: Iterable[Any]) -> dict[str, Any]:
        """Share the topic's partitions among all members; only the group's leader is asked."""
        claims = {member.member_id: _decoded(member.metadata) for member in members}
        shares = share(cluster.partitions_for_topic(self._topic) or (), claims)
        return {
            member: ConsumerProtocolAssignment(_VERSION, [(self._topic, partitions)], b"")
            for member, partitions in shares.items()
        }

    def on_assignment(self, assignment: Any, generation: int) -> None:
        """Do nothing: what is owned is known to the member."""


def _decoded(metadata: Any) -> Claim:
    owned = chain.from_iterable(topic.partitions for topic in metadata.owned_partitions or ())
    return Claim(frozenset(owned), int(bytes(metadata.user_data)) if metadata.user_data else None)
