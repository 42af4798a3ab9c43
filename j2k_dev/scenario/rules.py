"""What a pipeline promises of every run (DESIGN sections 1, 5 and 6), and how a history shows that it was broken.

Nothing here is a matter of luck: a worker that was killed at any moment, two that work on the same message after a
lease was lost, a message that came twice and a j2k that was started again break no promise.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from j2k_dev.model.scenario import Violation
from j2k_dev.scenario.history import CLOSING, RunHistory, Turn, goes_to, session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from j2k_dev.model.scenario import Publication
    from j2k_dev.worker.events import Event

Broken = tuple[str, tuple[float, ...]]
"""In what a promise was broken, and when."""

# Two workers that look for a result at the same moment may both find none: what they do then is within so long.
_RACE_SECONDS = 0.5
# j2k looks for the message of a run that was silent for 5 s, and sends another if there is none; it hears a bit late.
_SILENCE_SECONDS = 4.0
# What j2k says of a run that ended with such a stage.
_ENDS = {"published": {"equal", "different", "unverified"}, "raised": {"raised"}}
# After these, results may be lost that were published: j2k then says so.
_DAMAGING = {"damage-blob", "truncate-blob", "remove-snapshot"}


@dataclass(frozen=True)
class Rule:
    """A promise, and what finds where it was broken."""

    id: str
    promise: str
    broken: Callable[[RunHistory], Iterator[Broken]]


def violations(history: RunHistory) -> tuple[Violation, ...]:
    """Check all rules; nothing found means that every promise was looked at and held."""
    strangers = tuple(_strangers(history))
    if strangers:  # what is not of this run can't be judged
        return tuple(Violation("of-this-run", told, times, RULES[0].promise) for told, times in strangers)
    return tuple(
        Violation(rule.id, told, times, rule.promise) for rule in RULES for told, times in rule.broken(history)
    )


def _strangers(history: RunHistory) -> Iterator[Broken]:
    """Everything told is of one run and of its stages."""
    runs = {event.run for event in history.events} - {""}
    if len(runs) > 1:
        yield f"the history is of several runs: {', '.join(sorted(runs))}", ()
    named = {event.stage for event in history.events} | {one.stage for one in history.publications}
    for stage in sorted(named - set(history.stages)):
        yield f"something was told of {stage}, which is no stage of this run", ()


# --- the run ----------------------------------------------------------------------------------------------------------


def _ends_once(history: RunHistory) -> Iterator[Broken]:
    stage, end = _end(history)
    if history.outcome is None:
        yield "the run never ended", ()
    elif end is None:
        yield from _gave_up(history, stage)
    else:
        damaged = history.outcome == "failed" and any(one.fault in _DAMAGING for one in history.struck)
        if history.outcome not in _ENDS.get(end.outcome, {"failed"}) and not damaged:
            yield f"stage {stage} ended {end.outcome}, and j2k says of the run: {history.outcome}", (end.at,)
        if not _is_passed_on(history, stage):
            yield f"nobody told on the results topic that the run ended with stage {stage}", (end.at,)


def _end(history: RunHistory) -> tuple[str, Publication | None]:
    """Return the stage that the run ended with, or came to, and what it published."""
    for stage in history.stages:
        published = history.publication(stage)
        if published is None or published.outcome != "published":
            break
    return stage, published


def _gave_up(history: RunHistory, stage: str) -> Iterator[Broken]:
    """Check a run that has no end on the exchange: that is none, unless j2k gave it up by name."""
    later = history.stages[history.stages.index(stage) + 1 :]
    after = [one for one in history.publications if one.stage in later]
    if history.outcome != "failed" or after:
        told = f"the run ended ({history.outcome}), and stage {stage} published nothing"
        yield told, tuple(one.at for one in after)


def _is_passed_on(history: RunHistory, stage: str) -> bool:
    """Say whether a stage's worker passed on its result, or may have been killed before it could, or could say so."""
    turns = history.turns_of(stage)
    told = any(turn.first("forwarded") or turn.first("abandoned") or not turn.is_closed for turn in turns)
    return told or stage in history.adopted or history.is_blind(0, float("inf"))


