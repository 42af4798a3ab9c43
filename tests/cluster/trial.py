"""A pipeline on the sandbox's cluster in the hands of a test: its runs, what they tell, what is done to its pods."""

from __future__ import annotations

import json
import select
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from j2k_dev.deploy.kubectl import Cluster, Kubectl
from j2k_dev.engine.support import cache_folder
from j2k_dev.sandbox.commands import SystemRunner
from j2k_dev.worker.events import Event, read_events
from j2k_dev.worker.exchange import Exchange
from tests.e2e.desk import Desk, Told

if TYPE_CHECKING:
    from tests.cluster.handle import Handle

# Other work may slow the machine down; where it does not, each takes seconds.
SECONDS = 480.0


@dataclass(frozen=True)
class Trial:
    """A folder with notebooks, and the workspace whose sandbox is up."""

    desk: Desk
    workspace: Path
    kubectl: Kubectl

    def start(self, command: str, notebook: Path, *arguments: str) -> subprocess.Popen[str]:
        """Start a command that runs the notebook on the cluster."""
        return self.desk.start(command, str(notebook), "--engine", "kind", *self.common, *arguments)

    def run(self, command: str, notebook: Path, *arguments: str) -> Told:
        """Run it to its end."""
        return self.end(self.start(command, notebook, *arguments))

    def j2k(self, *arguments: str) -> Told:
        """Run any command about the workspace."""
        return self.end(self.desk.start(*arguments, *self.common))

    @property
    def common(self) -> tuple[str, ...]:
        """Give the options that every command gets."""
        return "--workspace", str(self.workspace), "--json"

    def end(self, process: subprocess.Popen[str]) -> Told:
        """Wait for the end of a command."""
        began = time.monotonic()
        try:
            stdout, stderr = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"still at work after {SECONDS} s: {process.communicate()}") from None
        return Told(process.returncode, stdout, stderr, time.monotonic() - began)

    def equal(self, told: Told) -> dict[str, Any]:
        """Return the document of a run, which has to be equal, with no stage published or passed on twice."""
        assert told.code == 0, told.all
        assert told.json["verdict"] == "equal"
        for stage in told.json["stages"]:
            happened = self.events(told.json["run"], stage["name"])  # nothing, where an earlier run's result was taken
            published = [event for event in happened if is_published(event)]
            assert len(published) == bool(happened), published
        return told.json

    # --- what runs tell -----------------------------------------------------------------------------------------------

    def events(self, run: str, stage: str, name: str = "") -> list[Event]:
        """Read what happened to a stage, in order."""
        found = read_events(Exchange(self.workspace / "exchange").events(run))
        return [event for event in found if event.stage == stage and name in ("", event.event)]

    def began(self, process: subprocess.Popen[str], stage: str, before: set[str]) -> Event:
        """Wait until a new run has begun a cell of a stage; return the beginning of its attempt."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            assert process.poll() is None, self.end(process)
            for run in self.runs() - before:
                if self.events(run, stage, "cell-started"):
                    return self.events(run, stage, "started")[0]
            select.select([], [], [], 0.02)
        raise AssertionError(f"{stage} did not begin within {SECONDS} s")

    def until(self, process: subprocess.Popen[str], doing: str) -> None:
        """Wait until a command says that it does something."""
        assert process.stderr is not None
        for line in process.stderr:
            if doing in line:
                return
        raise AssertionError(f"it never was {doing}: {self.end(process)}")

    def runs(self) -> set[str]:
        """Name the runs that the exchange knows."""
        return {folder.name for folder in (self.workspace / "exchange" / "runs").glob("*")}

    def span(self, run: str) -> tuple[float, float]:
        """Give when the first thing of a run happened, and the last."""
        times = [event.time for event in read_events(Exchange(self.workspace / "exchange").events(run))]
        return min(times), max(times)

    def outputs(self, run: str) -> list[list[str]]:
        """Read what the code cells of a run's notebook printed."""
        document = json.loads((self.workspace / "runs" / run / "notebook.ipynb").read_text())
        code = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
        return [["".join(output["text"]) for output in cell["outputs"] if "text" in output] for cell in code]

    def generations(self, namespace: str) -> dict[str, int]:
        """Tell how often the Deployments were changed."""
        found = self.kubectl.get("deployments", namespace)
        return {each["metadata"]["name"]: each["metadata"]["generation"] for each in found}

    # --- what is done to pods -----------------------------------------------------------------------------------------

    def kill(self, namespace: str, begun: Event) -> None:
        """Kill the process that runs the cells, from within its container."""
        kill = f"import os; os.kill({begun.detail['process']}, 9)"
        self.kubectl.call("exec", begun.worker, "--namespace", namespace, "--", self.interpreter, "-c", kill)

    def delete(self, namespace: str, begun: Event) -> None:
        """Delete the pod with no grace."""
        options = ("--namespace", namespace, "--grace-period=0", "--force", "--wait=false")
        self.kubectl.call("delete", "pod", begun.worker, *options)

    def clear(self) -> None:
        """Have all pipelines go, and wait for none of them."""
        self.kubectl.call("delete", "namespace", "--selector", "j2k.dev/pipeline", "--wait=false")

    @property
    def interpreter(self) -> str:
        """Name the Python that containers have."""
        recording = next((self.workspace / "recordings").glob("*/recording.json"))
        executable: str = json.loads(recording.read_text())["interpreter"]["executable"]
        return executable


def trial_on(handle: Handle, folder: Path) -> Trial:
    """Give a trial on a sandbox, which is brought up if it is not."""
    state = handle.up()
    cluster = Cluster(state.context, Path(state.kubeconfig), str(handle.images.kubectl))
    return Trial(Desk(folder, cache_folder()), handle.sandbox.workspace, Kubectl(cluster, SystemRunner()))


def is_published(event: Event) -> bool:
    """Tell whether an attempt ended with a result of its own."""
    return event.event == "ended" and event.detail["outcome"] == "published"
