"""The twin of a cloud, on the real thing: what EFS and EBS do, who gets in, and what the user may not."""

from __future__ import annotations

import gc
import json
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from j2k_dev.deploy.kubectl import Cluster, Kubectl
from j2k_dev.engine.workspace import open_workspace
from j2k_dev.model.errors import BadInput, MachineryFailed
from j2k_dev.sandbox.cloud.admin import prepare
from j2k_dev.sandbox.cloud.files import Login, provide_logins
from j2k_dev.sandbox.cloud.kafka import client_settings
from j2k_dev.sandbox.cloud.model import Cloud
from j2k_dev.sandbox.commands import SystemRunner
from j2k_dev.sandbox.down import take_down
from j2k_dev.sandbox.inventory import look
from j2k_dev.sandbox.kafka import commit_transaction
from j2k_dev.sandbox.model import Sandbox
from j2k_dev.sandbox.status import sandbox_status
from j2k_dev.sandbox.up import bring_up
from j2k_dev.sandbox.waiting import wait_until
from tests.cluster.handle import Said
from tests.cluster.python_image import make_python_image
from tests.cluster.twin_objects import (
    NAMESPACE,
    Object,
    claim,
    claimed,
    ephemeral,
    pod,
    static_volume,
    storage_class,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

    from j2k_dev.sandbox.model import CloudState, Images, SandboxState

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(600),
    # A client of Kafka whose login is refused leaves its connection to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning"),
]

SECONDS = 120


@dataclass(frozen=True)
class Twin:
    """A twin that is up, in the hands of its user and of its administrator."""

    sandbox: Sandbox
    state: SandboxState
    cloud: CloudState
    image: str
    user: Kubectl
    admin: Kubectl
    client: DockerClient

    @property
    def names(self) -> Cloud:
        return Cloud(self.sandbox)

    def refused(self, *words: str, stdin: str | None = None) -> str:
        """Call as the user, expect a refusal, and return it."""
        with pytest.raises(MachineryFailed) as refusal:
            self.user.call(*words, stdin=stdin)
        return refusal.value.detail

    def start(self, *objects: Object) -> None:
        self.user.apply_objects(objects)

    def said(self, name: str) -> str:
        """Wait until a pod has ended well, and return what it said; tell why where it did not."""

        def ended() -> bool:
            (found,) = self.user.find(NAMESPACE, f"pod/{name}")
            if found["status"]["phase"] == "Failed":
                raise MachineryFailed(f"{name} failed: {self.user.call('logs', name, '--namespace', NAMESPACE)}")
            return bool(found["status"]["phase"] == "Succeeded")

        def late() -> MachineryFailed:
            events = [
                each["message"] for each in self.user.get("events", NAMESPACE) if each["involvedObject"]["name"] == name
            ]
            return MachineryFailed(f"{name} did not end within {SECONDS} seconds: {events}")

        wait_until(ended, SECONDS, late, threading.Event(), poll=0.3)
        return self.user.call("logs", name, "--namespace", NAMESPACE).strip()

    def wait(self, what: str, condition: str) -> None:
        self.user.call(
            "wait", what, "--namespace", NAMESPACE, f"--for={condition}", f"--timeout={SECONDS}s", timeout=SECONDS + 10
        )

    def told_of(self, name: str, words: str) -> str:
        """Wait until an event of an object says these words, and return it."""
        found: list[str] = []

        def told() -> bool:
            events = self.user.get("events", NAMESPACE)
            found[:] = [each["message"] for each in events if each["involvedObject"]["name"] == name]
            return any(words in message for message in found)

        wait_until(
            told, SECONDS, lambda: MachineryFailed(f"no event of {name} says {words}: {found}"), threading.Event()
        )
        return next(message for message in found if words in message)


