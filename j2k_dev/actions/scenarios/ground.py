"""The ground that scenarios stand on: this machine or the sandbox, how it is, and what a run left there."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from j2k_dev.actions.verified import deployed_for
from j2k_dev.deploy.pods import reads_for
from j2k_dev.deploy.tree import LOCAL, MANIFESTS
from j2k_dev.deploy.trouble import counted, view
from j2k_dev.engine.workspace import read_json
from j2k_dev.model.codec import from_plain
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.pipeline import Pipeline
from j2k_dev.model.scenario import Publication
from j2k_dev.scenario.ground import Ground, OnCluster
from j2k_dev.scenario.history import RunHistory
from j2k_dev.scenario.verdict import OnBus
from j2k_dev.scenario.waiting import within
from j2k_dev.worker.bus import Topics
from j2k_dev.worker.child import outcome_of
from j2k_dev.worker.events import read_events
from j2k_dev.worker.exchange import Exchange
from j2k_dev.worker.sqlite_bus import SqliteBus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from j2k_dev.actions.scenarios.evidence import Verified
    from j2k_dev.engine.workspace import Workspace
    from j2k_dev.model.run import Message
    from j2k_dev.scenario.conduct import Seen
    from j2k_dev.scenario.subject import Subject
    from j2k_dev.worker.kafka.bus import KafkaBus

_STEADY_SECONDS = 90.0
_LOOK_SECONDS = 0.25
_LOG_LINES = 80
_DRAINED_SECONDS = 30.0


@dataclass(frozen=True)
class Site:
    """The ground of one run, the command that makes it, and what is looked at before and after."""

    ground: Ground
    subject: Subject

    def renew(self) -> tuple[str, ...]:
        """Replace pods whose containers were started anew before, and name them.

        Kubernetes starts such a container later and later: what an earlier scenario did would count in the next one.
        """
        cluster = self.ground.cluster
        pods = cluster.kubectl.get("pods", cluster.namespace) if cluster else []
        worn = tuple(view(pod).name for pod in pods if view(pod).restarts)
        if cluster and worn:
            cluster.kubectl.call("delete", "pods", *worn, "--namespace", cluster.namespace, "--grace-period=1")
        return worn

    @contextlib.contextmanager
    def on_workers(self) -> Iterator[None]:
        """Keep pods off the control plane, which no fault may take away: everything else stands on it."""
        cluster = self.ground.on_cluster
        node, where = f"{cluster.sandbox.cluster}-control-plane", ("--namespace", cluster.namespace)
        cluster.kubectl.call("cordon", node)
        try:
            cluster.kubectl.call(
                "delete", "pods", *where, "--field-selector", f"spec.nodeName={node}", "--grace-period=1"
            )
            yield
        finally:
            cluster.kubectl.call("uncordon", node)

    def roll_back(self, what: str, stage: str) -> None:
        """Do what a scenario asks for at its end: ``fresh-pods`` replaces the pods of a stage."""
        assert what == "fresh-pods"
        cluster = self.ground.on_cluster
        cluster.kubectl.call(
            "delete", "pods", "--namespace", cluster.namespace, "--selector", f"j2k.dev/stage={cluster.objects[stage]}",
            "--grace-period=1", "--wait=false",
        )  # fmt: skip


@contextlib.contextmanager
def ground_of(workspace: Workspace, verified: Verified, run: str, subject: Subject) -> Iterator[Site]:
    """Give the ground of a run that is about to be made."""
    seconds = {cell["index"]: cell["wall_seconds"] for cell in _recorded(workspace, verified.recording)}
    cells = {
        stage.name: tuple((cell, float(seconds.get(cell, 0.0))) for cell in stage.cells)
        for stage in verified.pipeline.stages
    }
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(_cluster(workspace, verified)) if verified.engine == "kind" else None
        send, waiting = _messages(cluster) if cluster else _messages_here(workspace, run)
        yield Site(
            Ground(
                "kind" if cluster else "local", run, workspace.exchange, verified.stages, cells, send, waiting,
                lambda: subject.running, cluster,
            ),
            subject,
        )  # fmt: skip


def _recorded(workspace: Workspace, key: str) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = (read_json(workspace.recording(key)) or {"cells": []})["cells"]
    return cells


@contextlib.contextmanager
def _cluster(workspace: Workspace, verified: Verified) -> Iterator[OnCluster]:
    from j2k_dev.actions.cluster.record import placed_in  # noqa: PLC0415 - only where there is a cluster
    from j2k_dev.sandbox.docker_engine.engine import connect  # noqa: PLC0415 - see above
    from j2k_dev.sandbox.model import Sandbox  # noqa: PLC0415 - see above
    from j2k_dev.sandbox.state import read_state  # noqa: PLC0415 - see above

    sandbox = Sandbox(workspace.root)
    state = read_state(sandbox)
    there = [one for one in placed_in(workspace) if one.courier is None]
    placed = next((one for one in there if one.pipeline == verified.pipeline.name), None)
    if state is None or placed is None:
        raise MachineryFailed("the pipeline is not on the workspace's sandbox", "j2k up NOTEBOOK --engine kind")
    names = (f"deployment/{name}" for name in placed.stages.values())
    environments = list(map(_environment, placed.calls.find(placed.namespace, *names)))
    topics = {values["J2K_STAGE"]: values["INPUT_TOPIC"] for values in environments}
    letters = next((values["DEAD_LETTER_TOPIC"] for values in environments), "")
    with contextlib.closing(connect()) as client:
        overlay = workspace.root / MANIFESTS / LOCAL
        yield OnCluster(placed.calls, placed.namespace, placed.stages, topics, letters, overlay, sandbox, client, state)


def is_deployed(workspace: Workspace, verified: Verified) -> bool:
    """Tell whether the pods of a run are on the workspace's sandbox still, and not those of a later one."""
    images = {name.removeprefix("image "): digest for name, digest in deployed_for(workspace, verified.run).items()}
    try:
        with _cluster(workspace, verified) as cluster:
            topics = cluster.topics
    except MachineryFailed:
        return False
    if set(topics) != set(verified.stages):
        return False
    # A run of an earlier j2k did not write down which images it had.
    return not images or all(reads_for(topics[stage], images[stage]) for stage in topics)


