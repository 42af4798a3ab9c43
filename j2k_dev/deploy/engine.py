"""A run whose workers are pods: sends its first message, passes on what the pods tell, and ends with the last result.

Everything that counts is on the exchange: this may be killed and called again at any time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from j2k_dev.deploy.pods import dns_label
from j2k_dev.deploy.trouble import counted, explained
from j2k_dev.engine.published import is_the_end, published
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.run import Message, StageResult
from j2k_dev.worker.exchange import Exchange
from j2k_dev.worker.memory import OOM
from j2k_dev.worker.tail import Tail

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from j2k_dev.deploy.trouble import PodView
    from j2k_dev.deploy.watch import PodWatch
    from j2k_dev.worker.events import Event

Progress = Callable[["Event"], None]

_LOOK_SECONDS = 0.05
_LAST_EVENTS_SECONDS = 1.0
# A run that is silent for so long is looked after: is its message still on the bus, can its pods work?
_SILENCE_SECONDS = 5.0


@dataclass(frozen=True)
class PodsSeen:
    """The pods of a stage, counted, and what is wrong with one of them, if anything is."""

    stage: str
    counts: str
    trouble: str


class ClusterBus(Protocol):
    """What a run needs of the bus, beside what workers do."""

    def send(self, topic: str, message: Message) -> None:
        """Append a message to a topic that exists."""

    def waiting(self, topics: Sequence[str], run: str = "") -> int:
        """Count the messages that nobody has forwarded yet, taken ones included: those of one run, or all."""


@dataclass(frozen=True)
class ClusterRun:
    """A run of a deployed pipeline; ``topics`` by stage, in order. Asked for again, it goes on with what it has.

    ``hear`` has what the run told since in ``exchange``, where the pods' own is elsewhere.
    """

    run: str
    topics: Mapping[str, str]
    exchange: Path
    parameters: Mapping[str, Any] = field(default_factory=dict)
    hear: Callable[[], object] = lambda: None


class ClusterEngine:
    """Runs a pipeline whose pods are deployed."""

    def __init__(self, bus: ClusterBus, pods: PodWatch, last_words: Callable[[PodView], str] = lambda _pod: "") -> None:
        self._bus = bus
        self._pods = pods
        self._last_words = last_words

    def run(
        self,
        request: ClusterRun,
        progress: Progress = lambda _event: None,
        seen: Callable[[PodsSeen], None] = lambda _seen: None,
    ) -> tuple[StageResult, ...]:
        """Run to the end, and return the results of the stages in order; the last one says how the run ended.

        ``progress`` hears what the workers tell, ``seen`` what becomes of their pods.
        """
        run = _Run(request, self._bus, self._pods, self._last_words)
        while not run.has_ended():
            run.worked = True
            run.pass_on(progress)
            run.show(seen)
            run.look_after()
            run.give_up_on_trouble()
            time.sleep(_LOOK_SECONDS)  # the exchange may be a network share, which tells nobody of changes
        run.hear_the_end(progress)
        return run.explained()


class _Run:
    def __init__(
        self, request: ClusterRun, bus: ClusterBus, pods: PodWatch, last_words: Callable[[PodView], str]
    ) -> None:
        self._last_words = last_words
        self._request = request
        self._bus = bus
        self._pods = pods
        self._exchange = Exchange(request.exchange)
        self._stages = list(request.topics)
        self._tail = Tail(self._exchange.events(request.run))
        self._heard = time.monotonic() - _SILENCE_SECONDS
        self._troubled: dict[int, float] = {}
        self._ended: set[str] = set()
        self._shown: dict[str, PodsSeen] = {}
        self.results: list[StageResult] = []
        self.worked = False

    def has_ended(self) -> bool:
        """Read what was published since the last time, and say whether that was the last of it."""
        if not is_the_end(self.results, self._stages):
            self.results += published(self._exchange, self._request.run, self._stages[len(self.results) :])
        return is_the_end(self.results, self._stages)

    def pass_on(self, progress: Progress) -> None:
        self._request.hear()
        for event in self._tail.new():
            self._heard = time.monotonic()
            self._ended |= {event.stage} if event.event == "ended" else set()
            progress(event)
            if event.event == "stuck":
                raise MachineryFailed(event.detail["message"], event.detail["way_out"])

    def hear_the_end(self, progress: Progress) -> None:
        """Pass on what the last worker tells after it has published; it may be dead."""
        deadline = time.monotonic() + _LAST_EVENTS_SECONDS
        self.pass_on(progress)
        while self.worked and self.results[-1].stage not in self._ended and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
            self.pass_on(progress)

    def show(self, seen: Callable[[PodsSeen], None]) -> None:
        """Tell what changed of the pods of stages that are still to come."""
        for number in range(len(self.results), len(self._stages)):
            pods = self._pods_of(number)
            now = PodsSeen(self._stages[number], counted(pods), next((explained(pod) for pod in pods if pod.why), ""))
            if self._shown.get(now.stage) != now:
                self._shown[now.stage] = now
                seen(now)

    def look_after(self) -> None:
        """Where nothing was heard for a while, see to it that there is a message, and pods that can take it."""
        if time.monotonic() - self._heard < _SILENCE_SECONDS:
            return
        self._heard = time.monotonic()
        if not self._bus.waiting(list(self._request.topics.values()), self._request.run):
            self._send()

    def _send(self) -> None:
        """Send the message of the first stage without a result; a second one for the same would do no harm."""
        stage = self._stages[len(self.results)]
        snapshot = self.results[-1].snapshot if self.results else None
        parameters, topics = dict(self._request.parameters), dict(self._request.topics)
        message = Message(self._request.run, stage, snapshot, parameters, topics=topics)
        self._bus.send(self._request.topics[stage], message)

    def give_up_on_trouble(self) -> None:
        """Raise where a stage that is still to come has no pod that can work, nor will have one soon."""
        for number in range(len(self.results), len(self._stages)):
            pods = self._pods_of(number)
            if not pods or not all(pod.why for pod in pods):
                self._troubled.pop(number, None)
                continue
            since = self._troubled.setdefault(number, time.monotonic())
            if time.monotonic() - since > max(pod.patience for pod in pods):
                raise _cannot_go_on(
                    self._stages[number], pods[0], self._last_words(pods[0]) if pods[0].restarts else ""
                )

    def explained(self) -> tuple[StageResult, ...]:
        """Return the results; where a stage lost its workers for memory, which only their pods know, it says so."""
        last = self.results[-1]
        killed = [pod.killed for pod in self._pods_of(len(self.results) - 1) if OOM in pod.killed]
        if last.failure and killed and OOM not in last.failure:
            last = replace(last, failure=f"{last.failure} ({killed[0]})")
        return (*self.results[:-1], last)

    def _pods_of(self, number: int) -> list[PodView]:
        """Return the pods that take a stage's messages: those of another image read another topic."""
        stage = self._stages[number]
        pods = self._pods.pods(dns_label(f"stage-{number + 1}-{stage}"))
        return [pod for pod in pods if pod.topic == self._request.topics[stage] and pod.phase != "stopping"]


def _cannot_go_on(stage: str, pod: PodView, last_words: str) -> MachineryFailed:
    wrote = f"; it wrote last: {last_words}" if last_words else ""
    return MachineryFailed(f"stage {stage} can't go on: the pod {pod.name}: {explained(pod)}{wrote}", pod.way_out)
