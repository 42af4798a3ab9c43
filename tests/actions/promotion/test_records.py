"""Claiming releases, going on with one's own, and leaving others theirs; the cluster is a fake (``ConfigMaps``)."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from j2k_dev.actions.promotion.context import Destination, PromoteOptions, Promotion
from j2k_dev.actions.promotion.records import Claim, GoLive, advanced, read_releases, update
from j2k_dev.deploy.target import Kafka, Storage, Target, TargetRegistry
from j2k_dev.engine.workspace import Workspace
from j2k_dev.model.errors import Refused
from j2k_dev.packaging.registry import Registry
from j2k_dev.promote.model import PromotionPlan
from tests.actions.config_maps import ConfigMaps

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

NAMESPACE = "j2k-weather"
OBJECTS = ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},)


class Notes:
    """Keeps what a person would be told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def step(self, title: str) -> AbstractContextManager[None]:
        raise AssertionError(title)


@pytest.fixture
def cluster() -> ConfigMaps:
    return ConfigMaps(NAMESPACE)


def promotion(cluster: ConfigMaps, folder: Path, by: str = "ada", digest: str = "d1", **options: Any) -> Promotion:
    target = Target("prod", TargetRegistry("registry.example.org"), Storage("efs"), Kafka("kafka:9092"))
    to = Destination(target, cluster, Registry("registry.example.org"), "weather", NAMESPACE)
    number = 1 + len(cluster.there)
    releases = read_releases(cluster, NAMESPACE, "weather")[1]
    unfinished = next((each.number for each in releases if each.state in ("applying", "testing")), None)
    plan = PromotionPlan(
        "weather", "weather.ipynb", "prod", NAMESPACE, "c", unfinished or number, None, digest, {"notebook": "n"},
        OBJECTS, (),
    )  # fmt: skip
    asked = PromoteOptions(folder / "weather.ipynb", "prod", **options)
    return Promotion(asked, Notes(), Workspace(folder), to, by, plan=plan, objects=OBJECTS)  # type: ignore[arg-type]


def states(cluster: ConfigMaps) -> dict[int, str]:
    return {each.number: each.state for each in read_releases(cluster, NAMESPACE, "weather")[1]}


def test_a_release_is_claimed_before_anything_is_applied(cluster: ConfigMaps, tmp_path: Path) -> None:
    claimed = Claim().execute(promotion(cluster, tmp_path))
    assert states(cluster) == {1: "applying"}
    assert claimed.begun.by == "ada"
    assert claimed.begun.objects == OBJECTS


def test_a_namespace_that_is_not_there_is_made_first(tmp_path: Path) -> None:
    cluster = ConfigMaps()
    Claim().execute(promotion(cluster, tmp_path))
    assert cluster.namespaces == [NAMESPACE]
    assert states(cluster) == {1: "applying"}


def test_one_who_was_cut_off_goes_on_with_the_same_release(cluster: ConfigMaps, tmp_path: Path) -> None:
    Claim().execute(promotion(cluster, tmp_path))
    again = Claim().execute(promotion(cluster, tmp_path))
    assert again.begun.number == 1
    assert states(cluster) == {1: "applying"}
    assert isinstance(again.ui, Notes)
    assert "going on with release 1" in again.ui.notes[0]


def test_one_who_was_cut_off_and_promotes_something_else_gives_the_first_up(
    cluster: ConfigMaps, tmp_path: Path
) -> None:
    Claim().execute(promotion(cluster, tmp_path))
    other = promotion(cluster, tmp_path, digest="d2")
    Claim().execute(replace(other, plan=replace(other.decided, release=2)))
    assert states(cluster) == {1: "failed", 2: "applying"}