def _environment(deployment: Any) -> dict[str, str]:
    """Read what the worker of a stage is told."""
    told = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    return {each["name"]: each.get("value", "") for each in told}


@contextlib.contextmanager
def _bus(cluster: OnCluster) -> Iterator[KafkaBus]:
    from j2k_dev.worker.kafka.bus import KafkaBus  # noqa: PLC0415 - takes its time to import
    from j2k_dev.worker.kafka.settings import KafkaSettings  # noqa: PLC0415 - see above

    with contextlib.closing(KafkaBus(KafkaSettings((cluster.state.kafka,)))) as bus:
        yield bus


def _messages(cluster: OnCluster) -> tuple[Callable[[str, Message], None], Callable[[str], int]]:
    """Give what sends a message to a stage, and what counts a stage's messages."""

    def send(stage: str, message: Message) -> None:
        with _bus(cluster) as bus:
            bus.send(cluster.topics[stage], replace(message, topics=dict(cluster.topics)))

    def waiting(stage: str) -> int:
        with _bus(cluster) as bus:
            return bus.waiting([cluster.topics[stage]])

    return send, waiting


def _messages_here(workspace: Workspace, run: str) -> tuple[Callable[[str, Message], None], Callable[[str], int]]:
    """Do the same on this machine's own bus."""

    def send(stage: str, message: Message) -> None:
        with contextlib.closing(SqliteBus(workspace.bus)) as bus:
            bus.send(Topics(run).stage(stage), message)

    def waiting(stage: str) -> int:
        with contextlib.closing(SqliteBus(workspace.bus)) as bus:
            return bus.waiting([Topics(run).stage(stage)])

    return send, waiting


# --- how it is --------------------------------------------------------------------------------------------------------


def steady(site: Site, probes: tuple[str, ...], seconds: float = _STEADY_SECONDS) -> str:
    """Say what is not as it should be, waiting so long for it to become so; nothing where all is well."""
    cluster = site.ground.cluster
    if cluster is None:
        return ""
    deadline = time.monotonic() + seconds
    while (wrong := _wrong(cluster, probes)) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)  # several things have to be well at once, and not all of them tell of changes
    return wrong


