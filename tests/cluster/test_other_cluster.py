"""Somebody else's cluster: a sandbox that the code under test knows by its context and a target file, and no more."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from j2k_dev.deploy.kubectl import Cluster, Kubectl
from j2k_dev.engine.support import cache_folder
from j2k_dev.sandbox.commands import SystemRunner
from tests.cluster.trial import SECONDS
from tests.e2e.desk import Desk, Told

if TYPE_CHECKING:
    import subprocess

    from tests.cluster.handle import Handle

pytestmark = [pytest.mark.cluster, pytest.mark.pipeline, pytest.mark.together, pytest.mark.timeout(900)]

NAMESPACE = "j2k-other"
VOLUME = "/var/other"
INPUTS, INPUT_BYTES = 3, 48 << 20
READS = """# j2k: stage reads
import hashlib, pathlib
sums = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(pathlib.Path('.').glob('*.bin'))]"""
WRITES = "# j2k: stage writes\nopen('sums.txt', 'w').write('\\n'.join(sums))\nprint(len(sums))"


@dataclass(frozen=True)
class Elsewhere:
    """The cluster, its node, and a folder with a notebook that runs there."""

    desk: Desk
    kubectl: Kubectl
    node: Any

    def start(self, command: str, *arguments: str) -> subprocess.Popen[str]:
        where = ("--context", self.kubectl.cluster.context, "--json")
        return self.desk.start(command, str(self.notebook), *where, *arguments)

    def run(self, command: str, *arguments: str) -> Told:
        return end(self.start(command, *arguments))

    @property
    def notebook(self) -> Path:
        return self.desk.folder / "other.ipynb"

    def on_volume(self, pattern: str) -> list[str]:
        """Name what the volume has; only the test looks at it so."""
        told = self.node.exec_run(["sh", "-c", f"cd {VOLUME} && ls -d {pattern} 2>/dev/null"]).output.decode()
        return str(told).split()

    def courier(self) -> dict[str, Any] | None:
        found: list[dict[str, Any]] = self.kubectl.get("pods", NAMESPACE, "j2k.dev/courier=other")
        return next((pod for pod in found if "deletionTimestamp" not in pod["metadata"]), None)


def end(process: subprocess.Popen[str]) -> Told:
    began = time.monotonic()
    stdout, stderr = process.communicate(timeout=2 * SECONDS)
    return Told(process.returncode, stdout, stderr, time.monotonic() - began)


def equal(told: Told) -> dict[str, Any]:
    assert told.code == 0, told.all
    assert told.json["verdict"] == "equal"
    return told.json


@pytest.fixture(scope="module")
def elsewhere(wide: Handle, tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    """A volume that many may write, on one node, and the target file."""
    state = wide.up()
    kubectl = Kubectl(Cluster(state.context, Path(state.kubeconfig), str(wide.images.kubectl)), SystemRunner())
    node = wide.client.containers.get(f"{state.cluster}-control-plane")
    node.exec_run(["mkdir", "-m", "777", "-p", VOLUME])
    desk = Desk(tmp_path_factory.mktemp("elsewhere"), cache_folder())
    objects = {"apiVersion": "v1", "kind": "List", "items": [storage_class(), volume(str(node.name))]}
    (desk.folder / "volume.json").write_text(json.dumps(objects))
    kubectl.apply(desk.folder / "volume.json")
    (desk.folder / "volume.json").unlink()
    (desk.folder / "targets").mkdir()
    (desk.folder / "targets" / f"{state.context}.yaml").write_text(f"""context: {state.context}
kubeconfig: {state.kubeconfig}
registry:
  push: {state.registry}
storage:
  class: other
  size: 2Gi
kafka:
  bootstrap: {state.kafka_in_cluster}
  sessionSeconds: 3
