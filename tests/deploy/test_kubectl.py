"""Calls of kubectl, answered here instead of by a cluster (the real one: tests/cluster)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from j2k_dev.deploy.access import call_service, service_ip
from j2k_dev.deploy.kubectl import documents
from j2k_dev.model.errors import BadInput, MachineryFailed, Refused
from tests.deploy.answering import kubectl

CONFLICT = """error: Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1: .spec.replicas
Please review the fields above--they currently have other managers."""


def services(*names: str) -> str:
    items = [
        {"metadata": {"name": name}, "spec": {"clusterIP": "10.0.0.7", "ports": [{"port": 8080}]}} for name in names
    ]
    return json.dumps({"items": items})


def test_every_call_names_its_context() -> None:
    calls, runner = kubectl('{"items": []}')
    assert calls.get("pods", "j2k-weather", "a=b") == []
    where, what = str(runner.commands[0]).split(" get ")
    assert where == "kubectl --kubeconfig /w/kubeconfig --context kind-x"
    assert what == "pods --namespace j2k-weather --selector a=b --output json"


def test_fields_that_somebody_else_changed_are_refused_with_their_owner() -> None:
    calls, _ = kubectl(MachineryFailed("kubectl ended with 1", detail=CONFLICT))
    with pytest.raises(Refused) as caught:
        calls.apply(Path("overlay"))
    assert "by kubectl-edit: .spec.replicas" in caught.value.message


def test_each_of_several_fields_is_named() -> None:
    several = 'Apply failed with 2 conflicts: conflicts with "hpa":\n- .spec.replicas\n- .spec.paused\nPlease review'
    calls, _ = kubectl(MachineryFailed("kubectl ended with 1", detail=several))
    with pytest.raises(Refused, match=r"by hpa: \.spec\.replicas, \.spec\.paused"):
        calls.apply(Path("overlay"))


def test_any_other_failure_to_apply_stays_what_it_is() -> None:
    calls, _ = kubectl(MachineryFailed("kubectl ended with 1", detail="connection refused"))
    with pytest.raises(MachineryFailed, match="ended with 1"):
        calls.apply(Path("overlay"))


def test_a_rehearsal_changes_nothing_on_the_server() -> None:
    calls, runner = kubectl("")
    calls.apply(Path("overlay"), dry_run=True)
    assert "--dry-run=server" in runner.commands[0].arguments


@pytest.mark.parametrize("name", ["stage-2-fit", "fit", "2"])
def test_a_service_is_found_by_its_name_its_stage_or_its_number(name: str) -> None:
    calls, _ = kubectl(services("stage-1-load", "stage-2-fit"))
    assert service_ip(calls, "j2k-weather", name) == "10.0.0.7"


def test_a_service_that_is_not_there_is_answered_with_those_that_are() -> None:
    calls, _ = kubectl(services("stage-1-load"))
    with pytest.raises(BadInput) as caught:
        service_ip(calls, "j2k-weather", "plot")
    assert "stage-1-load" in caught.value.way_out


def test_a_service_is_called_through_the_api_server() -> None:
    calls, runner = kubectl(services("stage-1-load"), "ok\n")
    assert call_service(calls, "j2k-weather", "load", "/healthz") == "ok\n"
    assert runner.commands[1].arguments[-1] == "/api/v1/namespaces/j2k-weather/services/stage-1-load:8080/proxy/healthz"


def test_a_service_that_does_not_answer_is_told_with_its_reason() -> None:
    calls, _ = kubectl(services("stage-1-load"), MachineryFailed("kubectl ended with 1", detail="$ kubectl\nnot found"))
    with pytest.raises(MachineryFailed, match="stage-1-load did not answer /x: not found"):
        call_service(calls, "j2k-weather", "load", "/x")


@pytest.mark.parametrize("cut", range(len('{"a": 1}\n{"b": 2}') + 1))
def test_a_stream_is_split_wherever_it_was_cut(cut: int) -> None:
    text = '{"a": 1}\n{"b": 2}'
    first, rest = documents(text[:cut])
    second, left = documents(rest + text[cut:])
    assert [*first, *second] == [{"a": 1}, {"b": 2}]
    assert not left
