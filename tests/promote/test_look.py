"""What applying would do, asked of a cluster that is answered for here (the real one: tests/cluster)."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from j2k_dev.deploy.kubectl import Cluster, Kubectl
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.promote.diff import seen
from j2k_dev.promote.look import changes_of, cluster_id, moved
from tests.deploy.answering import kubectl
from tests.promote.made_plan import plan

if TYPE_CHECKING:
    from j2k_dev.promote.model import Object
    from j2k_dev.sandbox.commands import Command

LABELS = {"app.kubernetes.io/managed-by": "j2k", "j2k.dev/pipeline": "weather"}
FORBIDDEN = 'Error from server (Forbidden): storageclasses.storage.k8s.io "efs" is forbidden: User "ada" cannot get'
AWAY = "The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?"


def made(kind: str, name: str, version: str = "v1", **more: object) -> Object:
    place = {} if kind in ("Namespace", "StorageClass") else {"namespace": "j2k-weather"}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **place, "labels": dict(LABELS)}, **more}


NAMESPACE = made("Namespace", "j2k-weather")
CLASS = made("StorageClass", "efs", "storage.k8s.io/v1")
CONFIG = made("ConfigMap", "kafka", data={"KAFKA_BROKER": "one:9092"})
FIT = made("Deployment", "stage-2-fit", "apps/v1", spec={"replicas": 2})
OLD = made("Deployment", "stage-3-old", "apps/v1", spec={"replicas": 2})
CLAIM = made("PersistentVolumeClaim", "exchange", spec={"resources": {}})


def listed(*objects: Object) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def failed(detail: str) -> MachineryFailed:
    return MachineryFailed("kubectl ended with 1", detail=f"$ kubectl get\n{detail}")


def changed(each: Object, **spec: object) -> Object:
    other = copy.deepcopy(each)
    other["spec"].update(spec)
    return other


def test_each_object_is_asked_for_with_all_others_in_two_calls() -> None:
    calls, runner = kubectl(listed(NAMESPACE, CONFIG), listed(NAMESPACE, CONFIG, FIT))
    changes_of(calls, [NAMESPACE, CONFIG, FIT])
    read, rehearsed = runner.lines
    assert "--show-managed-fields" in read
    assert "--ignore-not-found" in read
    assert "--dry-run=server" in rehearsed
    assert "--server-side" in rehearsed
    assert "--field-manager j2k" in rehearsed
    asked = json.loads(runner.commands[0].stdin or b"")["items"]
    assert [each["metadata"]["name"] for each in asked] == ["j2k-weather", "kafka", "stage-2-fit"]


def test_what_is_there_stays_changes_or_is_made() -> None:
    calls, _ = kubectl(listed(NAMESPACE, FIT), listed(NAMESPACE, CONFIG, changed(FIT, replicas=3)))
    space, config, fit = changes_of(calls, [NAMESPACE, CONFIG, FIT])
    assert (space.action, config.action, fit.action) == ("same", "create", "change")
    assert [(each.path, each.before, each.after) for each in fit.fields] == [("spec.replicas", 2, 3)]
    assert fit.seen == seen(FIT)
    assert config.seen == ""


def test_a_single_object_is_answered_without_a_list() -> None:
    calls, _ = kubectl(json.dumps(NAMESPACE), json.dumps(NAMESPACE))
    assert [each.action for each in changes_of(calls, [NAMESPACE])] == ["same"]


def test_a_field_that_somebody_else_set_is_a_conflict() -> None:
    live = copy.deepcopy(FIT)
    fields: Object = {"f:spec": {"f:replicas": {}}}
    live["metadata"]["managedFields"] = [{"manager": "kubectl-edit", "operation": "Update", "fieldsV1": fields}]
    calls, _ = kubectl(listed(NAMESPACE, live), listed(changed(FIT, replicas=3)))
    (fit,) = changes_of(calls, [FIT])
    assert fit.action == "conflict"
    assert fit.fields[0].manager == "kubectl-edit"


def test_before_the_namespace_is_there_what_goes_into_it_is_not_rehearsed() -> None:
    calls, runner = kubectl("", listed(NAMESPACE, CLASS))
    found = {each.kind: each for each in changes_of(calls, [NAMESPACE, CLASS, CONFIG])}
    assert {each.action for each in found.values()} == {"create"}
    assert "before the namespace is there" in found["ConfigMap"].told
    assert found["StorageClass"].told == ""
    asked = json.loads(runner.commands[1].stdin or b"")["items"]
    assert [each["kind"] for each in asked] == ["Namespace", "StorageClass"]


@dataclass
class SayingNo:
    """A runner that answers with what is there of what is asked for, and fails where something is refused."""

    there: dict[str, Object]
    reading: dict[str, str] = field(default_factory=dict)
    applying: dict[str, str] = field(default_factory=dict)
    asked: list[list[str]] = field(default_factory=list)

    def run(self, command: Command, way_out: str = "") -> str:
        refused = self.reading if "get" in command.arguments else self.applying
        names = [each["metadata"]["name"] for each in json.loads(command.stdin or b"")["items"]]
        self.asked.append(names)
        for name in names:
            if name in refused:
                raise failed(refused[name])
        return listed(*(self.there[name] for name in names if name in self.there))

    @property
    def calls(self) -> Kubectl:
        return Kubectl(Cluster("kind-x"), self)


def test_a_server_that_says_no_to_one_is_asked_for_each_and_the_no_is_told() -> None:
    invalid = 'The Deployment "stage-2-fit" is invalid: spec.selector: field is immutable'
    server = SayingNo({"j2k-weather": NAMESPACE, "stage-2-fit": FIT}, applying={"stage-2-fit": invalid})
    space, fit = changes_of(server.calls, [NAMESPACE, FIT])
    assert space.action == "same"
    assert (fit.action, fit.told, fit.seen) == ("refused", invalid, seen(FIT))


def test_all_that_the_server_says_against_one_is_told() -> None:
    invalid = 'The Deployment "stage-2-fit" is invalid:\n* spec.selector: Invalid value\n* spec.replicas: Invalid value'
    server = SayingNo({"j2k-weather": NAMESPACE, "stage-2-fit": FIT}, applying={"stage-2-fit": invalid})
    (fit,) = changes_of(server.calls, [FIT])
    assert fit.told.endswith("is invalid: * spec.selector: Invalid value * spec.replicas: Invalid value")


def test_what_may_not_be_looked_at_is_told_and_the_rest_is_looked_at() -> None:
    server = SayingNo({"j2k-weather": NAMESPACE}, {"efs": FORBIDDEN}, {"efs": FORBIDDEN})
    space, class_ = changes_of(server.calls, [NAMESPACE, CLASS])
    assert space.action == "same"
    assert class_.action == "refused"
    assert class_.told.startswith("(Forbidden): storageclasses.storage.k8s.io")


def test_a_class_that_only_administrators_may_make_does_not_cost_a_call_for_everything_else() -> None:
    server = SayingNo({"j2k-weather": NAMESPACE, "kafka": CONFIG, "stage-2-fit": FIT}, applying={"efs": FORBIDDEN})
    changes_of(server.calls, [NAMESPACE, CLASS, CONFIG, FIT])
    assert server.asked.count(["kafka", "stage-2-fit"]) == 1
    assert ["kafka"] not in server.asked


def test_a_class_that_an_administrator_made_as_it_should_be_is_left_as_it_is() -> None:
    """Only administrators may make classes; the server adds to them what was left open."""
    wanted = made("StorageClass", "efs", "storage.k8s.io/v1", parameters={"uid": "65532"})
    there = copy.deepcopy(wanted) | {"reclaimPolicy": "Delete"}
    server = SayingNo({"j2k-weather": NAMESPACE, "efs": there}, applying={"efs": FORBIDDEN})
    assert [each.action for each in changes_of(server.calls, [wanted])] == ["same"]
    there["parameters"] = {"uid": "0"}
    assert [each.action for each in changes_of(server.calls, [wanted])] == ["refused"]


def test_a_cluster_that_is_away_is_no_refusal() -> None:
    calls, _ = kubectl(failed(AWAY))
    with pytest.raises(MachineryFailed):
        changes_of(calls, [NAMESPACE])


def test_what_an_earlier_release_owned_and_this_one_has_not_is_deleted() -> None:
    calls, _ = kubectl(listed(NAMESPACE, FIT, OLD), listed(FIT))
    fit, old = changes_of(calls, [FIT], [FIT, OLD])
    assert fit.action == "same"
    assert (old.name, old.action, old.seen) == ("stage-3-old", "delete", seen(OLD))


def test_data_are_never_deleted() -> None:
    calls, runner = kubectl(listed(NAMESPACE, FIT, CLAIM), listed(FIT))
    assert len(changes_of(calls, [FIT], [FIT, CLAIM, NAMESPACE, CLASS])) == 1
    asked = json.loads(runner.commands[0].stdin or b"")["items"]
    assert "PersistentVolumeClaim" not in {each["kind"] for each in asked}


def test_what_has_the_name_of_something_earlier_but_another_owner_is_left_alone() -> None:
    theirs = copy.deepcopy(OLD)
    theirs["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
    calls, _ = kubectl(listed(NAMESPACE, FIT, theirs), listed(FIT))
    assert [each.name for each in changes_of(calls, [FIT], [OLD])] == ["stage-2-fit"]


def test_a_cluster_that_did_not_move_is_as_the_plan_has_it() -> None:
    calls, _ = kubectl(listed(NAMESPACE, FIT), listed(changed(FIT, replicas=3), CONFIG), listed(FIT))
    changes = changes_of(calls, [FIT, CONFIG])
    assert moved(calls, replace(plan(), changes=changes, objects=(FIT, CONFIG))) == ()


def test_what_moved_is_named() -> None:
    calls, _ = kubectl(
        listed(NAMESPACE, FIT, OLD), listed(FIT, CONFIG), listed(changed(FIT, replicas=9), CONFIG), listed(NAMESPACE)
    )
    changes = changes_of(calls, [FIT, CONFIG], [OLD])
    told = moved(calls, replace(plan(), changes=changes, objects=(FIT, CONFIG)))
    assert told == (
        "Deployment stage-2-fit was changed",
        "ConfigMap kafka is there now",
        "Deployment stage-3-old is gone",
    )


def configuration(**cluster: str) -> str:
    return json.dumps({"clusters": [{"name": "x", "cluster": cluster}], "users": [{"user": {"token": "hunter2"}}]})


def test_clusters_are_told_apart_without_asking_them() -> None:
    one = {"server": "https://10.0.0.1:6443", "certificate-authority-data": "AAAA"}
    others = (one | {"server": "https://10.0.0.2:6443"}, one | {"certificate-authority-data": "BBBB"})
    calls, runner = kubectl(configuration(**one), configuration(**one), *(configuration(**each) for each in others))
    first, again, *rest = (cluster_id(calls) for _ in range(4))
    assert first == again
    assert len({first, *rest}) == 3
    assert all("config view" in line for line in runner.lines)