def _nothing_after_the_end(history: RunHistory) -> Iterator[Broken]:
    for turn in history.turns:
        if turn.is_attempt and turn.began > history.end_told and not history.was_stopped(turn):
            yield f"{turn} began after the run's end was told", (history.end_told, turn.began)


def _one_publication(history: RunHistory) -> Iterator[Broken]:
    for stage in history.stages:
        own = [one for one in history.publications if one.stage == stage]
        if len(own) > 1:
            numbers = ", ".join(str(one.attempt) for one in own)
            yield f"stage {stage} published {len(own)} times: attempts {numbers}", tuple(one.at for one in own)
        for published in own[:1]:
            yield from _publisher_unknown(history, published)
        for turn in history.turns_of(stage):
            yield from _names_another(turn, own[0] if own else None)


def _publisher_unknown(history: RunHistory, published: Publication) -> Iterator[Broken]:
    numbers = {turn.attempt for turn in history.turns_of(published.stage) if not turn.found_result}
    known = published.attempt in numbers or published.stage in history.adopted
    if not known and not history.is_blind(published.at, published.at):
        told = f"attempt {published.attempt} of stage {published.stage} published, and nobody told of that attempt"
        yield told, (published.at,)


def _names_another(turn: Turn, published: Publication | None) -> Iterator[Broken]:
    ended = turn.first("ended")
    named = ended.detail.get("published") if ended is not None else None
    if ended is None or not named:
        return
    if published is None:
        yield f"{turn} says that attempt {named} published, and the exchange has nothing", (ended.time,)
    elif (named, turn.outcome) != (published.attempt, published.outcome):
        says = f"attempt {named} {turn.outcome}"
        has = f"attempt {published.attempt} {published.outcome}"
        yield f"{turn} says: {says}; the exchange has: {has}", (published.at, ended.time)


# --- from stage to stage ----------------------------------------------------------------------------------------------


def _publish_before_forward(history: RunHistory) -> Iterator[Broken]:
    for turn in history.turns:
        published = history.publication(turn.stage)
        event = next((event for event in turn.events if _needs_result(event)), None)
        if event is not None and published is None:
            yield f"{turn} {_says(event)}, and the stage published nothing", (event.time,)
        elif event is not None and published is not None and published.at > event.time:
            late = published.at - event.time
            yield f"{turn} {_says(event)} {late:.3f} s before it was published", (event.time, published.at)
        elif published is not None and _passes_on_nothing(turn, published):
            yield f"{turn} was lost, and yet passed on a result", (turn.last,)


def _needs_result(event: Event) -> bool:
    return event.event == "forwarded" or bool(event.event in {"taken", "ended"} and event.detail.get("published"))


def _says(event: Event) -> str:
    return "passed on a result" if event.event == "forwarded" else "says that there is a result"


def _passes_on_nothing(turn: Turn, published: Publication) -> bool:
    """Say whether a lost attempt passed on what is not its own failure."""
    failed = turn.first("dead-letter") is not None or published.attempt == turn.attempt
    ended = turn.first("ended")
    heard = ended is not None and bool(ended.detail.get("published"))
    return turn.outcome == "lost" and turn.first("forwarded") is not None and not failed and not heard


def _passed_on_rightly(history: RunHistory) -> Iterator[Broken]:
    for turn in history.turns:
        event, published = turn.first("forwarded"), history.publication(turn.stage)
        if event is None or published is None:
            continue
        following = history.following(turn.stage) if published.outcome == "published" else None
        topics = [str(topic) for topic in event.detail.get("to", ())]
        right = any(goes_to(following, topic) for topic in topics) if following else history.tells_end(event)
        if not right or (following and history.tells_end(event)):
            where = f"stage {following}" if following else "the results topic"
            yield f"{turn} sent to {', '.join(topics) or 'nobody'} what belongs to {where}", (event.time,)


def _stages_in_order(history: RunHistory) -> Iterator[Broken]:
    for turn in history.turns:
        event, previous = turn.first("cell-started"), history.previous(turn.stage)
        if event is None or previous is None:
            continue
        before = history.publication(previous)
        if before is None or before.at > event.time:
            yield f"{turn} ran cells before stage {previous} had published", (event.time,)
        elif before.outcome != "published":
            yield f"{turn} ran cells, and stage {previous} had ended {before.outcome}", (before.at, event.time)


