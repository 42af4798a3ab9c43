"""What stands against a plan, when nothing is to be done, and whether the plan that people saw is still the one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from j2k_dev.actions.promotion import plan as promote_plan
from j2k_dev.actions.promotion.context import Destination, PromoteOptions, Promotion
from j2k_dev.actions.promotion.plan import agreed_plan, blocked, is_live
from j2k_dev.actions.promotion.promote import _is_away
from j2k_dev.deploy.target import Kafka, Storage, Target, TargetRegistry
from j2k_dev.engine.workspace import Workspace
from j2k_dev.model.errors import Different, MachineryFailed, Refused
from j2k_dev.packaging.registry import Registry
from j2k_dev.promote.model import Change, Right
from j2k_dev.promote.plan import digest_of, plan_path, write_plan
from j2k_dev.scenario.catalogue import shipped
from tests.actions.config_maps import ConfigMaps
from tests.promote.made_plan import CHANGES, plan, release

if TYPE_CHECKING:
    from pathlib import Path

SAME = (Change("Deployment", "stage-1", "j2k-weather", "same"),)
CLEAR: dict[str, Any] = {"rights": (), "lacks": (), "images": (), "changes": SAME}


def promotion(folder: Path, **more: Any) -> Promotion:
    target = Target("prod", TargetRegistry("registry.example.org"), Storage("efs"), Kafka("kafka:9092"))
    to = Destination(target, ConfigMaps(), Registry("registry.example.org"), "weather", "j2k-weather")
    asked, place = PromoteOptions(folder / "weather.ipynb", "prod"), Workspace(folder)
    found = plan(**CLEAR)
    return Promotion(asked, None, place, to, "ada", objects=found.objects, **{"plan": found, **more})  # type: ignore[arg-type]


# --- what stands against it -------------------------------------------------------------------------------------------


def test_nothing_stands_against_a_plan_that_only_makes_and_changes() -> None:
    fine = tuple(change for change in CHANGES if change.action not in ("conflict", "refused"))
    assert blocked(plan(**{**CLEAR, "changes": fine})) is None


def test_everything_that_stands_against_it_is_told_at_once() -> None:
    problem = blocked(plan())
    assert problem is not None
    for told in (
        "Deployment stage-1-load: spec.replicas is 5 by kubectl-edit, and would be 2",
        "PersistentVolumeClaim exchange: spec is immutable after creation",
        "this user may not create pods/exec in j2k-weather, patch storageclasses efs",
        "there is no StorageClass efs",
    ):
        assert told in problem.message
    assert "docs/admin.md" in problem.way_out
    assert "name one that is there, or make it" in problem.way_out


def test_one_missing_right_is_enough() -> None:
    problem = blocked(plan(**{**CLEAR, "rights": (Right("patch", "deployments", "apps", "x", allowed=False),)}))
    assert problem is not None
    assert problem.message == "not promoted to prod: this user may not patch deployments in x"


# --- when nothing is to be done ---------------------------------------------------------------------------------------


def test_what_is_live_already_and_unchanged_is_not_applied_again(tmp_path: Path) -> None:
    there = promotion(tmp_path)
    current = release(2, digest=there.decided.digest)
    assert is_live(replace(there, releases=(current,)))


@pytest.mark.parametrize(
    "case", ["another digest", "a change on the cluster", "images are gone", "one was cut off", "it failed"]
)
def test_anything_else_is_to_be_done(tmp_path: Path, case: str) -> None:
    there = promotion(tmp_path)
    current = release(2, digest=there.decided.digest)
    if case == "another digest":
        current = release(2)
    if case == "a change on the cluster":
        there = replace(there, plan=plan(**{**CLEAR, "changes": (*SAME, *CHANGES)}))
    if case == "images are gone":
        there = replace(there, plan=plan(**{**CLEAR, "images": plan().images}))
    if case == "it failed":
        current = replace(current, state="failed")
    more = (release(3, state="applying", digest="x"),) if case == "one was cut off" else ()
    assert not is_live(replace(there, releases=(current, *more)))


# --- the plan that people saw -----------------------------------------------------------------------------------------


def test_without_a_kept_plan_there_is_nothing_to_hold_to(tmp_path: Path) -> None:
    there = promotion(tmp_path)
    assert agreed_plan(there) is there


def test_a_kept_plan_is_applied_where_nothing_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promote_plan, "moved", lambda *_: ())
    there = promotion(tmp_path)
    write_plan(plan_path(tmp_path, "prod"), there.decided)
    assert agreed_plan(there) is there


def test_a_cluster_that_moved_since_is_refused_with_what_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promote_plan, "moved", lambda *_: ("Deployment stage-1 was changed",))
    there = promotion(tmp_path)
    write_plan(plan_path(tmp_path, "prod"), there.decided)
    with pytest.raises(Refused, match="the cluster moved since the plan was made: Deployment stage-1 was changed"):
        agreed_plan(there)
    cut_off = release(3, state="applying", digest=there.decided.digest, by="ada", workspace=str(tmp_path))
    own = replace(there, releases=(cut_off,))
    assert agreed_plan(own) is own, "it was this command that moved it"


def test_a_kept_plan_for_something_else_is_refused(tmp_path: Path) -> None:
    there = promotion(tmp_path)
    other = ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}},)
    write_plan(plan_path(tmp_path, "prod"), replace(there.decided, objects=other, digest=digest_of(other)))
    with pytest.raises(Refused, match=r"is not what the plan .* says any more"):
        agreed_plan(there)


def test_a_kept_plan_of_another_notebook_is_no_matter(tmp_path: Path) -> None:
    there = promotion(tmp_path)
    write_plan(plan_path(tmp_path, "prod"), replace(there.decided, pipeline="other"))
    assert agreed_plan(there) is there


# --- a cluster that is away -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("detail", "away"),
    [
        ("The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?", True),
        ("Unable to connect to the server: EOF", True),
        ('Error from server (Forbidden): deployments.apps "x" is forbidden: exceeded quota', False),
        ("Error from server (Invalid): the field is immutable", False),
    ],
)
def test_a_cluster_that_is_away_is_told_from_one_that_says_no(detail: str, away: bool) -> None:
    assert _is_away(MachineryFailed("kubectl ended with 1", detail=f"$ kubectl apply\n{detail}")) is away


def test_pods_that_a_quota_refuses_and_other_results_do_not_mean_that_the_cluster_is_away() -> None:
    assert not _is_away(MachineryFailed("the pods of stage-1 are refused: exceeded quota: small"))
    assert not _is_away(Different("the smoke run differs: timed out in a cell"))


def test_scenarios_that_stand_in_for_those_that_ship_are_told_from_copies_and_own_ones(tmp_path: Path) -> None:
    files = {"kill-stage-2": "kill-stage.yaml", "restart-broker": "restart-broker.yaml", "mine": "mine.yaml"}
    own = {name: tmp_path / file for name, file in files.items()}
    own["kill-stage-2"].write_text("title: nothing at all\n")
    own["restart-broker"].write_bytes((shipped() / "restart-broker.yaml").read_bytes())
    own["mine"].write_text("title: mine\n")
    assert promote_plan.replaced(own) == {"kill-stage-2": f"{tmp_path.name}/kill-stage.yaml"}