@pytest.fixture(scope="module")
def twin(engine: DockerClient, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    workspace = open_workspace(folder := tmp_path_factory.mktemp("twin"), folder)
    sandbox = Sandbox(workspace.root, "twin")
    try:
        state = bring_up(sandbox, images, None, engine, SystemRunner(), Said(), cloud=True)
        state = prepare(Cloud(sandbox), state, {"weather": NAMESPACE}, images.kubectl, SystemRunner())
        yield twin_of(sandbox, state, images, engine)
    finally:
        take_down(sandbox, engine, Said())
        gc.collect()


def twin_of(sandbox: Sandbox, state: SandboxState, images: Images, engine: DockerClient) -> Twin:
    cloud = state.cloud
    assert cloud is not None
    user = Cluster(state.context, Path(state.kubeconfig), str(images.kubectl))
    admin = Cluster(cloud.admin_context, Path(cloud.admin_kubeconfig), str(images.kubectl))
    make_python_image(engine, "j2k.local/test-twin-python")
    image = push(engine, state, cloud, "j2k.local/test-twin-python:latest")
    return Twin(sandbox, state, cloud, image, Kubectl(user, SystemRunner()), Kubectl(admin, SystemRunner()), engine)


def push(engine: DockerClient, state: SandboxState, cloud: CloudState, name: str) -> str:
    """Push an image of this engine to the twin's registry as its user; return what the cluster calls it."""
    login = provide_logins(Path(cloud.logins)).registry
    reference = f"{state.registry}/python"
    engine.images.get(name).tag(reference, "1")
    try:
        account = {"username": login.user, "password": login.password}
        told = engine.images.push(reference, "1", stream=True, decode=True, auth_config=account)
        assert [line["error"] for line in told if "error" in line] == []
    finally:
        engine.images.remove(f"{reference}:1")
    return f"{cloud.registry}/python:1"


# --- storage ----------------------------------------------------------------------------------------------------------

WRITES = """
import os, pathlib, time
mine = pathlib.Path("/data/mine")
mine.write_text("written in " + os.environ["ZONE"])
os.mkdir("/data/folder")
print(os.getuid(), mine.stat().st_uid, mine.stat().st_gid)
for path in (mine, "/data/folder"):
    for owner in ((os.getuid(), os.getgid()), (65532, -1)):
        try:
            os.chown(path, *owner)
        except PermissionError as error:
            print(error.strerror)
try:
    os.setxattr(mine, "user.x", b"1")
except OSError as error:
    print(error.strerror)
while not os.path.exists("/data/read"):
    time.sleep(0.1)
print(pathlib.Path("/data/read").read_text())
"""
READS = """
import fcntl, mmap, os, pathlib, time
while not os.path.exists("/data/mine"):
    time.sleep(0.1)
with open("/data/mine", "r+") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    seen = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)[:].decode()
print(seen, os.getuid(), os.stat("/data/mine").st_uid)
os.symlink("mine", "/data/link"); os.link("/data/mine", "/data/hard"); os.rename("/data/hard", "/data/moved")
pathlib.Path("/data/new").write_text(seen + " and read in " + os.environ["ZONE"])
os.rename("/data/new", "/data/read")
"""


def in_zone(zone: str) -> dict[str, Any]:
    return {"zone": zone, "env": [{"name": "ZONE", "value": zone}]}


def test_a_volume_of_efs_is_written_on_all_nodes_at_once_as_one_user_whom_chown_is_refused(twin: Twin) -> None:
    volume = claimed("shared")
    twin.start(
        claim("shared", "efs", "ReadWriteMany"),
        pod("writes", twin.image, WRITES, volume=volume, user=1234, **in_zone("a")),
        pod("reads", twin.image, READS, volume=volume, user=4321, **in_zone("b")),
    )
    refusals = ["Operation not permitted"] * 4
    told = ["1234 65532 65532", *refusals, "Operation not supported", "written in a and read in b"]
    assert twin.said("writes").splitlines() == told
    assert twin.said("reads") == "written in a 4321 65532"


def test_a_volume_that_was_made_by_hand_is_an_access_point_of_efs(twin: Twin) -> None:
    twin.admin.apply_objects([static_volume("by-hand", f"{twin.cloud.file_system}::{twin.cloud.access_point}")])
    script = "import os; open('/data/x', 'w').close(); print(os.stat('/data/x').st_uid)"
    twin.start(
        claim("by-hand", "", "ReadWriteMany", "by-hand"),
        pod("by-hand", twin.image, script, volume=claimed("by-hand"), user=1234),
    )
    assert twin.said("by-hand") == "65532"


def test_a_volume_of_ebs_is_in_the_zone_of_its_first_pod_and_no_other_gets_it(twin: Twin) -> None:
    script = "import os; open('/data/x', 'w').close(); print(sorted(os.listdir('/data')), os.stat('/data').st_gid)"
    twin.start(
        claim("disk", "ebs", "ReadWriteOnce"),
        pod("in-b", twin.image, script, volume=claimed("disk"), user=1234, zone="b"),
    )
    assert twin.said("in-b") == "['lost+found', 'x'] 1234"
    (bound,) = twin.user.find(NAMESPACE, "persistentvolumeclaim/disk")
    (volume,) = twin.admin.find("default", f"persistentvolume/{bound['spec']['volumeName']}")
    (term,) = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["b"]}]
    twin.start(pod("in-a", twin.image, script, volume=claimed("disk"), zone="a"))
    assert "PersistentVolume's node affinity" in twin.told_of("in-a", "nodes are available")


