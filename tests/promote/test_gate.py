"""The gate: what is proven passes, and whatever is not is named with the command that proves it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from j2k_dev.evidence.record import EQUAL, Doubt, Entry, Evidence
from j2k_dev.promote.gate import Now, commands, missing, proofs, refusal
from j2k_dev.promote.requirements import Required

if TYPE_CHECKING:
    from j2k_dev.evidence.record import Doubtful, Proven

AT = 1_800_000_000.0
DAY = 24 * 3600.0
OF = {"notebook": "aa", "pipeline": "bb", "recording": "cc", "manifests": "dd", "image load": "ee", "image fit": "ff"}
VERSIONS = {"j2k": "0.1.0", "python": "3.11.7", "kubernetes": "v1.34.0"}
FILES = {"kill-stage-2": "k", "delete-pod-stage-2": "d", "restart-broker": "r"}
NOW = Now("a.ipynb", ("load", "fit"), OF, VERSIONS, FILES, path="work/a.ipynb")
REQUIRED = Required()
RUN = "j2k run work/a.ipynb --engine kind --fresh"


def entry(scenario: str, verdict: Proven = "survived", age: float = DAY, engine: str = "kind") -> Entry:
    of = OF if scenario == "verify" else {**OF, "scenario file": FILES.get(scenario, "x")}
    return Entry(
        "a.ipynb", scenario, engine, "", verdict, f"run-{scenario}", AT - age, 1.0, of=of, versions=VERSIONS, key="key"
    )


def all_proven() -> list[Entry]:
    return [entry("verify", EQUAL), *(entry(name) for name in FILES)]


def wrong_with(
    *entries: Entry, doubts: tuple[Doubt, ...] = (), now: Now = NOW, required: Required = REQUIRED
) -> dict[str, tuple[str, str]]:
    found = missing(required, Evidence(entries, doubts), now, AT)
    return {each.scenario: (each.why, each.told) for each in found}


def with_verify(**changed: object) -> list[Entry]:
    verify, *others = all_proven()
    return [replace(verify, **changed), *others]  # type: ignore[arg-type]  # fields by name


def test_what_is_proven_passes_with_its_proofs() -> None:
    evidence = Evidence(tuple(all_proven()))
    assert missing(REQUIRED, evidence, NOW, AT) == ()
    assert [(proof.scenario, proof.verdict) for proof in proofs(REQUIRED, evidence, NOW, AT)] == [
        ("verify", "equal"),
        ("kill-stage-2", "survived"),
        ("delete-pod-stage-2", "survived"),
        ("restart-broker", "survived"),
    ]


def test_without_any_evidence_everything_is_missing() -> None:
    found = wrong_with()
    assert list(found) == ["verify", "kill-stage-2", "delete-pod-stage-2", "restart-broker"]
    assert {why for why, _ in found.values()} == {"missing"}


@pytest.mark.parametrize("name", ["verify", "kill-stage-2", "restart-broker"])
def test_each_of_them_is_needed(name: str) -> None:
    assert wrong_with(*(each for each in all_proven() if each.scenario != name)).keys() == {name}


def test_evidence_of_processes_on_this_machine_is_none_for_pods() -> None:
    found = wrong_with(*(replace(each, engine="local") for each in all_proven()))
    assert len(found) == 4


def test_evidence_about_another_notebook_is_none() -> None:
    assert len(wrong_with(*(replace(each, notebook="b.ipynb") for each in all_proven()))) == 4


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("notebook", "the notebook changed"),
        ("pipeline", "the pipeline changed"),
        ("recording", "the recording changed"),
        ("manifests", "the manifests changed"),
        ("image fit", "the image of fit changed"),
    ],
)
def test_whatever_changed_since_makes_all_of_it_stale(name: str, told: str) -> None:
    found = wrong_with(*all_proven(), now=replace(NOW, of={**OF, name: "other"}))
    assert found.keys() == {"verify", *FILES}
    assert all(why == "stale" and told in text for why, text in found.values())


def test_a_stage_that_came_or_went_makes_it_stale() -> None:
    more = {**OF, "image plot": "gg"}
    less = {name: value for name, value in OF.items() if name != "image fit"}
    assert "new since: image of plot" in wrong_with(*all_proven(), now=replace(NOW, of=more))["verify"][1]
    assert "gone: image of fit" in wrong_with(*all_proven(), now=replace(NOW, of=less))["verify"][1]


def test_a_scenario_whose_file_changed_is_stale_and_nothing_else_is() -> None:
    found = wrong_with(*all_proven(), now=replace(NOW, scenario_files={**FILES, "kill-stage-2": "easier"}))
    assert found == {"kill-stage-2": ("stale", "is stale: the scenario file changed")}


def test_a_scenario_of_ones_own_by_the_name_of_one_that_ships_proves_nothing() -> None:
    now = replace(NOW, replaced={"kill-stage-2": "scenarios/kill-stage.yaml"})
    why, told = wrong_with(*all_proven(), now=now)["kill-stage-2"]
    assert why == "replaced"
    assert "scenarios/kill-stage.yaml counts instead" in told


def test_another_version_makes_it_stale_but_a_sandbox_that_is_down_does_not() -> None:
    newer, down = {**VERSIONS, "kubernetes": "v1.35.0"}, {"j2k": "0.1.0", "python": "3.11.7"}
    assert (
        "kubernetes was v1.34.0 and is v1.35.0"
        in wrong_with(*all_proven(), now=replace(NOW, versions=newer))["verify"][1]
    )
    assert wrong_with(*all_proven(), now=replace(NOW, versions=down)) == {}


def test_what_is_too_old_has_expired() -> None:
    assert wrong_with(*with_verify(started=AT - 31 * DAY)) == {
        "verify": ("expired", "is 31 days old, and 30 are allowed")
    }
    assert wrong_with(*with_verify(started=AT - 30 * DAY)) == {}
    assert wrong_with(*all_proven(), required=Required(max_age_days=1)) == {}
    assert len(wrong_with(*with_verify(started=AT - 2 * DAY), required=Required(max_age_days=1))) == 1


def test_what_is_dated_in_the_future_does_not_count() -> None:
    assert wrong_with(*with_verify(started=AT + DAY))["verify"][0] == "expired"
    assert wrong_with(*with_verify(started=AT + 60)) == {}


@pytest.mark.parametrize("verdict", ["broken", "invalid"])
def test_what_was_not_survived_is_broken(verdict: Proven) -> None:
    entries = [entry("verify", EQUAL), *(entry(name, verdict) for name in FILES)]
    found = wrong_with(*entries)
    assert found["restart-broker"] == ("broken", f"was {verdict} in the run run-restart-broker")
    assert "verify" not in found


def test_what_was_survived_late_counts_unless_the_policy_says_otherwise() -> None:
    entries = [entry("verify", EQUAL), *(entry(name, "survived late") for name in FILES)]
    assert wrong_with(*entries) == {}
    strict = wrong_with(*entries, required=Required(survived_late=False))
    assert {why for why, _ in strict.values()} == {"late"}


@pytest.mark.parametrize("kind", ["edited", "unsigned", "unknown key", "damaged"])
def test_what_only_claims_to_be_evidence_is_named_as_what_it_is(kind: Doubtful) -> None:
    doubt = Doubt("its signature does not fit", "", "a.ipynb", "verify", "kind", kind)
    others = [each for each in all_proven() if each.scenario != "verify"]
    assert wrong_with(*others, doubts=(doubt,)) == {"verify": (kind, "does not count: its signature does not fit")}


def test_a_doubt_about_something_else_is_no_reason() -> None:
    doubt = Doubt("it is not signed", "", "a.ipynb", "verify", "local", "unsigned")
    others = [each for each in all_proven() if each.scenario != "verify"]
    assert wrong_with(*others, doubts=(doubt,))["verify"][0] == "missing"


def test_a_file_that_can_not_be_read_is_the_reason_for_all() -> None:
    found = wrong_with(doubts=(Doubt("evidence.json is damaged", ""),))
    assert {told for _, told in found.values()} == {"does not count: evidence.json is damaged"}


def test_a_pipeline_of_one_stage_is_asked_for_what_it_can_survive() -> None:
    now = replace(NOW, stages=("all",), scenario_files={})
    found = wrong_with(now=now)
    assert list(found) == ["verify", "kill-stage-1", "delete-pod-stage-1", "restart-broker"]


def test_the_commands_prove_it_in_an_order_that_works_and_can_be_pasted() -> None:
    now = replace(NOW, path="my work/a.ipynb", place="--workspace w")
    lacking = missing(Required(scenarios=("kill-stage-2", "restart-broker")), Evidence(), now, AT)
    assert commands(lacking) == (
        "j2k run 'my work/a.ipynb' --workspace w --engine kind --fresh",
        "j2k scenario kill-stage-2 restart-broker --notebook 'my work/a.ipynb' --workspace w --engine kind",
    )
    assert commands(lacking[1:]) == commands(lacking)[1:]
    assert lacking[2].command == (
        "j2k scenario restart-broker --notebook 'my work/a.ipynb' --workspace w --engine kind"
    )


def test_the_refusal_has_all_reasons_and_all_commands() -> None:
    lacking = missing(REQUIRED, Evidence((entry("verify", EQUAL),)), NOW, AT)
    error = refusal(lacking)
    assert error.exit_code == 4
    assert all(name in error.message for name in FILES)
    assert RUN not in error.way_out
    assert "j2k scenario kill-stage-2 delete-pod-stage-2 restart-broker --notebook" in error.way_out
    assert "--without-evidence" in error.way_out


def test_manifests_that_were_edited_by_hand_can_be_put_back_without_proving_anything_again() -> None:
    edited = replace(NOW, of={**OF, "manifests": "other"})
    error = refusal(missing(REQUIRED, Evidence(tuple(all_proven())), edited, AT))
    assert error.way_out.startswith(
        "j2k render work/a.ipynb  writes the manifests as they were verified; if they are, "
    )
    both = replace(NOW, of={**OF, "manifests": "other", "notebook": "other"})
    assert "j2k render" not in refusal(missing(REQUIRED, Evidence(tuple(all_proven())), both, AT)).way_out


def test_what_does_not_hold_is_no_proof() -> None:
    entries = with_verify(started=AT - 31 * DAY)
    assert "verify" not in {proof.scenario for proof in proofs(REQUIRED, Evidence(tuple(entries)), NOW, AT)}