""")
    for number in range(INPUTS):
        (desk.folder / f"{number}.bin").write_bytes(os.urandom(INPUT_BYTES))
    desk.notebook("other.ipynb", READS, WRITES)
    return Elsewhere(desk, kubectl, node)


def storage_class() -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "other"},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def volume(node: str) -> dict[str, Any]:
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]
    spec = {
        "capacity": {"storage": "2Gi"},
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "other",
        "persistentVolumeReclaimPolicy": "Delete",
        "hostPath": {"path": VOLUME, "type": "Directory"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "other"}, "spec": spec}


def test_a_run_gives_what_its_notebook_gives_though_its_courier_is_killed_in_mid_transfer(elsewhere: Elsewhere) -> None:
    process = elsewhere.start("up")
    deadline = time.monotonic() + 2 * SECONDS
    while not elsewhere.on_volume("blobs/.new-courier-*"):
        assert process.poll() is None, end(process).all
        assert time.monotonic() < deadline
    killed = elsewhere.courier()
    assert killed is not None
    name = killed["metadata"]["name"]
    elsewhere.kubectl.call("delete", "pod", name, "--namespace", NAMESPACE, "--grace-period=0", "--force")
    arrived = len(elsewhere.on_volume("blobs/??/*"))
    assert arrived < INPUTS, "it was killed in the middle"
    told = end(process)
    document = equal(told)
    assert "151 MB of inputs sent" in told.all, "all of it, and nothing twice"
    again = elsewhere.courier()
    assert again is not None
    assert again["metadata"]["uid"] != killed["metadata"]["uid"]
    assert [stage["name"] for stage in document["stages"]] == ["reads", "writes"]
    results = Path(document["results"])
    assert len((results / "files" / "sums.txt").read_text().splitlines()) == INPUTS
    assert "cell-finished" in (results / "logs" / "reads.log").read_text()


def test_a_second_run_moves_nothing_but_the_lists_of_its_files(elsewhere: Elsewhere) -> None:
    told = elsewhere.run("run", "--fresh")
    equal(told)
    assert "note: 0 B of inputs sent" in told.all
    # The lists have times, which are new; the files themselves are here.
    assert re.search(r", [\d.]+ K?B of results fetched", told.all), told.all


def test_a_changed_cell_runs_on_the_state_that_is_on_the_volume(elsewhere: Elsewhere) -> None:
    elsewhere.desk.notebook("other.ipynb", READS, WRITES.replace("len(sums)", "len(sums) + 1"))
    told = elsewhere.run("up")
    document = equal(told)
    assert "reads: reused" in told.all
    assert [stage["name"] for stage in document["stages"]] == ["reads", "writes"]


def test_what_the_volume_lost_is_made_again(elsewhere: Elsewhere) -> None:
    elsewhere.node.exec_run(["sh", "-c", f"rm -rf {VOLUME}/snapshots"])
    elsewhere.desk.notebook("other.ipynb", READS, WRITES.replace("len(sums)", "len(sums) + 2"))
    equal(elsewhere.run("up"))


def test_down_leaves_nothing_but_the_data(elsewhere: Elsewhere) -> None:
    told = elsewhere.desk.j2k("down", "--context", elsewhere.kubectl.cluster.context, "--json")
    assert told.json["namespaces"] == [NAMESPACE]
    assert elsewhere.kubectl.find("default", f"namespace/{NAMESPACE}") == []
    assert elsewhere.on_volume("blobs/??/*")
    assert len(elsewhere.kubectl.find("default", "persistentvolume/other")) == 1


def test_the_data_are_found_again_and_removed_when_that_is_asked_for(elsewhere: Elsewhere) -> None:
    told = elsewhere.run("run", "--fresh")
    equal(told)
    assert "0 B of inputs sent" in told.all
    assert elsewhere.desk.j2k("down", "--context", elsewhere.kubectl.cluster.context, "--purge", "--json").code == 0
    assert elsewhere.kubectl.find("default", f"namespace/{NAMESPACE}") == []
    assert elsewhere.on_volume("blobs") == []
