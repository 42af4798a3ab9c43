"""Every example gives in pods that have no way out what nbclient gives, and so does what only runs find they need."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from j2k_dev.notebook.compare import compare_notebook
from j2k_dev.sandbox.model import KAFKA_PORT, KAFKA_PROXIED_PORT
from tests.cluster.cut_off import address, no_way_out
from tests.cluster.trial import trial_on
from tests.examples.oracle import by_nbclient, outputs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.handle import Handle
    from tests.cluster.trial import Trial

pytestmark = [pytest.mark.cluster, pytest.mark.pipeline, pytest.mark.timeout(900)]

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(path.name for path in EXAMPLES.glob("*.ipynb"))


@pytest.fixture
def trial(single: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    """A folder with the examples; what was deployed goes at the end."""
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns(".j2k"))
    trial = trial_on(single, tmp_path / "examples")
    yield trial
    trial.clear()


@pytest.fixture
def cut_off(single: Handle, trial: Trial) -> Iterator[None]:
    with no_way_out(single, trial.kubectl):
        yield


@pytest.mark.usefixtures("cut_off")
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_an_example_gives_in_pods_what_nbclient_gives(name: str, trial: Trial) -> None:
    document = trial.equal(trial.run("up", trial.desk.folder / name))
    assert document["engine"] == "kind"
    assert document["unstable"] == []
    assert [stage["attempts"] for stage in document["stages"]] == [1] * len(document["stages"])
    assert len(document["stages"]) > 2
    executed = nbformat.read(Path(document["results"]) / "notebook.ipynb", as_version=4)
    assert compare_notebook(by_nbclient(trial.desk.folder / name), outputs(executed)) == ()


@pytest.mark.usefixtures("cut_off")
def test_programs_lazy_imports_and_files_beside_modules_are_in_pods(trial: Trial) -> None:
    package = trial.desk.folder / "beside"
    package.mkdir()
    (package / "__init__.py").write_text("from pathlib import Path\nTEXT = Path(__file__).with_name('words.txt')\n")
    (package / "words.txt").write_text("beside the module")
    cells = [
        "# j2k: stage shell\n!ls *.csv && echo through the shell | tr a-z A-Z",
        "%%bash\nfor i in 1 2; do echo $i; done; sort -r weather.csv | tail -n 1 | cut -d, -f1",
        "# j2k: stage lazy\nimport importlib, beside\nprint(beside.TEXT.read_text())",
        "print([importlib.import_module(name).__name__ for name in ('sqlite3.dbapi2', 'wave', 'sklearn.datasets')])",
        "from sklearn.datasets import load_iris\nprint(load_iris().data.shape)",
        "import zoneinfo, datetime\nprint(datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo('Pacific/Auckland')))",
    ]
    document = trial.equal(trial.run("up", trial.desk.notebook("programs.ipynb", *cells)))
    assert [stage["name"] for stage in document["stages"]] == ["shell", "lazy"]
    printed = trial.desk.outputs(document)
    assert "THROUGH THE SHELL" in printed[0]
    assert printed[2] == "beside the module\n"


def test_pods_without_a_way_out_reach_no_other_address_and_no_other_pod(trial: Trial, single: Handle) -> None:
    """The proof that the others ran with the network off: the same notebook reaches both while there is a way."""
    (pod, *_) = (pod["status"]["podIP"] for pod in trial.kubectl.get("pods", "kube-system", "k8s-app=kube-dns"))
    reach = "def reach(*place):\n    try:\n        socket.create_connection(place, 5).close()\n        return 'reached'"
    reach += "\n    except OSError:\n        return 'cut off'"
    broker = [(address(single, "kafka"), KAFKA_PORT), (address(single, "proxy"), KAFKA_PROXIED_PORT)]
    places = [(address(single, "registry"), 5000), (pod, 8080), *broker]
    cells = [f"# j2k: stage reach\nimport socket\n{reach}", f"print([reach(*place) for place in {places}])"]
    notebook = trial.desk.notebook("reach.ipynb", *cells)
    told = trial.run("up", notebook)
    assert _printed(trial, told.json) == "['reached', 'reached', 'reached', 'reached']\n", told.all
    with no_way_out(single, trial.kubectl):
        told = trial.run("run", notebook, "--fresh")
        assert _printed(trial, told.json) == "['cut off', 'cut off', 'cut off', 'reached']\n", told.all
        assert told.code == 3, "the recording reached the registry"


def _printed(trial: Trial, document: dict[str, object]) -> str:
    return trial.desk.outputs(document)[-1]
