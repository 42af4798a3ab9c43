"""From a notebook to the twin of a cloud and back, with the commands that a person types and the rights that they have.

The tests go on from one another: releases are made one after the other, as on any cluster.
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from j2k_dev.deploy.kubectl import Cluster, Kubectl
from j2k_dev.engine.support import cache_folder
from j2k_dev.evidence import record
from j2k_dev.evidence.keys import signing_key
from j2k_dev.sandbox.commands import SystemRunner
from j2k_dev.sandbox.model import Sandbox
from j2k_dev.sandbox.state import read_state
from tests.cluster.handle import Handle
from tests.cluster.promoting import FIT, NAMESPACE, REPORT, SECONDS, Promoting, line_to
from tests.e2e.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

    from j2k_dev.sandbox.model import Images
    from tests.e2e.desk import Told

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

REQUIRED = ("kill-stage-2", "delete-pod-stage-2", "restart-broker")
REASON = ("--without-evidence", "a test of something else")
MORE = {"report": {"memory": "600Mi", "cpu": "500m"}}
FITTED = f"{FIT}\nprint('fitted')"
STAGES = ["stage-1-load", "stage-2-fit", "stage-3-report"]


@pytest.fixture(scope="module")
def cloud(engine: DockerClient, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Promoting]:
    """A folder with a notebook, and a twin whose administrator has granted what it needs; both go at the end."""
    folder = tmp_path_factory.mktemp("promoted")
    desk = Desk(folder, cache_folder(), {"J2K_ENGINE": "auto", "DOCKER_CONFIG": ""})
    (folder / "weather.csv").write_text("\n".join(f"d{day},{(day * 37 % 100) / 7}" for day in range(200)))
    sandboxes = [Handle(Sandbox(folder / ".j2k", name), images, engine) for name in ("", "twin")]
    try:
        told = ended(desk, "sandbox", "up", "--name", "twin", "--cloud", "--for", "weather.ipynb", "--json")
        assert told.code == 0, told.all
        desk.variables["DOCKER_CONFIG"] = told.json["cloud"]["docker_config"]
        cluster = (told.json["cloud"]["admin_context"], Path(told.json["cloud"]["admin_kubeconfig"]))
        admin = Kubectl(Cluster(*cluster, str(images.kubectl)), SystemRunner())
        promoting = Promoting(desk, told.json["context"], admin)
        promoting.notebook()
        with promoting.other_target(replicas=2):
            yield promoting
    finally:
        for sandbox in sandboxes:
            sandbox.down()


def ended(desk: Desk, *arguments: str) -> Told:
    return Promoting(desk, "", None).end(desk.start(*arguments))  # type: ignore[arg-type]  # it asks no cluster


def refused(told: Told, *words: str) -> None:
    """It was refused, in these words, and with a way out."""
    assert told.code == 4, told.all
    error = told.json["error"]
    for word in words:
        assert word in error["message"], error
    assert error["way_out"]


# --- the three commands -----------------------------------------------------------------------------------------------


def test_the_three_commands_of_the_readme_bring_a_notebook_to_the_cloud(cloud: Promoting) -> None:
    told = ended(cloud.desk, "up", "weather.ipynb", "--json")
    assert told.json["verdict"] == "equal", told.all
    assert told.json["engine"] == "kind"
    refused(cloud.promote("--yes"), *(f"{name} was never run" for name in REQUIRED))
    told = ended(cloud.desk, "scenario", *REQUIRED, "--json")
    assert {each["verdict"] for each in told.json["scenarios"]} <= {"survived", "survived late"}, told.all
    told = cloud.promote("--yes")
    assert told.code == 0, told.all
    assert told.json["verdict"] == "equal"
    assert "B sent to localhost:" in told.all
    (release,) = cloud.releases()
    assert (release.number, release.state, release.run) == (1, "live", told.json["release"]["run"])
    assert release.by.startswith("scientist (")
    assert {proof.scenario for proof in release.proofs} == {"verify", *REQUIRED}
    assert all(entry["signature"] for entry in release.evidence)
    assert list(cloud.pods()) == STAGES
    results = Path(told.json["results"])
    assert (results / "files" / "report.txt").read_text() == "7.071"
    assert "cell-finished" in (results / "logs" / "fit.log").read_text()


def test_the_record_is_read_with_kubectl_alone(cloud: Promoting) -> None:
    (found,) = cloud.admin.get("configmaps", NAMESPACE, "j2k.dev/record=release,j2k.dev/state=live")
    assert found["data"]["by"].startswith("scientist (")
    assert json.loads(found["data"]["release.json"])["of"]["notebook"]
    assert json.loads(found["data"]["evidence.json"])[0]["signature"]
    told = cloud.promote("--history")
    assert [(each["number"], each["state"]) for each in told.json["releases"]] == [(1, "live")]


def test_with_nothing_changed_nothing_is_applied(cloud: Promoting) -> None:
    before = cloud.resource_versions()
    told = cloud.promote("--yes")
    assert told.code == 0, told.all
    assert told.json["unchanged"]
    assert "applying" not in told.all
    assert cloud.resource_versions() == before
    assert len(cloud.releases()) == 1


def test_the_sandbox_itself_is_no_cloud(cloud: Promoting) -> None:
    state = read_state(Sandbox(cloud.desk.folder / ".j2k"))
    assert state is not None
    target = {**cloud.target, "context": state.context, "kubeconfig": state.kubeconfig}
    (cloud.desk.folder / "targets" / "here.json").write_text(json.dumps(target))
    told = ended(
        cloud.desk, "promote", "--context", state.context, "--target", "targets/here.json", "--plan", "--json"
    )  # fmt: skip
    refused(told, "is the sandbox", "that is where things are proven")


# --- what is refused before anything is done --------------------------------------------------------------------------


def test_a_field_that_somebody_changed_is_shown_and_kept(cloud: Promoting) -> None:
    cloud.patch("deployment/stage-2-fit", {"spec": {"replicas": 1}})
    refused(cloud.promote("--yes"), "Deployment stage-2-fit: spec.replicas is 1 by somebody, and would be 2")
    (found,) = cloud.admin.find(NAMESPACE, "deployment/stage-2-fit")
    assert found["spec"]["replicas"] == 1
    cloud.patch("deployment/stage-2-fit", {"spec": {"replicas": 2}})
    assert cloud.promote("--plan").code == 0, "the same value is nobody's alone"


@pytest.mark.parametrize("file", ["manifests/base/stage-2-fit.yaml", "manifests/base/network.yaml"])
def test_manifests_that_were_edited_after_the_evidence_are_refused(cloud: Promoting, file: str) -> None:
    path = cloud.desk.folder / ".j2k" / file
    before = path.read_text()
    path.write_text(before.replace("j2k.dev/pipeline: weather", "j2k.dev/pipeline: weather\n    edited: by-hand", 1))
    refused(cloud.promote("--yes"), "not promoted, because it is not proven", "manifests changed")
    path.write_text(before)


def test_an_image_that_was_exchanged_after_the_evidence_is_refused(cloud: Promoting) -> None:
    path = cloud.desk.folder / ".j2k" / "manifests" / "base" / "stage-2-fit.yaml"
    before = path.read_text()
    digest = before.partition("@sha256:")[2][:64]
    path.write_text(before.replace(digest, digest[::-1]))
    refused(cloud.promote("--yes"), "image of fit changed")
    path.write_text(before)


def test_a_notebook_that_was_edited_after_the_evidence_is_refused(cloud: Promoting) -> None:
    cloud.notebook(report=REPORT + "  # more")
    refused(cloud.promote("--yes"), "changed since the run that is promoted")
    cloud.notebook()


def test_evidence_that_is_too_old_is_refused(cloud: Promoting) -> None:
    root, key = cloud.desk.folder / ".j2k", signing_key()
    before = (root / record.EVIDENCE).read_text()
    entry = record.read(root).find("weather.ipynb", REQUIRED[0], "kind")
    assert entry is not None
    record.add(root, replace(entry, started=time.time() - 40 * 86400), key)
    refused(cloud.promote("--yes"), f"{REQUIRED[0]} is 40 days old, and 30 are allowed")
    (root / record.EVIDENCE).write_text(before)


def test_evidence_that_was_edited_is_refused(cloud: Promoting) -> None:
    path = cloud.desk.folder / ".j2k" / record.EVIDENCE
    before = path.read_text()
    path.write_text(before.replace('"verdict":"survived"', '"verdict":"survived late"', 1))
    refused(cloud.promote("--yes"), "does not count: its signature does not fit")
    path.write_text(before)


def test_a_registry_that_knows_nobody_of_that_name_says_how_to_log_in(cloud: Promoting, tmp_path: Path) -> None:
    host = cloud.target["registry"]["push"].partition("/")[0]
    login = base64.b64encode(b"scientist:wrong").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": login}}}))
    variables = cloud.desk.variables | {"DOCKER_CONFIG": str(tmp_path)}
    told = replace(cloud, desk=replace(cloud.desk, variables=variables)).promote("--yes")
    assert told.code == 5, told.all
    assert told.json["error"]["way_out"] == f"docker login {host}"


def test_a_class_that_there_is_not_is_told_with_those_there_are(cloud: Promoting) -> None:
    with cloud.other_target(storage={"class": "efs-2", "size": "2Gi"}):
        refused(cloud.promote("--yes"), "there is no StorageClass efs-2 (there are: ebs, efs")


def test_a_quota_that_would_be_exceeded_is_told_before_anything_is_applied(cloud: Promoting) -> None:
    with cloud.other_target(resources={"fit": {"memory": "64Gi", "cpu": "1"}}):
        refused(cloud.promote("--yes"), "the quota j2k allows")


def test_rights_that_are_missing_are_told_all_at_once(cloud: Promoting) -> None:
    (binding,) = cloud.admin.find(NAMESPACE, "rolebinding/j2k-promote")
    cloud.admin.call("delete", "rolebinding", "j2k-promote", "--namespace", NAMESPACE)
    told = cloud.promote("--yes")
    cloud.admin.call("create", "--filename", "-", stdin=json.dumps(bare(binding)))
    refused(told, "this user may not")
    for right in ("create deployments", "create pods/exec", "create configmaps"):
        assert right in told.json["error"]["message"]
    assert "docs/admin.md" in told.json["error"]["way_out"]


def bare(each: dict[str, object]) -> dict[str, object]:
    metadata = each["metadata"]
    assert isinstance(metadata, dict)
    kept = {name: metadata[name] for name in ("name", "namespace", "labels") if name in metadata}
    return {**each, "metadata": kept}


def test_a_tree_for_gitops_is_one_that_kubectl_takes(cloud: Promoting) -> None:
    told = cloud.promote("--output", "deploy/prod")
    assert told.code == 0, told.all
    overlay = Path(told.json["output"])
    said = cloud.admin.call("apply", "--server-side", "--dry-run=server", "--force-conflicts", "-k", str(overlay))
    assert "deployment.apps/stage-2-fit serverside-applied" in said
    base = cloud.desk.folder / ".j2k" / "manifests" / "base"
    copied = overlay.parent.parent / "base"
    assert {path.name: path.read_bytes() for path in base.iterdir()} == {
        path.name: path.read_bytes() for path in copied.iterdir()
    }


# --- releases after the first -----------------------------------------------------------------------------------------


@pytest.mark.pipeline
@pytest.mark.together
def test_a_plan_is_applied_only_while_the_cluster_is_as_it_was(cloud: Promoting) -> None:
    with cloud.other_target(resources=MORE):
        assert cloud.promote("--plan").code == 0
        cloud.patch("configmap/kafka", {"data": {"EXTRA": "x"}})
        refused(cloud.promote("--yes"), "the cluster moved since the plan was made: ConfigMap kafka was changed")
        cloud.patch("configmap/kafka", {"data": {"EXTRA": None}})
        before = cloud.pods()
        told = cloud.promote("--yes")
    assert told.code == 0, told.all
    after = cloud.pods()
    assert [stage for stage in STAGES if before[stage] & after[stage]] == STAGES[:2], "only one stage rolled"
    assert cloud.states() == ["superseded", "live"]


@pytest.mark.pipeline
@pytest.mark.together
def test_one_changed_cell_rolls_its_stage_alone(cloud: Promoting) -> None:
    cloud.notebook(fit=FITTED)
    told = ended(cloud.desk, "up", "weather.ipynb", "--json")
    assert told.json["verdict"] == "equal", told.all
    refused(cloud.promote("--yes"), "is stale")
    before = cloud.pods()
    with cloud.other_target(resources=MORE):
        told = cloud.promote("--yes", *REASON)
    assert told.code == 0, told.all
    after = cloud.pods()
    assert [stage for stage in STAGES if before[stage] != after[stage]] == ["stage-2-fit"]
    assert not before["stage-2-fit"] & after["stage-2-fit"]
    latest = cloud.releases()[-1]
    assert (latest.number, latest.state, latest.without_evidence) == (3, "live", REASON[1])
    (namespace,) = cloud.admin.find(NAMESPACE, f"namespace/{NAMESPACE}")
    assert namespace["metadata"]["annotations"]["j2k.dev/without-evidence"] == REASON[1]


@pytest.mark.pipeline
@pytest.mark.together
def test_going_back_by_hand_applies_what_was_before_as_a_new_release(cloud: Promoting) -> None:
    told = cloud.promote("--rollback", "--yes")
    assert told.code == 0, told.all
    assert cloud.states() == ["superseded", "superseded", "superseded", "live"]
    releases = cloud.releases()
    assert releases[3].digest == releases[1].digest
    assert "no smoke run" in told.all, "the notebook here is a later one"
    told = cloud.promote("--rollback", "--yes")
    assert told.json["verdict"] == "equal", told.all
    assert cloud.releases()[4].digest == releases[2].digest, "back to where it was"


@pytest.mark.pipeline
@pytest.mark.together
def test_wrong_logins_of_the_broker_are_told_and_no_worker_is_touched(cloud: Promoting) -> None:
    (secret,) = cloud.admin.find(NAMESPACE, "secret/kafka-login")
    wrong = base64.b64encode(b"wrong").decode()
    cloud.patch("secret/kafka-login", {"data": {"KAFKA_SASL_PASSWORD": wrong}})
    before = cloud.pods()
    with cloud.other_target(resources={"fit": {"memory": "500Mi", "cpu": "500m"}}):
        told = cloud.promote("--yes", *REASON)
    cloud.patch("secret/kafka-login", {"data": {"KAFKA_SASL_PASSWORD": secret["data"]["KAFKA_SASL_PASSWORD"]}})
    assert told.code == 5, told.all
    assert "release 6 failed, release 5 is in use again" in told.json["error"]["message"]
    assert cloud.pods() == before
    assert cloud.states()[-2:] == ["live", "failed"]


@pytest.mark.pipeline
@pytest.mark.together
def test_a_smoke_run_with_other_results_brings_the_release_before_back(cloud: Promoting) -> None:
    """What the cells look at is there on the twin only: the certificates that its broker is known by."""
    cloud.notebook(report="# j2k: stage report\nprint(pathlib.Path('/etc/j2k/kafka/ca.pem').exists())")
    told = ended(cloud.desk, "up", "weather.ipynb", "--json")
    assert told.json["verdict"] == "equal", told.all
    told = cloud.promote("--yes", *REASON)
    assert told.code == 3, told.all
    assert "release 7 failed, release 5 is in use again" in told.json["error"]["message"]
    assert cloud.states()[-3:] == ["live", "failed", "failed"]
    (found,) = cloud.admin.find(NAMESPACE, "deployment/stage-3-report")
    image = found["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image in json.dumps(cloud.releases()[4].objects)
    cloud.notebook(fit=FITTED)
    told = ended(cloud.desk, "run", "weather.ipynb", "--engine", "kind", "--fresh", "--json")
    assert told.json["verdict"] == "equal", "known already, and so deployed again only where that is said"


@pytest.mark.pipeline
@pytest.mark.together
def test_a_promotion_that_was_killed_goes_on_with_the_same_command(cloud: Promoting) -> None:
    number = len(cloud.releases()) + 1
    with cloud.other_target(resources={"fit": {"memory": "500Mi", "cpu": "500m"}}):
        process = cloud.start("--yes", *REASON)
        cloud.until(process, "applying workers")
        process.kill()
        process.communicate(timeout=SECONDS)
        assert cloud.states()[-1] in ("applying", "testing")
        told = cloud.promote("--yes", *REASON)
    assert told.code == 0, told.all
    assert f"going on with release {number}" in told.all
    assert (len(cloud.releases()), cloud.states()[-1], cloud.states().count("live")) == (number, "live", 1)


@pytest.mark.pipeline
@pytest.mark.together
def test_an_api_server_that_goes_away_is_told_and_the_same_command_goes_on(cloud: Promoting, tmp_path: Path) -> None:
    own, number = Path(cloud.target["kubeconfig"]), len(cloud.releases()) + 1
    copy, more = tmp_path / "kubeconfig", {"load": {"memory": "500Mi", "cpu": "500m"}}
    with line_to(own, copy) as line, cloud.other_target(kubeconfig=str(copy), resources=more):
        process = cloud.start("--yes", *REASON)
        cloud.until(process, "applying namespace")
        line.cut()
        told = cloud.end(process)
        assert told.code == 5, told.all
        assert "run the same command again" in told.json["error"]["way_out"]
        assert cloud.states()[-1] == "applying"
        line.mend()
        told = cloud.promote("--yes", *REASON)
        assert told.code == 0, told.all
    assert (len(cloud.releases()), cloud.states()[-1]) == (number, "live")


@pytest.mark.pipeline
@pytest.mark.together
def test_pods_that_can_t_start_bring_the_release_before_back(cloud: Promoting) -> None:
    cloud.patch("secret/registry-login", {"data": {".dockerconfigjson": base64.b64encode(b"{}").decode()}})
    cloud.notebook(fit=FIT.replace("3))", "4))"), report=REPORT)
    assert ended(cloud.desk, "up", "weather.ipynb", "--json").json["verdict"] == "equal"
    told = cloud.promote("--yes", *REASON)
    assert told.code == 5, told.all
    assert "can't be pulled" in told.json["error"]["message"]
    assert "is in use again" in told.json["error"]["message"]
    assert cloud.states()[-1] == "failed"
    assert all(cloud.pods()[stage] for stage in STAGES)
