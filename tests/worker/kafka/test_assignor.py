"""Who owns which partitions: evenly, with few moves, and never away from a member that works."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from j2k_dev.worker.kafka.assignor import Claim, share


def owning(*partitions: int, busy: int | None = None) -> Claim:
    return Claim(frozenset(partitions), busy)


def settled(count: int, claims: dict[str, Claim]) -> dict[str, Claim]:
    """Join again until nothing moves."""
    for _ in range(10):
        shares = share(range(count), claims)
        joined = {member: Claim(frozenset(shares[member]), claims[member].busy) for member in claims}
        if joined == claims:
            return claims
        claims = joined
    raise AssertionError("it never settles")


def test_partitions_are_shared_evenly() -> None:
    after = settled(7, {"a": Claim(), "b": Claim(), "c": Claim()})
    assert sorted(len(claim.owned) for claim in after.values()) == [2, 2, 3]


def test_a_member_that_comes_gets_its_share_and_never_what_another_works_on() -> None:
    for busy in range(3):
        after = settled(3, {"a": owning(0, 1, 2, busy=busy), "b": Claim(), "c": Claim()})
        assert after["a"].owned == {busy}


def test_what_moves_is_nobodys_for_a_round() -> None:
    shares = share(range(2), {"a": owning(0, 1, busy=1), "b": Claim()})
    assert shares == {"a": [1], "b": []}


def test_what_a_dead_member_owned_goes_to_one_that_has_time() -> None:
    assert share(range(3), {"a": owning(0, busy=0), "b": owning(1)}) == {"a": [0], "b": [1, 2]}


def test_nothing_moves_without_need() -> None:
    claims = {"a": owning(0, 4), "b": owning(1, 2, busy=2), "c": owning(3)}
    assert settled(5, claims) == claims


def test_more_members_than_partitions_take_nothing_from_owners() -> None:
    claims = {"c": owning(0, busy=0), "a": Claim(), "b": Claim()}
    assert settled(1, claims) == claims


def test_what_two_members_claim_is_neithers() -> None:
    assert share([0], {"a": owning(0), "b": owning(0)}) == {"a": [], "b": []}


def test_partitions_that_are_no_more_are_not_shared() -> None:
    assert share([0], {"a": owning(0, 7, busy=7)}) == {"a": [0]}


@given(st.data())
@settings(deadline=None)
def test_whatever_was_before_everything_is_owned_once_and_work_goes_on(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 9))
    names = data.draw(st.lists(st.sampled_from("abcdef"), min_size=1, unique=True))
    owners = data.draw(st.lists(st.sampled_from([*names, ""]), min_size=count, max_size=count))
    claims = {}
    for name in names:
        own = frozenset(partition for partition, owner in enumerate(owners) if owner == name)
        claims[name] = Claim(own, data.draw(st.sampled_from([None, *own])))
    after = settled(count, claims)
    owned = sorted(partition for claim in after.values() for partition in claim.owned)
    assert owned == list(range(count))
    assert all(claim.busy is None or claim.busy in claim.owned for claim in after.values())
    sizes = {len(claim.owned) for claim in after.values()}
    assert max(sizes) - min(sizes) <= 1