@pytest.mark.parametrize("take_over", [False, True])
def test_somebody_elses_release_is_left_to_them(cluster: ConfigMaps, tmp_path: Path, *, take_over: bool) -> None:
    Claim().execute(promotion(cluster, tmp_path))
    with pytest.raises(Refused, match="release 1 is being promoted by ada since 20") as caught:
        Claim().execute(promotion(cluster, tmp_path, by="eve", take_over=take_over))
    assert "wait until that ends" in caught.value.way_out
    assert states(cluster) == {1: "applying"}


def test_the_same_person_elsewhere_is_somebody_else(cluster: ConfigMaps, tmp_path: Path) -> None:
    Claim().execute(promotion(cluster, tmp_path))
    with pytest.raises(Refused, match="is being promoted by ada"):
        Claim().execute(promotion(cluster, tmp_path / "other"))


def test_a_release_for_which_nothing_was_done_for_long_is_taken_over_if_that_is_said(
    cluster: ConfigMaps, tmp_path: Path
) -> None:
    Claim().execute(promotion(cluster, tmp_path))
    told = json.loads(cluster.there["j2k-release-1"]["data"]["release.json"])
    cluster.there["j2k-release-1"]["data"]["release.json"] = json.dumps({**told, "touched": time.time() - 700})
    with pytest.raises(Refused) as caught:
        Claim().execute(promotion(cluster, tmp_path, by="eve"))
    assert "--take-over" in caught.value.way_out
    assert Claim().execute(promotion(cluster, tmp_path, by="eve", take_over=True)).begun.by == "eve"
    assert states(cluster) == {1: "applying"}


def test_of_two_who_begin_at_once_one_is_told_about_the_other(cluster: ConfigMaps, tmp_path: Path) -> None:
    mine, theirs = promotion(cluster, tmp_path), promotion(cluster, tmp_path / "other", by="eve")
    released = Claim().execute(theirs).begun
    update(cluster, NAMESPACE, replace(released, state="live"))  # not seen as begun: only the name is taken
    with pytest.raises(Refused, match="release 1 was begun by eve just now"):
        Claim().execute(mine)


def test_going_live_supersedes_what_was_live(cluster: ConfigMaps, tmp_path: Path) -> None:
    first = GoLive().execute(Claim().execute(promotion(cluster, tmp_path)))
    assert first.begun.state == "live"
    GoLive().execute(Claim().execute(promotion(cluster, tmp_path, digest="d2")))
    assert states(cluster) == {1: "superseded", 2: "live"}


def test_how_far_a_release_is_is_written_down_and_its_objects_stay(cluster: ConfigMaps, tmp_path: Path) -> None:
    told = advanced(Claim().execute(promotion(cluster, tmp_path)), "failed", reason="no room")
    (kept,) = read_releases(cluster, NAMESPACE, "weather")[1]
    assert (kept.state, kept.reason, kept.objects) == ("failed", "no room", OBJECTS)
    assert cluster.there["j2k-release-1"]["metadata"]["labels"]["j2k.dev/state"] == "failed"
    assert told.begun.touched >= told.begun.at


def test_the_reason_for_promoting_without_evidence_is_on_the_namespace_until_something_proven_comes(
    cluster: ConfigMaps, tmp_path: Path
) -> None:
    bare = promotion(cluster, tmp_path)
    GoLive().execute(Claim().execute(replace(bare, plan=replace(bare.decided, without_evidence="the demo is at noon"))))
    assert cluster.annotations == {"j2k.dev/without-evidence": "the demo is at noon"}
    GoLive().execute(Claim().execute(promotion(cluster, tmp_path, digest="d2")))
    assert cluster.annotations == {"j2k.dev/without-evidence": None}


def test_a_record_that_another_version_wrote_keeps_its_number(cluster: ConfigMaps, tmp_path: Path) -> None:
    Claim().execute(promotion(cluster, tmp_path))
    cluster.there["j2k-release-1"]["data"]["release.json"] = '{"from": "the future"}'
    found, releases = read_releases(cluster, NAMESPACE, "weather")
    assert (len(found), releases) == (1, ())
