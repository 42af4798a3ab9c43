"""Made-up histories, written as they would be told: worker after worker, a second from one event to the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from j2k_dev.model.scenario import Publication, Struck
from j2k_dev.scenario.history import RunHistory
from j2k_dev.worker.bus import Topics
from j2k_dev.worker.events import Event

if TYPE_CHECKING:
    from j2k_dev.scenario.model import Fault

CELLS = {"load": (0, 1), "fit": (2, 3), "plot": (4, 5)}
STAGES = tuple(CELLS)
RUN = "run-1"
TOPICS = Topics(RUN)


@dataclass
class Story:
    """A run of three stages of two cells each; ``zygote`` is the number of the process that workers come from."""

    pods: bool = False
    zygote: int = 100
    clock: float = 1000.0
    events: list[Event] = field(default_factory=list)
    publications: list[Publication] = field(default_factory=list)
    struck: list[Struck] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def worker(self, stage: str) -> Teller:
        """Have another worker of a stage."""
        number = next(self._numbers)
        name = f"stage-{stage}-7c9d84bf6d-{number:05x}" if self.pods else f"{stage}-{self.zygote}-{number:06x}"
        return Teller(self, stage, name)

    def runs(self, *stages: str) -> None:
        """Have stages run by a worker of their own each, without trouble."""
        for stage in stages:
            self.worker(stage).works().publishes().ends().forwards()

    def adopts(self, stage: str) -> None:
        """Take over what an earlier run published."""
        self.publications.append(Publication(stage, 1, self.later(), "published"))

    def loses(self, teller: Teller) -> None:
        """Have the zygote tell that a worker died."""
        detail = {"worker": teller.name, "how": "killed by SIGKILL"}
        self.events.append(
            Event(self.later(), f"zygote-{self.zygote}", RUN, teller.stage, 0, "worker-lost", detail),
        )

    def strikes(self, fault: Fault, teller: Teller, process: str = "worker", seconds: float = 0.0) -> None:
        """Do something to a worker, or for a while to what it stands on."""
        at = self.later()
        undone = at + seconds if seconds else 0.0
        self.struck.append(
            Struck(fault, teller.stage, "cell", 1, teller.name, at, {}, {}, True, "", undone, process=process)
        )

    def later(self, seconds: float = 1.0) -> float:
        """Let time pass."""
        self.clock += seconds
        return self.clock

    def ends(self, outcome: str | None = "equal", **known: Any) -> RunHistory:
        """Say how the run ended, and give what is known of it."""
        return RunHistory(
            tuple(sorted(self.events, key=lambda event: event.time)),
            STAGES,
            tuple(self.publications),
            outcome,
            struck=tuple(self.struck),
            **known,
        )


@dataclass
class Teller:
    """A worker of a stage, and what it tells; each method tells one thing and returns the worker."""

    story: Story
    stage: str
    name: str
    attempt: int = 1

    def tells(self, event: str, **detail: Any) -> Teller:
        """Tell anything."""
        told = Event(self.story.later(), self.name, RUN, self.stage, self.attempt, event, detail)
        self.story.events.append(told)
        return self

    def takes(self, attempt: int = 1) -> Teller:
        """Take the message, for an attempt of that number."""
        self.attempt = attempt
        return self.tells("taken", process=7)

    def finds_result(self, attempt: int = 1) -> Teller:
        """Take a message of a stage that has its result."""
        self.attempt = attempt
        return self.tells("taken", published=True)

    def starts(self) -> Teller:
        """Have the cells' process begin."""
        return self.tells("started", process=8).tells("restored", seconds=0.1)

    def cell(self, place: int) -> Teller:
        """Begin the first or second cell of the stage, and go on until it is done."""
        return self.begins_cell(place).tells("cell-finished", cell=CELLS[self.stage][place - 1], seconds=0.5)

    def begins_cell(self, place: int) -> Teller:
        """Begin the first or second cell of the stage."""
        return self.tells("cell-started", cell=CELLS[self.stage][place - 1])

    def works(self, attempt: int = 1) -> Teller:
        """Take the message and run all cells."""
        return self.takes(attempt).starts().cell(1).cell(2).tells("ran", seconds=1.0).tells("writing-result")

    def works_halfway(self, attempt: int = 1) -> Teller:
        """Take the message and come as far as the second cell."""
        return self.takes(attempt).starts().cell(1).begins_cell(2)

    def publishes(self, outcome: str = "published") -> Teller:
        """Put the result on the exchange."""
        self.story.publications.append(Publication(self.stage, self.attempt, self.story.later(), outcome))
        return self

    def ends(self, outcome: str = "published", published: int | None = None) -> Teller:
        """Say how the attempt ended, and which one published."""
        return self.tells("ended", outcome=outcome, how="", published=published or self.attempt)

    def is_lost(self) -> Teller:
        """Say that the cells' process died."""
        return self.tells("ended", outcome="lost", how="killed by SIGKILL")

    def retries(self) -> Teller:
        """Put the message back."""
        return self.tells("retried")

    def forwards(self) -> Teller:
        """Pass on the result."""
        place = STAGES.index(self.stage) + 1
        return self.tells("forwarded", to=[TOPICS.stage(STAGES[place]) if place < len(STAGES) else TOPICS.results])

    def tells_end(self, *before: str) -> Teller:
        """Pass on how the run ended."""
        return self.tells("forwarded", to=[*before, TOPICS.results])

    def abandons(self, how: str = "the message was given to another worker") -> Teller:
        """Leave the message to others."""
        return self.tells("abandoned", how=how)

    def gives_up(self) -> Teller:
        """Give the message up, publish that, and tell the run's end."""
        return self.tells("dead-letter", how="").publishes("lost").tells_end(TOPICS.dead_letters)


def a_good_history() -> RunHistory:
    """Tell a run with one lost attempt, retried by the same worker: whoever changes a word of it lies."""
    story = Story()
    story.runs("load")
    story.worker("fit").works_halfway().is_lost().retries().works(2).publishes().ends().forwards()
    story.runs("plot")
    return story.ends()


def nothing_happened() -> RunHistory:
    story = Story()
    story.runs(*STAGES)
    return story.ends()


def a_message_came_twice() -> RunHistory:
    story = Story()
    story.runs("load")
    fit = story.worker("fit").works().publishes().ends().forwards()
    fit.finds_result().forwards()
    plot = story.worker("plot").works().publishes().ends().forwards()
    plot.finds_result().forwards()
    return story.ends(sent={"fit": 1})


def the_notebook_raised() -> RunHistory:
    story = Story()
    story.runs("load")
    story.worker("fit").takes().starts().cell(1).tells("ran").publishes("raised").ends("raised").tells_end()
    return story.ends("raised")


def all_attempts_were_lost() -> RunHistory:
    story = Story()
    story.runs("load")
    fit = story.worker("fit")
    for attempt in (1, 2):
        fit.works_halfway(attempt).is_lost().retries()
    fit.works_halfway(3).is_lost().gives_up()
    return story.ends("failed")
