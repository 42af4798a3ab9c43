"""The worker's parent: takes messages from the bus, has a child execute them, and sends what follows.

It keeps one child prepared while it waits. One loop, one thread: it is what liveness means. A cluster's health
endpoint belongs into that loop too, as one more descriptor to wait for.
"""

from __future__ import annotations

import functools
import os
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from j2k_dev.model.errors import J2kError
from j2k_dev.model.run import Message, StageResult
from j2k_dev.worker import events, memory, processes
from j2k_dev.worker.attempt import BEAT_SECONDS, Blocked, Broken, Lost, Outcome, Published, Watch
from j2k_dev.worker.bus import Bus, Delivery, LeaseLost, TopicNames
from j2k_dev.worker.child import Child, StageProgram, outcome_of
from j2k_dev.worker.exchange import Exchange, PublicationDamaged
from j2k_dev.worker.holds import hold
from j2k_dev.worker.sqlite_bus import LEASE_SECONDS, SqliteBus

if TYPE_CHECKING:
    from j2k_dev.worker.channel import Channel

DONE = 0
STOPPED = 3
STUCK = 4

# Where a worker itself can be held: before the cells' process has the message, between publishing and committing, and
# before the next message. All other points are the cells' process's.
_OWN_POINTS = {"taken", "ended", "forwarded"}


@dataclass(frozen=True)
class WorkerSpec:
    """What one worker serves: its stage, the one after it, and where everything is.

    ``timeout`` in seconds per cell; ``attempts`` per message and ``session``; ``once``: end when a message is done;
    ``lease`` in seconds: a worker that is silent for so long loses its message.
    """

    stage: str
    following: str | None
    program: StageProgram
    topics: TopicNames
    bus: str
    log: str
    session: str
    attempts: int = 3
    timeout: float | None = None
    once: bool = True
    lease: float = LEASE_SECONDS