def test_scratch_of_ebs_comes_and_goes_with_its_pod(twin: Twin) -> None:
    script = "open('/data/scratch', 'w').write('x' * 1000); print('written')"
    twin.start(pod("scratch", twin.image, script, volume=ephemeral("ebs")))
    assert twin.said("scratch") == "written"
    twin.wait("persistentvolumeclaim/scratch-data", "jsonpath={.status.phase}=Bound")
    twin.user.call("delete", "pod", "scratch", "--namespace", NAMESPACE)
    twin.wait("persistentvolumeclaim/scratch-data", "delete")


EFS = {"provisioningMode": "efs-ap", "directoryPerms": "700"}
REFUSED = {
    "no-such-file-system": ("efs.csi.aws.com", {**EFS, "fileSystemId": "fs-0123456789abcdef0"}, "does not exist"),
    "no-file-system": ("efs.csi.aws.com", EFS, "Missing fileSystemId parameter"),
    "no-mode": ("efs.csi.aws.com", {"fileSystemId": "fs-1"}, "Missing provisioningMode parameter"),
    "no-such-type": ("ebs.csi.aws.com", {"type": "gp9"}, 'invalid AWS VolumeType "gp9"'),
    "too-few-iops": ("ebs.csi.aws.com", {"type": "gp3", "iops": "100"}, "too low; minimum is 3000"),
    "gp2-iops": ("ebs.csi.aws.com", {"type": "gp2", "iops": "3000"}, "not supported for gp2"),
    "too-fast": ("ebs.csi.aws.com", {"throughput": "9000"}, "9000 MiB/s is not within"),
    "unknown": ("ebs.csi.aws.com", {"colour": "blue"}, "Invalid parameter key colour"),
}


def test_what_the_drivers_refuse_is_refused_as_an_event_of_the_claim(twin: Twin) -> None:
    twin.admin.apply_objects([storage_class(name, driver, given) for name, (driver, given, _told) in REFUSED.items()])
    twin.start(
        *(claim(f"by-{name}", name, "ReadWriteOnce") for name in REFUSED), claim("many", "ebs-now", "ReadWriteMany")
    )
    twin.admin.apply_objects([storage_class("ebs-now", "ebs.csi.aws.com", {"type": "gp3"})])
    for name, (_driver, _given, words) in REFUSED.items():
        twin.told_of(f"by-{name}", words)
    twin.told_of("many", "Only AccessModes[ReadWriteOnce] supported")


# --- who gets in ------------------------------------------------------------------------------------------------------


def test_the_registry_asks_everybody_who_they_are(twin: Twin) -> None:
    address = f"https://{twin.state.registry}/v2/python/manifests/1"
    login = provide_logins(Path(twin.cloud.logins)).registry
    asked = [None, (login.user, "wrong"), (login.user, login.password)]
    headers = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
    answers = [requests.get(address, auth=who, verify=twin.cloud.ca, headers=headers, timeout=10) for who in asked]
    assert [answer.status_code for answer in answers] == [401, 401, 200]
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(address, timeout=10)


def test_nodes_pull_nothing_for_a_pod_without_the_secret(twin: Twin) -> None:
    twin.start(pod("anonymous", twin.image, "print()", secret="", imagePullPolicy="Always"))
    assert "401" in twin.told_of("anonymous", "Failed to pull image")


SENDS = """
import os, kafka
options = dict(
    bootstrap_servers="kafka.j2k-system.svc:9092",
    security_protocol="SASL_SSL",
    sasl_mechanism="SCRAM-SHA-512",
    sasl_plain_username=os.environ["KAFKA_SASL_USERNAME"],
    ssl_cafile="/etc/kafka/ca.pem",
)
producer = kafka.KafkaProducer(sasl_plain_password=os.environ["KAFKA_SASL_PASSWORD"], **options)
producer.send("j2k.ready", b"from a pod").get(30)
try:
    kafka.KafkaProducer(sasl_plain_password="wrong", bootstrap_timeout_ms=3000, **options)
    print("anybody gets in")
except kafka.errors.KafkaError as error:
    print("refused")
"""


def test_pods_reach_the_broker_with_the_secret_and_with_no_other_password(twin: Twin) -> None:
    authority = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kafka-ca", "namespace": NAMESPACE}}
    authority["data"] = {"ca.pem": Path(twin.cloud.ca).read_text()}
    sends = pod(
        "sends",
        twin.image,
        SENDS,
        envFrom=[{"secretRef": {"name": twin.cloud.kafka_secret}}],
        volumeMounts=[{"name": "ca", "mountPath": "/etc/kafka"}],
    )
    sends["spec"]["volumes"].append({"name": "ca", "configMap": {"name": "kafka-ca"}})
    twin.start(authority, sends)
    assert twin.said("sends") == "refused"


