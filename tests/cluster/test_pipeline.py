"""Pipelines on the real cluster: the results are the notebook's, whatever is killed; what can't be is said in words."""

from __future__ import annotations

import itertools
import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from j2k_dev.deploy.kubectl import Cluster, Kubectl
from j2k_dev.engine.support import cache_folder
from j2k_dev.sandbox.commands import SystemRunner
from j2k_dev.worker.kafka.bus import KafkaBus
from j2k_dev.worker.kafka.settings import KafkaSettings
from tests.cluster.trial import Trial
from tests.e2e.desk import Desk

if TYPE_CHECKING:
    from tests.cluster.handle import Handle

pytestmark = [pytest.mark.cluster, pytest.mark.pipeline, pytest.mark.timeout(600)]

EXAMPLES = Path(__file__).parents[2] / "examples"
ONE = """# j2k: stage one
import random
random.seed(3)
xs = [random.random() for _ in range(5)]
open('out.txt', 'w').write('one')"""
TWO = "# j2k: stage two\nimport time\nfor i in range(60):\n    time.sleep(0.1)\nxs.append(random.random())\nprint(xs)"
THREE = "# j2k: stage three\nprint(sum(xs), open('out.txt').read())"
SLOW = "j2k-slow"


@pytest.fixture(scope="module")
def trial(wide: Handle, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    state = wide.up()
    cluster = Cluster(state.context, Path(state.kubeconfig), str(wide.images.kubectl))
    desk = Desk(tmp_path_factory.mktemp("desk"), cache_folder())
    return Trial(desk, wide.sandbox.workspace, Kubectl(cluster, SystemRunner()))


@pytest.fixture(scope="module")
def slow(trial: Trial) -> Path:
    """A notebook of three stages, deployed; the second one takes six seconds."""
    notebook = trial.desk.notebook("slow.ipynb", ONE, TWO, THREE)
    trial.equal(trial.run("up", notebook))
    return notebook


def names(trial: Trial, kind: str) -> set[str]:
    return {found["metadata"]["name"] for found in trial.kubectl.get(kind, SLOW)}


def test_the_quickstart_gives_what_its_notebook_gives(trial: Trial) -> None:
    for name in ("quickstart.ipynb", "weather.csv"):
        shutil.copy(EXAMPLES / name, trial.desk.folder)
    document = trial.equal(trial.run("up", trial.desk.folder / "quickstart.ipynb"))
    assert document["engine"] == "kind"
    assert [stage["attempts"] for stage in document["stages"]] == [1] * len(document["stages"])


def test_a_stage_whose_process_is_killed_runs_again(trial: Trial, slow: Path) -> None:
    before = trial.runs()
    process = trial.start("run", slow, "--fresh")
    begun = trial.began(process, "two", before)
    trial.kill(SLOW, begun)
    document = trial.equal(trial.end(process))
    assert [stage["attempts"] for stage in document["stages"]] == [1, 2, 1]
    lost, again = trial.events(begun.run, "two", "ended")[0], trial.events(begun.run, "two", "started")[1]
    assert lost.detail["how"] == "killed by SIGKILL"
    assert again.worker == begun.worker


def test_a_stage_whose_pod_is_deleted_with_no_grace_runs_in_another(trial: Trial, slow: Path) -> None:
    before = trial.runs()
    process = trial.start("run", slow, "--fresh")
    begun = trial.began(process, "two", before)
    trial.delete(SLOW, begun)
    document = trial.equal(trial.end(process))
    assert [stage["attempts"] for stage in document["stages"]] == [1, 2, 1]
    assert trial.events(begun.run, "two", "started")[1].worker != begun.worker


def test_a_run_outlives_its_broker(trial: Trial, slow: Path, wide: Handle) -> None:
    before = trial.runs()
    process = trial.start("run", slow, "--fresh")
    trial.began(process, "two", before)
    broker = wide.container("kafka")
    broker.kill()
    broker.start()
    document = trial.equal(trial.end(process))
    assert [stage["name"] for stage in document["stages"]] == ["one", "two", "three"]


@pytest.mark.parametrize("doing", ["building the images", "deploying", "works: running"])
def test_j2k_killed_at_any_step_goes_on_when_it_is_called_again(trial: Trial, doing: str) -> None:
    first = f"import time\nx = {doing!r}"  # another one would be known already
    cells = first, "# j2k: stage works\ntime.sleep(3)\nx += '!'", "# j2k: stage shows\nprint(x)"
    notebook = trial.desk.notebook(f"killed-{doing[:3]}.ipynb", *cells)
    process = trial.start("up", notebook)
    trial.until(process, doing)
    process.kill()
    process.communicate()
    unfinished = trial.runs()
    document = trial.equal(trial.run("up", notebook))
    assert [stage["attempts"] for stage in document["stages"]] == [1] * len(document["stages"])
    assert document["run"] in unfinished, "the run that was cut off goes on"


def test_runs_with_other_parameters_go_on_at_once_in_the_same_pods_and_never_mix(trial: Trial) -> None:
    cells = ("n = 0", "parameters"), "# j2k: stage works\nimport time\nopen('n.txt', 'w').write(str(n))\ntime.sleep(15)"
    last = "# j2k: stage shows\nprint(n, open('n.txt').read())"
    notebook = trial.desk.notebook("many.ipynb", *cells, last)
    trial.equal(trial.run("up", notebook))
    before = trial.generations("j2k-many")
    started = {n: trial.start("run", notebook, "-p", f"n={n}") for n in (1, 2, 3)}
    ended = {n: trial.end(process) for n, process in started.items()}
    for n, told in ended.items():
        assert (told.code, told.json["verdict"]) == (0, "unverified"), told.all
        assert trial.outputs(told.json["run"])[-1] == [f"{n} {n}\n"]
        assert [stage["attempts"] for stage in told.json["stages"]] == [1] * len(told.json["stages"])
    assert trial.generations("j2k-many") == before
    spans = sorted(trial.span(told.json["run"]) for told in ended.values())
    assert any(later[0] < earlier[1] for earlier, later in itertools.pairwise(spans)), "one waited for the other's end"


def test_a_cell_that_raises_ends_the_run_at_once(trial: Trial) -> None:
    cells = ("n = 1", "parameters"), "# j2k: stage divides\nprint(1 / n)"
    told = trial.run("run", trial.desk.notebook("divides.ipynb", *cells), "-p", "n=0")
    assert told.code == 1, told.all
    assert told.json["error"]["ename"] == "ZeroDivisionError"
    assert "division by zero" in "".join(told.json["error"]["traceback"])
    assert [stage["attempts"] for stage in told.json["stages"]] == [1] * len(told.json["stages"])


def test_a_stage_that_needs_more_memory_than_its_limit_says_so_and_with_it_ends_well(trial: Trial) -> None:
    cells = "# j2k: stage small\nx = 1", "# j2k: stage big\ny = bytearray(500 << 20)\nprint(len(y) + x)"
    notebook = trial.desk.notebook("big.ipynb", *cells)
    told = trial.run("run", notebook, "--memory", "big=300Mi")
    assert told.code == 5, told.all
    error = told.json["error"]
    assert "stage big" in error["message"]
    assert "OOMKilled" in error["message"]
    assert "300Mi" in error["message"]
    assert "--memory big=SIZE" in error["way_out"]
    trial.equal(trial.run("run", notebook, "--memory", "big=1Gi"))


def test_a_stage_that_no_node_has_room_for_is_told_in_seconds(trial: Trial, slow: Path) -> None:
    told = trial.run("run", slow, "--fresh", "--memory", "three=9000Gi")
    assert told.code == 5, told.all
    assert "stage three can't go on" in told.json["error"]["message"]
    assert "9000Gi of memory" in told.json["error"]["message"]
    assert told.seconds < 60


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"image": f"localhost:9/none@sha256:{'0' * 64}"}, ["the image localhost:9/none", "can't be pulled"]),
        ({"env": [{"name": "J2K_ATTEMPTS", "value": "many"}]}, ["it ends again and again (exit code 1)", "ValueError"]),
    ],
    ids=["an image that is nowhere", "a container that ends at once"],
)
def test_pods_that_come_to_nothing_end_the_run_with_the_reason(
    trial: Trial, slow: Path, change: dict[str, object], told: list[str]
) -> None:
    before = trial.runs()
    process = trial.start("run", slow, "--fresh")
    trial.began(process, "two", before)
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "worker", **change}]}}}}
    trial.kubectl.call("patch", "deployment", "stage-3-three", "--namespace", SLOW, "--patch", json.dumps(patch))
    ended = trial.end(process)
    trial.kubectl.call("delete", "deployment", "stage-3-three", "--namespace", SLOW)
    assert ended.code == 5, ended.all
    assert "stage three can't go on" in ended.json["error"]["message"]
    assert all(words in ended.json["error"]["message"] for words in told), ended.json["error"]["message"]
    trial.equal(trial.run("run", slow, "--fresh"))