class Worker:
    """The parent process of one stage; ``own`` are descriptors of the bus that its children have to close."""

    def __init__(
        self, spec: WorkerSpec, name: str, control: Channel, live: int, bus: Bus, own: Sequence[int] = ()
    ) -> None:
        self._spec = spec
        self._name = name
        self._control = control
        self._live = live
        self._signals = processes.ChildSignals()
        self._close = (control.descriptor, live, *self._signals.descriptors, *own)
        self._bus = bus
        self._exchange = Exchange(Path(spec.program.exchange))
        self._child: Child | None = None
        self._histories: dict[str, events.History] = {}

    def serve(self) -> int:
        """Work until there is nothing more to do, or until asked to stop; return the exit status."""
        status = STOPPED
        try:
            while status == STOPPED and not self._asked_to_stop():
                delivery = self._bus.take(self._topic, self._name, BEAT_SECONDS, self._wakes())
                self._housekeeping()
                if delivery is not None:
                    status = self._handle(delivery)
                    self._make_ready(status)
        except J2kError as error:
            status = self._give_up(error.message, error.way_out)
        finally:
            self._end_child()
            self._bus.close()
        return status

    @property
    def _topic(self) -> str:
        return self._spec.topics.stage(self._spec.stage)

    def _asked_to_stop(self) -> bool:
        return self._signals.stop or self._control.closed

    def _wakes(self) -> tuple[int, ...]:
        own = (self._control.descriptor, self._signals.descriptor)
        waits = self._child is not None and not self._child.channel.closed
        return (*own, self._child.channel.descriptor) if waits and self._child else own

    def _housekeeping(self) -> None:
        self._signals.drain()
        self._control.send({"beat": True})
        for line in self._control.receive_ready():
            if line.get("prepare") and self._child is None:
                self._prepare()
        if self._child is not None:
            self._hear_waiting_child(self._child)

    def _make_ready(self, status: int) -> None:
        """Replace a child that had its message, unless no other message is awaited."""
        if status == STOPPED and (self._child is None or self._child.started):
            self._end_child()
            self._prepare()

    def _hear_waiting_child(self, child: Child) -> None:
        over = child.is_over()
        if any("ready" in line for line in child.lines()):
            self._control.send({"ready": True})
            self._log("a prepared process waits")
        if over:
            # It will be forked again when a message is there, and what then goes wrong counts.
            self._log(f"the waiting process was lost: {self._end_child()}")
            self._control.send({"ready": True})

    def _prepare(self) -> Child:
        self._bus.close()  # an open SQLite connection may not cross a fork
        self._child = Child.fork(self._spec.program, self._close)
        self._control.send({"child": self._child.process})
        return self._child

    def _end_child(self) -> str:
        how = ""
        if self._child is not None:
            how, self._child = self._child.end(), None
            self._control.send({"child": None})
        return how

    def _handle(self, delivery: Delivery) -> int:
        message = delivery.message
        report = self._reporter(message.run, message.attempt)
        try:
            done = self._exchange.read(message.run, message.stage)
            if done is not None:
                report("taken", {"published": True})
                return self._forward(delivery, self._after(done, message), report)
            return self._attempt(delivery)
        except LeaseLost as error:
            self._end_child()
            report("abandoned", {"how": str(error)})
            return STOPPED
        except PublicationDamaged as error:
            report("stuck", {"message": error.message, "way_out": error.way_out})
            return STUCK

    def _attempt(self, delivery: Delivery) -> int:
        message = delivery.message
        if self._tries(message) >= self._spec.attempts:
            message = replace(message, attempt=max(self._exchange.claims(message.run, message.stage)))
            return self._bury(delivery, message, self._reporter(message.run, message.attempt))
        message = replace(message, attempt=self._claim(message))
        report = self._reporter(message.run, message.attempt)
        child = self._child or self._prepare()
        kills = memory.kills()
        report("taken", {"process": os.getpid()})
        child.start(message)
        report("started", {"process": child.process})
        self._control.send({"ready": True})
        beat = functools.partial(self._bus.beat, delivery)
        watch = Watch(child, self._control, self._signals, beat, report, self._spec.timeout)
        outcome = watch.until_the_end()
        # Ending a process takes a while; what follows need not wait for one that can do nothing more.
        how = "" if isinstance(outcome, Published) and child.leaves_nobody() else self._end_child()
        how = memory.explained(how, kills)
        return self._conclude(delivery, message, self._heard_last(outcome, message, how), report)

    def _claim(self, message: Message) -> int:
        return self._exchange.claim(message.run, message.stage, self._name, self._spec.session)

    def _tries(self, message: Message) -> int:
        return self._exchange.tries(message.run, message.stage, self._spec.session)

    def _heard_last(self, outcome: Outcome, message: Message, how: str) -> Outcome:
        """See to it that a child killed between publishing and saying so did publish."""
        if not isinstance(outcome, Lost):
            return outcome
        done = self._exchange.read(message.run, message.stage)
        return (
            Lost(outcome.how or how) if done is None else Published(outcome_of(done), done.failure or "", done.attempt)
        )

    def _conclude(self, delivery: Delivery, message: Message, outcome: Outcome, report: Report) -> int:
        if isinstance(outcome, Published):
            report("ended", {"outcome": outcome.outcome, "how": outcome.how, "published": outcome.attempt})
            return self._forward_published(delivery, report)
        if isinstance(outcome, Lost):
            report("ended", {"outcome": "lost", "how": outcome.how})
            return self._try_again(delivery, message, report)
        if isinstance(outcome, Blocked):
            how = f"cell {outcome.cell} ran longer than {self._spec.timeout:g} s (--timeout)"
            report("ended", {"outcome": "lost", "how": how})
            return self._fail(delivery, message, how, report)
        if isinstance(outcome, Broken):
            return self._conclude_broken(delivery, message, outcome, report)
        if self._asked_to_stop():
            self._exchange.excuse(message.run, message.stage, message.attempt)
        report("abandoned", {"how": outcome.how})
        return STOPPED

    def _conclude_broken(self, delivery: Delivery, message: Message, outcome: Broken, report: Report) -> int:
        report("ended", {"outcome": "refused" if outcome.refused else "lost", "how": outcome.message})
        if outcome.stuck:
            return self._give_up(outcome.message, outcome.way_out)
        failure = f"{outcome.message}. {outcome.way_out}" if outcome.way_out else outcome.message
        return self._fail(delivery, message, failure, report, refused=outcome.refused)

    def _forward_published(self, delivery: Delivery, report: Report) -> int:
        done = self._exchange.read(delivery.message.run, delivery.message.stage)
        assert done is not None
        return self._forward(delivery, self._after(done, delivery.message), report)

    def _try_again(self, delivery: Delivery, message: Message, report: Report) -> int:
        if self._tries(message) >= self._spec.attempts:
            return self._bury(delivery, message, report)
        self._bus.forward(delivery, [(self._topic, replace(message, attempt=message.attempt + 1))])
        report("retried", {})
        return STOPPED

    def _bury(self, delivery: Delivery, message: Message, report: Report) -> int:
        history = events.read_events(self._exchange.events(message.run))
        failure = describe_losses(events.losses_of(history, message.stage)[-self._spec.attempts :])
        report("dead-letter", {"how": failure})
        return self._fail(delivery, message, failure, report, dead=True)

    def _fail(
        self,
        delivery: Delivery,
        message: Message,
        failure: str,
        report: Report,
        *,
        refused: bool = False,
        dead: bool = False,
    ) -> int:
        result = StageResult(
            message.run, message.stage, message.attempt, None, (), 0.0, failure=failure, refused=refused
        )
        published = self._exchange.publish(result)
        letter = [(self._spec.topics.dead_letters, message)] if dead else []
        return self._forward(delivery, [*letter, *self._after(published, message)], report)

    def _after(self, done: StageResult, message: Message) -> list[tuple[str, Message]]:
        """Say what has to be sent once a stage has its result."""
        if self._spec.following is None or outcome_of(done) != "published":
            return [(self._spec.topics.results, Message(done.run, done.stage, done.snapshot))]
        following = self._spec.following
        topic = message.topics.get(following) or self._spec.topics.stage(following)
        return [(topic, Message(done.run, following, done.snapshot))]

    def _forward(self, delivery: Delivery, following: list[tuple[str, Message]], report: Report) -> int:
        taken = delivery.message
        kept = [(to, replace(each, parameters=taken.parameters, topics=taken.topics)) for to, each in following]
        self._bus.forward(delivery, kept)
        report("forwarded", {"to": [topic for topic, _ in following]})
        return DONE if self._spec.once else STOPPED

    def _give_up(self, message: str, way_out: str) -> int:
        """Leave the message where it is: after a repair, the run goes on from here."""
        self._tell(events.now(self._name, "", self._spec.stage, 0, "stuck", {"message": message, "way_out": way_out}))
        return STUCK

    def _reporter(self, run: str, attempt: int) -> Report:
        def say(event: str, detail: dict[str, Any]) -> None:
            happened = events.now(self._name, run, self._spec.stage, attempt, event, detail)
            self._history(run).append(happened)
            self._tell(happened)

        def report(event: str, detail: dict[str, Any]) -> None:
            say(event, detail)
            if event in _OWN_POINTS:
                hold(self._exchange.holds(run), self._spec.stage, event, {}, say)

        return report

    def _history(self, run: str) -> events.History:
        if run not in self._histories:
            self._histories[run] = events.History(self._exchange.events(run), self._name)
        return self._histories[run]

    def _tell(self, event: events.Event) -> None:
        events.tell(self._live, event)
        self._log(f"{event.event} {event.detail or ''}")

    def _log(self, text: str) -> None:
        processes.log(f"{time.strftime('%H:%M:%S')} {self._name}: {text}\n")


Report = Callable[[str, dict[str, Any]], None]


def describe_losses(losses: Sequence[events.Loss]) -> str:
    """Say how often a stage lost its process, doing what, and how, in one sentence."""
    times = "once" if len(losses) == 1 else f"{len(losses)} times"
    phrases = list(dict.fromkeys(f"{loss.doing}: {loss.how}" for loss in losses))
    text = f"its process was lost {times} {phrases[0]}"
    if len(phrases) > 1:
        text = f"its process was lost {times}, {'; '.join(phrases)}"
    killed = "SIGKILL" in text and memory.OOM not in text
    return f"{text} (the system does that when memory runs out)" if killed else text


def be_a_worker(spec: WorkerSpec, name: str, control: Channel, live: int, close: Sequence[int]) -> NoReturn:
    """Be the parent in a process forked for it, and never come back."""
    status = 1
    try:
        processes.close_all(close)
        processes.point_output_at(Path(spec.log))
        processes.adopt_orphans()
        status = Worker(spec, name, control, live, SqliteBus(Path(spec.bus), spec.lease)).serve()
    except BaseException:  # noqa: BLE001 - this frame never returns, so nobody else would print it
        processes.log(traceback.format_exc())
    finally:
        os._exit(status)
