"""Release records on the cluster: reading them, claiming a release, and saying what becomes of it.

Making the ConfigMap is what makes a release one's own: of two who promote at once, one is told of the other.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from j2k_dev.model.errors import MachineryFailed, Refused
from j2k_dev.promote.model import Release
from j2k_dev.promote.release import (
    WITHOUT_EVIDENCE,
    data,
    goes_on,
    labels,
    may_take_over,
    moment,
    read_records,
    record_name,
    selector,
    to_config_map,
    unfinished,
)

if TYPE_CHECKING:
    from j2k_dev.actions.promotion.context import Promotion
    from j2k_dev.deploy.kubectl import Kubectl
    from j2k_dev.promote.model import Object, State

# Who manages the fields of records, and of the namespace's annotation: what is promoted is another manager's.
MANAGER = "j2k-release"
_NO_NAMESPACE = re.compile(r'\(NotFound\).*namespaces "')


def read_releases(calls: Kubectl, namespace: str, pipeline: str) -> tuple[list[Object], tuple[Release, ...]]:
    """Read the records of a pipeline, as they are and as releases, the earliest first."""
    try:
        found = calls.get("configmaps", namespace, selector(pipeline))
    except MachineryFailed as error:
        if "(Forbidden)" in error.detail:  # the rights say so, with everything else
            return [], ()
        raise
    return found, read_records(found)


class Claim:
    """Makes the release this command's own, before anything of it is on the cluster."""

    def execute(self, promotion: Promotion) -> Promotion:
        """Begin the release of the plan, or go on with it; raise Refused where somebody else promotes."""
        calls, namespace = promotion.to.calls, promotion.to.namespace
        _, releases = read_releases(calls, namespace, promotion.to.pipeline)
        begun = unfinished(releases)
        if begun is not None:
            if not goes_on(begun, promotion.by, str(promotion.workspace.root)):
                _refuse_unless_taken_over(promotion, begun)
            if begun.digest == promotion.decided.digest:
                promotion.ui.note(f"going on with release {begun.number}, which was cut off")
                claimed = replace(_release(promotion), number=begun.number, previous=begun.previous)
                return replace(promotion, releases=releases, release=update(calls, namespace, claimed))
            update(calls, namespace, replace(begun, state="failed", reason="it was cut off, and another one begun"))
        return replace(promotion, releases=releases, release=_created(promotion))


def _refuse_unless_taken_over(promotion: Promotion, begun: Release) -> None:
    """Leave a release to whoever promotes it; take it over where that was asked for, and nothing is done for it."""
    told = f"release {begun.number} is being promoted by {begun.by} since {moment(begun.at)}"
    if not may_take_over(begun, time.time()):
        raise Refused(
            told, "wait until that ends; --take-over goes on in its place once nothing was done for 10 minutes"
        )
    if not promotion.options.take_over:
        raise Refused(f"{told}, and nothing was done since {moment(begun.touched)}", "if it is dead: --take-over")
    promotion.ui.note(f"{told}: taken over")


def _release(promotion: Promotion) -> Release:
    plan, now = promotion.decided, time.time()
    return Release(
        plan.release, plan.pipeline, plan.notebook, "applying", promotion.by, now, plan.digest, dict(plan.of),
        plan.proofs, plan.without_evidence, plan.previous, workspace=str(promotion.workspace.root), touched=now,
        entrypoint=promotion.entrypoint, evidence=promotion.evidence, objects=plan.objects,
    )  # fmt: skip


def _created(promotion: Promotion) -> Release:
    release, to = _release(promotion), promotion.to
    record = json.dumps(to_config_map(release, to.namespace))
    try:
        _create(to.calls, record)
    except MachineryFailed as error:
        if "(AlreadyExists)" in error.detail:
            raise _begun_by_another(promotion, release) from error
        if not _NO_NAMESPACE.search(error.detail):
            raise
        to.calls.apply_objects([each for each in release.objects if each["kind"] == "Namespace"])
        _create(to.calls, record)
    return release


def _create(calls: Kubectl, record: str) -> None:
    calls.call("create", "--filename", "-", "--field-manager", MANAGER, stdin=record)


def _begun_by_another(promotion: Promotion, release: Release) -> Refused:
    _, releases = read_releases(promotion.to.calls, promotion.to.namespace, promotion.to.pipeline)
    other = next((each for each in releases if each.number == release.number), None)
    told = f"release {release.number} was begun{f' by {other.by}' if other else ''} just now"
    return Refused(told, "j2k promote --history shows it; then run the same command again")


def update(calls: Kubectl, namespace: str, release: Release) -> Release:
    """Write down what has become of a release; its objects stay as they were recorded."""
    touched = replace(release, touched=time.time())
    change = {"metadata": {"labels": labels(touched)}, "data": data(touched)}
    place = ("--namespace", namespace, "--field-manager", MANAGER)
    calls.call("patch", "configmap", record_name(release.number), *place, "--type=merge", "--patch", json.dumps(change))
    return touched


def advanced(promotion: Promotion, state: State, **told: str) -> Promotion:
    """Write down how far the release is."""
    release = replace(promotion.begun, state=state, **told)  # type: ignore[arg-type]  # texts all
    return replace(promotion, release=update(promotion.to.calls, promotion.to.namespace, release))


class GoLive:
    """Makes the release the one that is in use, and the ones before it those that were."""

    def execute(self, promotion: Promotion) -> Promotion:
        """Write it down; then every earlier one that was in use is superseded."""
        told = advanced(promotion, "live")
        to = told.to
        for each in told.releases:
            if each.state == "live" and each.number != told.begun.number:
                update(to.calls, to.namespace, replace(each, state="superseded"))
        mark_namespace(told)
        return told


def mark_namespace(promotion: Promotion) -> None:
    """Have the namespace say why what is in it was promoted without evidence, where it was."""
    to, reason = promotion.to, promotion.begun.without_evidence
    change = {"metadata": {"annotations": {WITHOUT_EVIDENCE: reason or None}}}
    place = ("--field-manager", MANAGER, "--type=merge")
    try:
        to.calls.call("patch", "namespace", to.namespace, *place, "--patch", json.dumps(change))
    except MachineryFailed as error:
        if reason:
            promotion.ui.note(f"the reason is in the release record only: {error.message}")