def test_what_somebody_else_changed_is_not_taken_back(trial: Trial, slow: Path) -> None:
    patch = json.dumps({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 31}}}})
    change = ("patch", "deployment", "stage-1-one", "--namespace", SLOW, "--type=merge", "--patch", patch)
    trial.kubectl.call(*change, "--field-manager", "somebody")
    told = trial.run("run", slow, "--fresh", "--memory", "one=400Mi")
    assert told.code == 4, told.all
    assert "by somebody: .spec.template.spec.terminationGracePeriodSeconds" in told.json["error"]["message"]
    trial.kubectl.call(*change[:-1], patch.replace("31", "30"), "--field-manager", "somebody")


def test_what_an_earlier_plan_left_goes(trial: Trial, slow: Path, wide: Handle) -> None:
    assert len(names(trial, "deployments")) == 3
    trial.desk.notebook("slow.ipynb", ONE, THREE.replace("three", "two"))
    trial.equal(trial.run("up", slow))
    for kind in ("deployments", "services", "poddisruptionbudgets"):
        assert names(trial, kind) == {"stage-1-one", "stage-2-two"}
    with closing(KafkaBus(KafkaSettings((wide.up().kafka,)))) as bus:
        assert len(bus.topics("slow.stage.")) == 2


def test_what_reads_beside_its_folder_is_refused(trial: Trial) -> None:
    (trial.desk.folder.parent / "beside.csv").write_text("1")
    told = trial.run("up", trial.desk.notebook("reads.ipynb", "print(open('../beside.csv').read())"))
    assert told.code == 4, told.all
    assert "beside.csv (cell 0)" in told.json["error"]["message"]