def _wrong(cluster: OnCluster, probes: tuple[str, ...]) -> str:
    from j2k_dev.sandbox.kafka import commit_transaction  # noqa: PLC0415 - only where there is a cluster
    from j2k_dev.sandbox.status import sandbox_status  # noqa: PLC0415 - see above

    if "cluster" in probes:
        parts = sandbox_status(cluster.sandbox, cluster.client).parts
        if wrong := [f"{part.name} is {part.state}" for part in parts if part.state != "running"]:
            return ", ".join(wrong)
    if "broker" in probes and (failed := commit_transaction(cluster.state.kafka)):
        return f"the broker commits nothing: {failed}"
    if "pods" in probes:
        pods = [view(pod) for pod in cluster.kubectl.get("pods", cluster.namespace)]
        for stage, name in cluster.objects.items():
            own = [pod for pod in pods if pod.stage == name]
            if not own or any(pod.phase != "ready" for pod in own):
                return f"the pods of {stage}: {counted(own) or 'none'}"
    return ""


# --- what a run left --------------------------------------------------------------------------------------------------


def history_of(site: Site, seen: Seen, workspace: Workspace) -> tuple[RunHistory, ...]:
    """Give what is known of the scenario's run, and of the one that j2k made in its place, if it did."""
    final = str(seen.ended.told.get("run") or site.ground.run) if seen.ended else site.ground.run
    return tuple(_history(site, seen, workspace, run, final) for run in dict.fromkeys((site.ground.run, final)))


def _history(site: Site, seen: Seen, workspace: Workspace, run: str, final: str) -> RunHistory:
    own = run == site.ground.run
    exchange = Exchange(workspace.exchange)
    plan = read_json(workspace.run(run).pipeline)
    stages = tuple(stage.name for stage in from_plain(Pipeline, plan).stages) if plan else site.ground.stages
    outcome = (seen.ended.outcome if seen.ended else None) if run == final else "failed"
    sent = [one.stage for one in seen.struck if one.fault == "send-twice"] if own else []
    killed = sum(one.fault == "kill-j2k" for one in seen.struck)
    return RunHistory(
        read_events(exchange.events(run)), stages, tuple(_publications(exchange, run, stages)),
        outcome, sent={stage: sent.count(stage) for stage in sent}, struck=seen.struck if own else (),
        adopted=() if own else tuple(stage for stage in stages if not exchange.claims(run, stage)),
        commands=1 + killed if own else 1,
    )  # fmt: skip


def _publications(exchange: Exchange, run: str, stages: tuple[str, ...]) -> Iterator[Publication]:
    for stage in stages:
        file = exchange.folder(run, stage) / "result.json"
        try:
            result = exchange.read(run, stage)
        except MachineryFailed:  # half a publication was seen: that nobody may
            yield Publication(stage, 0, file.stat().st_mtime, "damaged")
            continue
        if result is not None:
            yield Publication(stage, result.attempt, file.stat().st_mtime, outcome_of(result))


def on_bus(site: Site, histories: tuple[RunHistory, ...]) -> OnBus | None:
    """Ask the broker what is left of the runs, waiting a while for workers to be done with messages that came twice."""
    cluster = site.ground.cluster
    if cluster is None:
        return None
    runs = {event.run for history in histories for event in history.events}
    with _bus(cluster) as bus:

        def unfinished() -> tuple[str, ...]:
            messages = bus.unfinished(tuple(cluster.topics.values()))
            return tuple(message.stage for message in messages if message.run in runs)

        within(_DRAINED_SECONDS, lambda: not unfinished())
        with contextlib.closing(bus.follow(cluster.dead_letters)) as reader:
            letters = sum(message.run in runs for _, message in reader.rest())
        return OnBus(unfinished(), letters)


def log_tails(workspace: Workspace, run: str, own: Path) -> dict[str, str]:
    """Return the last lines of what j2k and the workers wrote."""
    files = [own, *sorted(workspace.run(run).logs.glob("*.log"))]
    return {
        ("j2k" if path == own else path.stem): "\n".join(path.read_text("utf-8", "replace").splitlines()[-_LOG_LINES:])
        for path in files
        if path.is_file()
    }