def _deliveries(history: RunHistory) -> Iterator[Broken]:
    surplus = {stage: _surplus(history, stage) for stage in history.stages}
    most = history.commands + _silences(history)
    if sum(surplus.values()) > most:
        counted = ", ".join(f"{count} more of stage {stage}" for stage, count in surplus.items() if count)
        yield f"messages were passed on that nobody sent: {counted}; j2k itself sent {most} at most", ()


def _surplus(history: RunHistory, stage: str) -> int:
    """Count the messages that a stage was done with beyond those it got from the stage before and the scenario."""
    previous = history.previous(stage)
    given = sum(turn.may_have_forwarded for turn in history.turns_of(previous)) if previous else 0
    done = sum(turn.first("forwarded") is not None for turn in history.turns_of(stage))
    return max(0, done - given - history.sent.get(stage, 0))


def _silences(history: RunHistory) -> int:
    """Count the silences in which j2k may have sent a message again: it does so where workers are pods."""
    if any(session_of(turn.worker) for turn in history.turns):
        return 0
    times = sorted(event.time for event in history.events)
    return sum(after - before >= _SILENCE_SECONDS for before, after in pairwise(times))


# --- attempts ---------------------------------------------------------------------------------------------------------


def _exceptions_are_final(history: RunHistory) -> Iterator[Broken]:
    for turn in history.turns:
        retried = turn.first("retried")
        if retried is not None and turn.outcome == "raised":
            yield f"{turn} raised the notebook's own exception, and was retried", (retried.time,)
    yield from _begun_again(history, {"raised"}, "although the notebook had raised there")


def _results_are_final(history: RunHistory) -> Iterator[Broken]:
    yield from _begun_again(history, {"published", "refused"}, "although the stage had its result")


def _begun_again(history: RunHistory, outcomes: set[str], why: str) -> Iterator[Broken]:
    for stage in history.stages:
        published = history.publication(stage)
        if published is None or published.outcome not in outcomes:
            continue
        for turn in history.attempts_of(stage):
            since = published.at + (0 if _knew(turn, history) else _RACE_SECONDS)
            if since < turn.began <= history.end_told and not history.was_stopped(turn):
                yield f"{turn} was begun {why}", (published.at, turn.began)


def _knew(turn: Turn, history: RunHistory) -> bool:
    """Say whether its worker had itself told before that the stage has a result."""
    own = (other for other in history.turns_of(turn.stage) if other.worker == turn.worker and other.began < turn.began)
    return any(other.outcome not in {"", "lost"} for other in own)


def _retried_after_loss(history: RunHistory) -> Iterator[Broken]:
    for turn in history.turns:
        retried = turn.first("retried")
        if retried is not None and turn.outcome not in {"lost", "raised"}:
            yield f"{turn} was retried, and had ended {turn.outcome or 'nowhere'}", (retried.time,)


def _attempts_allowed(history: RunHistory) -> Iterator[Broken]:
    for stage in history.stages:
        for turn in history.attempts_of(stage):
            used, retried = _used_before(turn, history), turn.first("retried")
            if used >= history.attempts:
                yield f"{turn} was begun after {used} attempts, and {history.attempts} are allowed", (turn.began,)
            elif retried is not None and turn.outcome == "lost" and used + 1 >= history.attempts:
                yield f"{turn} was retried after {used + 1} attempts, which are all that are allowed", (retried.time,)


def _used_before(turn: Turn, history: RunHistory) -> int:
    """Count the attempts that were over for good when this one began; those that were abandoned don't count."""
    return sum(
        session_of(other.worker) == session_of(turn.worker)
        for other in history.attempts_of(turn.stage)
        if other.last <= turn.began and other != turn and other.first("abandoned") is None
    )


def _dead_letter_when_used_up(history: RunHistory) -> Iterator[Broken]:
    for turn in history.turns:
        letter, published = turn.first("dead-letter"), history.publication(turn.stage)
        if letter is None:
            continue
        if turn.outcome not in {"", "lost"}:
            yield f"{turn} ended {turn.outcome}, and its message was given up", (letter.time,)
        elif (most := _used_at_most(turn, letter.time, history)) < history.attempts:
            told = f"{turn} was given up after {most} attempts, and {history.attempts} are allowed"
            yield told, (letter.time,)
        elif published is not None and (published.attempt, published.outcome) == (turn.attempt, "published"):
            yield f"{turn} was given up, and published", (letter.time, published.at)