def test_its_pods_logs_and_services_can_be_looked_at(trial: Trial, slow: Path) -> None:
    document = trial.equal(trial.run("run", slow, "--fresh", "--replicas", "2"))
    assert "cell-finished" in trial.j2k("logs", "one").json["logs"]["one"]
    found = {each["pipeline"]: each for each in trial.j2k("status").json["deployments"]}["slow"]
    assert [stage["stage"] for stage in found["stages"]] == [stage["name"] for stage in document["stages"]]
    assert any(pod["phase"] == "ready" for pod in found["stages"][0]["pods"])
    beside = ("--notebook", str(slow))
    assert trial.j2k("call", "two", *beside).json["answer"] == "ok\n"
    assert trial.j2k("service-ip", "2", *beside).json["ip"].count(".") == 3
    assert trial.j2k("call", "two", "/nothing", *beside).code == 5


def test_manifests_are_written_and_not_applied(trial: Trial) -> None:
    told = trial.j2k("render", str(trial.desk.notebook("only.ipynb", "print(1)")), "--replicas", "3")
    assert told.code == 0, told.all
    overlay = Path(told.json["overlay"])
    assert overlay / "kustomization.yaml" in map(Path, told.json["files"])
    assert trial.kubectl.find("default", "namespace/j2k-only") == []
    trial.kubectl.apply(overlay.parent.parent / "base" / "namespace.yaml", dry_run=True)


def test_down_removes_all_but_what_is_on_the_volume(trial: Trial, slow: Path) -> None:
    told = trial.j2k("down")
    assert told.code == 0, told.all
    assert SLOW in told.json["namespaces"]
    assert trial.kubectl.find("default", f"namespace/{SLOW}", f"persistentvolume/{SLOW}-exchange") == []
    assert slow.exists()
    assert any((trial.workspace / "exchange" / "blobs").iterdir())
    assert trial.j2k("down", "--purge").code == 0
    assert not (trial.workspace / "exchange" / "blobs").exists()
