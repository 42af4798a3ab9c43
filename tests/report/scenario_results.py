"""Results of scenarios as the real ones are: told by the events of workers, with faults and what came after them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from j2k_dev.model.scenario import Check, NotRun, ScenarioResult, StageTale, Struck, Violation

START = 1_741_000_000.0
RUN = "20250303-110640-k3"
CELLS = {"load": (1, 3), "clean": (4, 5, 6), "fit": (8, 9, 10, 11), "report": (13, 14)}
SECONDS = {"load": 0.4, "clean": 0.25, "fit": 0.9, "report": 0.3}  # per cell
HOSTILE = "</style></title></pre><script>alert(1)</script><img src=x onerror=alert(2)>"
LONG = HOSTILE + "W" * 150  # and wider than a narrow page


@dataclass
class Story:
    """Writes the events of a run, one after the other."""

    now: float = START
    lines: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, worker: str, stage: str, attempt: int, event: str, /, **detail: Any) -> None:
        line = {"time": self.now, "worker": worker, "run": RUN, "stage": stage, "attempt": attempt}
        self.lines.append({**line, "event": event, "detail": detail})

    def wait(self, seconds: float) -> None:
        self.now = round(self.now + seconds, 3)

    def begin(self, worker: str, stage: str, attempt: int = 1) -> None:
        self.tell(worker, stage, attempt, "taken", process=4100 + len(self.lines))
        self.wait(0.002)
        self.tell(worker, stage, attempt, "started", process=4101 + len(self.lines))
        self.wait(0.03)
        self.tell(worker, stage, attempt, "restored", seconds=0.028)

    def cells(self, worker: str, stage: str, attempt: int, cells: tuple[int, ...], *, cut: bool = False) -> None:
        for cell in cells:
            self.tell(worker, stage, attempt, "cell-started", cell=cell)
            ends = not (cut and cell == cells[-1])
            self.wait(SECONDS[stage] if ends else SECONDS[stage] / 2)
            if ends:
                self.tell(worker, stage, attempt, "cell-finished", cell=cell)

    def publish(self, worker: str, stage: str, attempt: int = 1, outcome: str = "published", how: str = "") -> None:
        self.wait(0.06)
        self.tell(worker, stage, attempt, "ended", outcome=outcome, how=how, published=attempt)

    def forward(self, worker: str, stage: str, attempt: int = 1) -> None:
        self.wait(0.02)
        names = list(CELLS)
        last = stage == names[-1]
        to = "results" if last else f"stage.{names[names.index(stage) + 1]}"
        self.tell(worker, stage, attempt, "forwarded", to=[f"quickstart.{to}"])
        self.wait(0.01)

    def stage(self, stage: str, attempt: int = 1) -> None:
        worker = f"{stage}-{attempt}"
        self.begin(worker, stage, attempt)
        self.cells(worker, stage, attempt, CELLS[stage])
        self.publish(worker, stage, attempt)
        self.forward(worker, stage, attempt)


def checks(**seen: tuple[str, str, bool]) -> tuple[Check, ...]:
    """List the usual expectations; what is given replaces what would hold."""
    usual = {
        "results": ("equal to the notebook's", "all 14 outputs are equal", True),
        "recovery": ("within 30 s", "1.2 s", True),
        "attempts": ("2 at most, per stage", "fit 2, others 1", True),
        "publications": ("one per stage", "one per stage", True),
        "dead letters": ("0", "0", True),
    }
    return tuple(Check(what, *values) for what, values in (usual | seen).items())


def tales(fit: int = 1, recomputed: int = 0) -> tuple[StageTale, ...]:
    return tuple(StageTale(name, fit if name == "fit" else 1, recomputed if name == "fit" else 0) for name in CELLS)


def survived() -> ScenarioResult:
    """A killed process of the cells: the stage is run again at once."""
    story = Story()
    for stage in ("load", "clean"):
        story.stage(stage)
    story.begin("fit-1", "fit")
    story.cells("fit-1", "fit", 1, CELLS["fit"][:3], cut=True)
    story.tell("fit-1", "fit", 1, "held", at="cell-started", cell=10)
    at = story.now
    story.wait(0.004)
    story.tell("fit-1", "fit", 1, "ended", outcome="lost", how="killed by SIGKILL")
    story.tell("fit-1", "fit", 1, "retried")
    story.wait(0.15)
    progress = story.now
    story.begin("fit-1", "fit", 2)
    story.cells("fit-1", "fit", 2, CELLS["fit"])
    story.publish("fit-1", "fit", 2)
    story.forward("fit-1", "fit", 2)
    story.stage("report")
    struck = Struck(
        "kill", "fit", "in cell 10", 1, "fit-1", at,
        {"process": "4117", "state": "running cell 10", "attempt": "1", "worker": "fit-1 (4093)"},
        {"process": "gone", "state": "killed by SIGKILL", "attempt": "2", "worker": "fit-1 (4093)"},
        bit=True, told="Process 4117, which ran cell 10, got SIGKILL and is gone; its worker is the same as before.",
        process="cells",
    )  # fmt: skip
    return ScenarioResult(
        scenario="kill-stage-3",
        title="The process that runs the cells is killed",
        shows="A cell that takes too much memory is killed by the system. The worker starts the stage again from the "
        "state it began with, and nobody has to look after it.",
        engine="local",
        notebook="quickstart.ipynb",
        run=RUN,
        verdict="survived",
        why="",
        started=START - 1.5,
        seconds=story.now - START + 2.1,
        recovery=progress - at + 0.04,
        recovery_allowed=3.0,
        struck=(struck,),
        checks=checks(recovery=("within 3 s", "194 ms", True)),
        stages=tales(fit=2, recomputed=2),
        events=tuple(story.lines),
        logs={
            "fit": "11:06:42 fit-1: taken\n11:06:43 fit-1: \x1b[31mended\x1b[0m {'outcome': 'lost'}\n",
            "report": "\n".join(f"line {n}" for n in range(200)),
        },
    )


def late() -> ScenarioResult:
    """A broker that was away for a while: equal results, too late."""
    story = Story()
    story.stage("load")
    story.begin("clean-1", "clean")
    story.cells("clean-1", "clean", 1, CELLS["clean"])
    story.publish("clean-1", "clean")
    at = story.now
    story.wait(34.2)
    story.forward("clean-1", "clean")
    progress = story.now
    for stage in ("fit", "report"):
        story.stage(stage)
    struck = Struck(
        "restart-broker", "clean", "between publishing and passing on", 1, "clean-1", at,
        {"container": "j2k-12345678-kafka", "started": "10:58:02", "restarts": "0", "offset of stage.fit": "41"},
        {"container": "j2k-12345678-kafka", "started": "11:06:46", "restarts": "1", "offset of stage.fit": "42"},
        bit=True, told="The broker was started anew at 11:06:46; it answered again after 21 s.", undone=at + 21.0,
    )  # fmt: skip
    return replace(
        survived(),
        scenario="restart-broker",
        title="The broker is restarted between publishing and passing on",
        shows="While the broker is away nobody can pass on anything. Workers keep what they have and try again.",
        engine="kind",
        verdict="survived late",
        why="",
        seconds=story.now - START + 6,
        recovery=progress - at,
        recovery_allowed=15.0,
        struck=(struck,),
        checks=checks(recovery=("within 15 s", "34 s", False), attempts=("2 at most, per stage", "1 each", True)),
        stages=tales(),
        events=tuple(story.lines),
        logs={},
    )


def broken() -> ScenarioResult:
    """A worker that passes on before it has published, and is killed in between."""
    story = Story()
    for stage in ("load", "clean"):
        story.stage(stage)
    story.begin("fit-1", "fit")
    story.cells("fit-1", "fit", 1, CELLS["fit"])
    story.forward("fit-1", "fit")
    early, at = story.now - 0.01, story.now
    story.begin("report-1", "report")
    begun = story.now
    story.cells("report-1", "report", 1, CELLS["report"][:1])
    story.wait(2.0)
    story.tell("zygote", "fit", 0, "worker-lost", worker="fit-1", how="killed by SIGKILL")
    struck = Struck(
        "kill", "fit", "between publishing and passing on", 1, "fit-1", at,
        {"process": "4093", "started": "11:06:40", "children": "4117"},
        {"process": "gone", "started": "-", "children": "gone"},
        bit=True, told="The worker's process 4093 got SIGKILL and is gone.",
        process="worker",
    )  # fmt: skip
    return replace(
        survived(),
        scenario="kill-worker-stage-3",
        title="The worker is killed between publishing and passing on",
        shows="What is published stays published: whoever takes the message next only passes it on.",
        verdict="broken",
        why="stage fit passed on a result that was never published, and the run did not end",
        seconds=120.0,
        recovery=None,
        recovery_allowed=6.0,
        struck=(struck,),
        checks=checks(
            results=("equal to the notebook's", "no results: the run did not end within 120 s", False),
            recovery=("within 6 s", "no progress after the fault", False),
            attempts=("2 at most, per stage", "1 each", True),
            publications=("one per stage", "fit 0, report 0", False),
        ),
        stages=tales(),
        violations=(
            Violation(
                "publish-before-forward",
                "fit-1 passed on at attempt 1, and stage fit has no publication",
                (early,),
                "A stage is passed on only after its result is published.",
            ),
            Violation(
                "order",
                "stage report started cell 13 while stage fit was not published",
                (begun,),
                "A stage runs cells only after the one before it is published.",
            ),
        ),
        events=tuple(story.lines),
    )


def invalid() -> ScenarioResult:
    """A fault that came too late: the process had ended by itself."""
    story = Story()
    for stage in CELLS:
        story.stage(stage)
    struck = Struck(
        "stop", "load", "in cell 1", 1, "load-1", START + 1.1,
        {"process": "4100", "state": "running"}, {"process": "4100", "state": "running"},
        bit=False, told="SIGSTOP went to process 4100, which was still seen running 2 s later.", undone=START + 3.1,
    )  # fmt: skip
    return replace(
        survived(),
        scenario="hang-stage-1",
        title="The process that runs the cells hangs",
        shows="A process that is stopped does nothing and does not end either: its worker notices.",
        verdict="invalid",
        why="process 4100 was sent SIGSTOP and was not stopped by it",
        seconds=9.2,
        recovery=0.3,
        recovery_allowed=30.0,
        struck=(struck,),
        checks=checks(attempts=("2 at most, per stage", "1 each", True)),
        stages=tales(),
        events=tuple(story.lines),
        logs={},
    )


def never_struck() -> ScenarioResult:
    """A run that never came to the point where the fault was to strike."""
    result = invalid()
    why = "stage load was never seen writing its snapshot"
    return replace(result, scenario="kill-while-writing-stage-1", why=why, struck=(), recovery=None, checks=())


def raised() -> ScenarioResult:
    """A notebook that raises: killed before, it raises the same again and is not retried for that."""
    story = Story()
    story.stage("load")
    story.begin("clean-1", "clean")
    story.cells("clean-1", "clean", 1, CELLS["clean"][:1], cut=True)
    at = story.now
    story.tell("zygote", "clean", 0, "worker-lost", worker="clean-1", how="killed by SIGKILL")
    story.wait(1.4)
    progress = story.now
    story.begin("clean-2", "clean", 2)
    story.cells("clean-2", "clean", 2, CELLS["clean"][:2])
    story.publish("clean-2", "clean", 2, "raised", f"ValueError: {HOSTILE}")
    story.forward("clean-2", "clean", 2)
    struck = Struck(
        "delete-pod", "clean", "in cell 4", 1, "clean-1", at,
        {"pod": "quickstart-clean-6d5f-x2k4q", "container": "containerd://3f81c2", "restarts": "0"},
        {"pod": "quickstart-clean-6d5f-9wzlm", "container": "containerd://b0774e", "restarts": "0"},
        bit=True, told="The pod was deleted without grace; another one was ready after 1.3 s.",
    )  # fmt: skip
    return replace(
        survived(),
        scenario="raise-after-delete",
        title="A pod is deleted in a notebook that raises",
        shows="The notebook's own exception is its result: it is told once, and never taken for a lost worker.",
        engine="kind",
        notebook="raises.ipynb",
        seconds=story.now - START + 2,
        recovery=progress - at,
        recovery_allowed=6.0,
        struck=(struck,),
        checks=checks(results=("the notebook's exception", "ValueError in cell 5, as recorded", True)),
        stages=(StageTale("load", 1, 0), StageTale("clean", 2, 1), StageTale("fit", 0, 0), StageTale("report", 0, 0)),
        events=tuple(story.lines),
        logs={},
    )


def hostile() -> ScenarioResult:
    """Everything that comes from outside tries to be more than text."""
    result = survived()
    first = replace(result.struck[0], told=LONG, point=LONG, before={LONG: LONG}, after={LONG: "\x1b]0;x\x07 gone"})
    return replace(
        result,
        scenario=LONG,
        title=LONG,
        shows=LONG,
        notebook=f"{LONG}.ipynb",
        verdict="broken",
        why=f"{LONG}\x00\x1b[2J\udc80\ufffe",
        struck=(first,),
        checks=(Check(LONG, LONG, LONG, holds=False),),
        violations=(Violation(LONG, LONG, (START + 1,), LONG),),
        events=tuple({**line, "detail": {**line["detail"], "how": LONG}} for line in result.events),
        logs={LONG: LONG},
    )


def all_kinds() -> tuple[ScenarioResult, ...]:
    return (survived(), late(), broken(), invalid(), never_struck(), raised())


def not_run() -> tuple[NotRun, ...]:
    return (
        NotRun("drain-node", "A node is drained in the middle of a run", "It needs 3 nodes; this sandbox has 1."),
        NotRun("pause-api-server", "The API server is away for a while", "It needs the engine kind."),
    )