def _used_at_most(turn: Turn, until: float, history: RunHistory) -> int:
    """Count the attempts of which anything is known, or which have to have been where numbers are missing."""
    before = [other for other in history.turns_of(turn.stage) if other.began <= until]
    others = {other.attempt for other in before if session_of(other.worker) != session_of(turn.worker)}
    excused = {other.attempt for other in before if _asked_to_stop(other)}
    return max(other.attempt for other in before) - len(others | excused)


def _asked_to_stop(turn: Turn) -> bool:
    abandoned = turn.first("abandoned")
    return abandoned is not None and abandoned.detail.get("how") == "asked to stop"


def _attempt_numbers(history: RunHistory) -> Iterator[Broken]:
    for stage in history.stages:
        turns = history.attempts_of(stage)
        numbers = [turn.attempt for turn in turns]
        for turn, again in ((a, b) for a, b in pairwise(sorted(turns, key=_number)) if a.attempt == b.attempt):
            yield f"attempt {turn.attempt} of stage {stage} was started twice", (turn.began, again.began)
        if len(set(numbers)) == len(numbers):
            yield from _numbers_fall(turns, history)


def _number(turn: Turn) -> int:
    return turn.attempt


def _numbers_fall(turns: Iterable[Turn], history: RunHistory) -> Iterator[Broken]:
    for before, after in pairwise(turn for turn in turns if not history.was_stopped(turn)):
        overlap = before.last > after.began and before.worker != after.worker
        if after.attempt < before.attempt and not overlap:
            yield f"{after} was begun after attempt {before.attempt}", (before.began, after.began)


# --- what a worker may tell -------------------------------------------------------------------------------------------


def _cells_in_order(history: RunHistory) -> Iterator[Broken]:
    for stage in history.stages:
        turns = [turn for turn in history.attempts_of(stage) if not history.is_blind(turn.began, turn.last)]
        wrong = [(turn, found) for turn in turns for found in [_wrong_cell(turn)] if found]
        for turn, (event, told) in wrong:
            yield f"{turn}: {told}", (event.time,)
        longest = max((_cells(turn) for turn in turns), key=len, default=[])
        for turn in [] if wrong else turns:
            if (cells := _cells(turn)) != longest[: len(cells)]:
                yield f"{turn} ran cells {cells}, and another attempt {longest}", (turn.began,)


def _cells(turn: Turn) -> list[int]:
    return [event.detail.get("cell", -1) for event in turn.events if event.event == "cell-started"]


def _wrong_cell(turn: Turn) -> tuple[Event, str] | None:
    """Find the first event that does not fit: cells run one after the other, each once, on a restored state."""
    running: int | None = None
    latest, restored = -1, False
    for event in turn.events:
        cell: int = event.detail.get("cell", -1)
        if event.event == "cell-started" and running is not None:
            return event, f"cell {cell} started while cell {running} ran"
        if event.event == "cell-started" and not restored:
            return event, f"cell {cell} started before the state was restored"
        if event.event == "cell-started" and cell <= latest:
            return event, f"cell {cell} started after cell {latest}"
        if event.event == "cell-finished" and cell != running:
            return event, f"cell {cell} finished, and {'none' if running is None else f'cell {running}'} ran"
        if _is_own_result(event) and running is not None:
            return event, f"it published while cell {running} ran"
        restored = restored or event.event == "restored"
        if event.event == "cell-started":
            running = latest = cell
        elif event.event == "cell-finished":
            running = None
    return None


def _is_own_result(event: Event) -> bool:
    named = event.detail.get("published")
    return event.event == "ended" and event.detail.get("outcome") == "published" and named in {None, event.attempt}


def _dead_are_silent(history: RunHistory) -> Iterator[Broken]:
    for turn in history.turns:
        death, published = history.death(turn), history.publication(turn.stage)
        late = [event for event in turn.events if event.time > death]
        if late:
            told = (
                f"{turn}: {late[0].event} was told {late[0].time - death:.3f} s after the worker was known to be dead"
            )
            yield told, (death, late[0].time)
        if published is not None and _is_by(published, turn) and published.at > death:
            told = f"{turn} published {published.at - death:.3f} s after its worker was known to be dead"
            yield told, (death, published.at)


