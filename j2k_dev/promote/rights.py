"""What the user has to be allowed to do on the cluster, and whether the cluster allows it (SelfSubjectAccessReview)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from j2k_dev.deploy.kubectl import documents
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.promote.look import CLUSTER_WIDE, key_of
from j2k_dev.promote.model import Right

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from j2k_dev.deploy.kubectl import Kubectl
    from j2k_dev.promote.model import Change, Object

_PLURALS = {"NetworkPolicy": "networkpolicies", "StorageClass": "storageclasses"}
# What later releases may have less of.
_PRUNED = ("Deployment", "Service", "PodDisruptionBudget")
# The courier, and looking at pods while they start.
_PODS = ("get", "list", "watch", "create", "patch", "delete")
# Release records, which are made once, and say later what became of the release.
_RECORDS = ("get", "list", "create", "update", "patch", "delete")


def rights_of(
    kubectl: Kubectl, objects: Sequence[Object], namespace: str, changes: Sequence[Change] = ()
) -> tuple[Right, ...]:
    """Ask the cluster for every right that promoting needs, all in one call.

    Of what belongs to the whole cluster, only what ``changes`` says is made or changed has to be allowed: what is
    there as it should be is looked at only.
    """
    wanted = list(dict.fromkeys(_needed(objects, namespace, changes)))
    reviews = {"apiVersion": "v1", "kind": "List", "items": [_review(right) for right in wanted]}
    told = kubectl.call("create", "--filename", "-", "--output", "json", stdin=json.dumps(reviews))
    answers = [item for document in documents(told)[0] for item in document.get("items", [document])]
    if len(answers) != len(wanted):
        raise MachineryFailed(
            "the cluster did not answer what this user may do", "kubectl auth can-i --list shows it", detail=told
        )
    return tuple(
        replace(right, allowed=bool(answer.get("status", {}).get("allowed")))
        for right, answer in zip(wanted, answers, strict=True)
    )


def resource_of(kind: str) -> str:
    """Name the resource of a kind (``networkpolicies``)."""
    return _PLURALS.get(kind, f"{kind.lower()}s")


def _needed(objects: Iterable[Object], namespace: str, changes: Iterable[Change]) -> Iterator[Right]:
    actions = {(change.kind, change.name): change.action for change in changes}
    for each in objects:
        key, group = key_of(each), each["apiVersion"].rpartition("/")[0]
        resource = resource_of(key.kind)
        if key.kind in CLUSTER_WIDE:
            verbs = _VERBS.get(actions.get((key.kind, key.name), "create"), ("patch",))
            # A namespace is in itself, as far as rights are concerned: a Role in it may be about it.
            place = key.name if key.kind == "Namespace" else ""
            yield from (Right(verb, resource, group, place, key.name) for verb in ("get", *verbs))
        else:
            verbs = ("get", "create", "patch", *(("delete",) if key.kind in _PRUNED else ()))
            yield from (Right(verb, resource, group, key.namespace or namespace) for verb in verbs)
    yield from (Right(verb, "pods", "", namespace) for verb in _PODS)
    yield from (Right("create", "pods/exec", "", namespace), Right("get", "pods/log", "", namespace))
    yield from (Right(verb, "configmaps", "", namespace) for verb in _RECORDS)


_VERBS = {"same": (), "create": ("create", "patch")}


def _review(right: Right) -> Object:
    resource, _, subresource = right.resource.partition("/")
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "namespace": right.namespace,
        "name": right.name,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {name: value for name, value in attributes.items() if value}},
    }