def test_this_machine_reaches_the_broker_with_the_right_password_only(twin: Twin) -> None:
    login = provide_logins(Path(twin.cloud.logins)).kafka
    assert commit_transaction(twin.state.kafka, **client_settings(twin.names, login)) == ""
    wrong = client_settings(twin.names, Login(login.user, "wrong"))
    for asked in (wrong, {}):
        assert "Unable to bootstrap" in commit_transaction(twin.state.kafka, bootstrap_timeout_ms=3000, **asked)


# --- what the user may not --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("get", "secrets", "--namespace", "kube-system"),
        ("get", "pods", "--namespace", "default"),
        ("create", "namespace", "another"),
        ("get", "nodes"),
        ("create", "clusterrolebinding", "mine", "--clusterrole=cluster-admin", "--user=scientist"),
        ("delete", "persistentvolumeclaims", "--all", "--namespace", NAMESPACE),
    ],
    ids=" ".join,
)
def test_the_user_may_not(twin: Twin, words: tuple[str, ...]) -> None:
    assert "forbidden" in twin.refused(*words)


@pytest.mark.parametrize(
    "words",
    [
        ("get", "storageclasses"),
        ("get", "csidrivers"),
        ("get", "namespace", NAMESPACE),
        ("get", "events,pods,configmaps", "--namespace", NAMESPACE),
        ("get", "secret", "kafka-login", "--namespace", NAMESPACE),
    ],
    ids=" ".join,
)
def test_the_user_may(twin: Twin, words: tuple[str, ...]) -> None:
    assert twin.user.call(*words)


def test_a_privileged_pod_is_refused(twin: Twin) -> None:
    wanted = pod("privileged", twin.image, "print()", securityContext={"privileged": True})
    refusal = twin.refused("apply", "--server-side", "--filename", "-", stdin=json.dumps(wanted))
    assert 'violates PodSecurity "restricted:latest": privileged' in refusal


def test_more_than_the_quota_has_is_refused(twin: Twin) -> None:
    resources = {"requests": {"cpu": "1m", "memory": "100Gi"}, "limits": {"memory": "100Gi"}}
    wanted = pod("large", twin.image, "print()", resources=resources)
    assert "exceeded quota: j2k" in twin.refused("apply", "--server-side", "--filename", "-", stdin=json.dumps(wanted))


# --- up and down ------------------------------------------------------------------------------------------------------


def again(twin: Twin, images: Images, said: Said | None = None, **asked: Any) -> SandboxState:
    return bring_up(twin.sandbox, images, None, twin.client, SystemRunner(), said or Said(), **asked)


def test_a_twin_that_is_up_says_so_and_stays_one(twin: Twin, images: Images) -> None:
    said = Said()
    told = again(twin, images, said)
    assert said.notes == ["the sandbox is up already"]
    assert told.cloud == twin.state.cloud
    assert told.context == twin.state.context


def test_one_zone_is_refused(twin: Twin, images: Images) -> None:
    with pytest.raises(BadInput, match="2 zones at least"):
        bring_up(twin.sandbox, images, 1, twin.client, SystemRunner(), Said(), cloud=True)


SEES = "import pathlib; print(pathlib.Path('/data/mine').read_text())"


def test_it_comes_back_after_the_machine_was_restarted_with_what_its_volumes_held(twin: Twin, images: Images) -> None:
    for part in look(twin.client, twin.sandbox):
        twin.client.api.kill(part.name)
    told = again(twin, images)
    assert (told.registry, told.kafka, told.cloud) == (twin.state.registry, twin.state.kafka, twin.state.cloud)
    assert sandbox_status(twin.sandbox, twin.client).up
    twin.start(pod("after-restart", twin.image, SEES, volume=claimed("shared"), zone="a"))
    assert twin.said("after-restart") == "written in a"


def test_all_its_files_can_be_lost(twin: Twin, images: Images) -> None:
    shutil.rmtree(twin.sandbox.root)
    shutil.rmtree(twin.sandbox.exchange)
    told = again(twin, images)
    assert (told.context, told.registry, told.cloud) == (twin.state.context, twin.state.registry, twin.state.cloud)
    login = provide_logins(twin.names.logins)
    assert commit_transaction(told.kafka, **client_settings(twin.names, login.kafka)) == ""
    twin.start(pod("after-loss", twin.image, SEES, volume=claimed("shared"), imagePullPolicy="Always", zone="b"))
    assert twin.said("after-loss") == "written in a"


def test_nothing_is_left_after_down(twin: Twin) -> None:
    removed = take_down(twin.sandbox, twin.client, Said())
    assert twin.names.volume in removed.volumes
    assert look(twin.client, twin.sandbox) == ()
    left = [volume.name for volume in twin.client.volumes.list() if twin.sandbox.cluster in str(volume.name)]
    assert left == []
    assert not twin.sandbox.root.exists()
    assert not (twin.sandbox.exchange / twin.sandbox.token).exists()