def _is_by(published: Publication, turn: Turn) -> bool:
    """Say whether it was published by the turn's own processes: a failure is told by whoever gives up."""
    return turn.is_attempt and published.attempt == turn.attempt and published.outcome != "lost"


_AFTER_END = {"retried", "dead-letter", "forwarded", "abandoned"}
_NEXT = {
    "": {"taken", "dead-letter"},
    "taken": {"started"},
    "ended": _AFTER_END,
    "dead-letter": {"forwarded", "abandoned"},
    **dict.fromkeys(CLOSING, frozenset[str]()),
}
# Everything else is what the cells' process tells of its progress, between ``started`` and ``ended``.
_NO_PROGRESS = {"taken", "started", *CLOSING, "dead-letter"} - {"abandoned"}


def _over_is_over(history: RunHistory) -> Iterator[Broken]:
    for turn in history.turns:
        yield from _one_after_the_other(turn, history)
    for before, after in pairwise(sorted(history.turns, key=lambda turn: turn.worker)):
        # A pod's container that is started again has the same name; a worker of the local engine has its own.
        one = before.worker == after.worker and bool(session_of(after.worker))
        if one and not before.is_closed and not history.is_blind(before.last, after.began):
            told = f"{after.worker} took the next message, and had not ended {before}"
            yield told, (before.last, after.began)


def _one_after_the_other(turn: Turn, history: RunHistory) -> Iterator[Broken]:
    """Find the first event that may not follow the one before it."""
    before, since = "", turn.since
    for event in turn.events:
        if not _fits(event, before, turn) and not history.is_blind(since, event.time):
            yield f"{turn}: {event.event} after {before or 'nothing'}", (event.time,)
            return
        before, since = before if event.event == "held" else event.event, event.time


def _fits(event: Event, before: str, turn: Turn) -> bool:
    if event.event == "held":
        return before not in _AFTER_END | {"ended"} or event.detail.get("at") == before
    if before == "taken" and turn.found_result:
        return event.event in {"forwarded", "abandoned"}
    return event.event in _NEXT[before] if before in _NEXT else event.event not in _NO_PROGRESS


RULES = (
    Rule("of-this-run", "Everything that is told is of this run and of its stages.", _strangers),
    Rule("ends-once", "A run that was accepted ends once, with its result or its error, told as such.", _ends_once),
    Rule("nothing-after-the-end", "Once a run's end is told, no attempt begins.", _nothing_after_the_end),
    Rule(
        "one-publication",
        "A stage publishes once, and everybody says of it what the exchange has.",
        _one_publication,
    ),
    Rule(
        "publish-before-forward",
        "A stage's result is published before anybody speaks of it or passes it on.",
        _publish_before_forward,
    ),
    Rule(
        "passed-on-rightly",
        "A result is passed on to the next stage, and an end to the results topic.",
        _passed_on_rightly,
    ),
    Rule("stages-in-order", "A stage runs cells only after the stage before it published its state.", _stages_in_order),
    Rule("deliveries", "No message is passed on that nobody sent.", _deliveries),
    Rule("exceptions-are-final", "An exception of the notebook's own is not retried.", _exceptions_are_final),
    Rule("results-are-final", "A stage that has its result is not run again.", _results_are_final),
    Rule("retried-after-loss", "An attempt is retried only because it was lost.", _retried_after_loss),
    Rule("attempts-allowed", "A stage is tried as often as is allowed, and no more.", _attempts_allowed),
    Rule(
        "dead-letter-when-used-up",
        "A message is given up when its attempts are used up, and only then.",
        _dead_letter_when_used_up,
    ),
    Rule("attempt-numbers", "Attempts of a stage have numbers of their own, which grow.", _attempt_numbers),
    Rule("cells-in-order", "An attempt runs its cells in order, one at a time, each once.", _cells_in_order),
    Rule("dead-are-silent", "Nothing comes of a worker that is known to be dead.", _dead_are_silent),
    Rule("over-is-over", "A worker tells one thing after the other, and nothing of what is over.", _over_is_over),
)
