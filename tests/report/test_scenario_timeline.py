from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from j2k_dev.model.scenario import ScenarioResult, StageTale
from j2k_dev.report.scenario_timeline import Lane, ScenarioTimeline, letter, progress_time, scenario_timeline
from tests.report import scenario_results as made


def drawn(result: ScenarioResult) -> ScenarioTimeline:
    line = scenario_timeline(result)
    assert line is not None
    return line


def lane(result: ScenarioResult, stage: str, number: int = 1) -> Lane:
    (found,) = [lane for lane in drawn(result).lanes if (lane.stage, lane.number) == (stage, number)]
    return found


def marks(lane: Lane) -> list[str]:
    return [kind for kind, _mark in lane.marks]


def test_every_attempt_has_a_lane_in_the_order_of_the_stages() -> None:
    lanes = [(lane.stage, lane.number, lane.bar.kind) for lane in drawn(made.survived()).lanes]
    assert lanes == [
        ("load", 1, "published"),
        ("clean", 1, "published"),
        ("fit", 1, "lost"),
        ("fit", 2, "published"),
        ("report", 1, "published"),
    ]


def test_cells_that_were_cut_off_and_run_again_are_told_apart() -> None:
    first, second = lane(made.survived(), "fit"), lane(made.survived(), "fit", 2)
    assert [cell.kind for cell in first.cells] == ["done", "done", "cut"]
    assert [cell.kind for cell in second.cells] == ["again", "again", "again", "done"]
    assert first.cells[-1].text == "cell 10: 454 ms, did not end"
    assert first.bar.text == "attempt 1: worker lost after 2.3 s (killed by SIGKILL)"


def test_the_fault_lies_where_the_struck_attempt_ends_and_progress_after_it() -> None:
    line = drawn(made.survived())
    (fault,) = line.faults
    first, second = lane(made.survived(), "fit"), lane(made.survived(), "fit", 2)
    assert line.recovery is not None
    assert abs(fault.left - (first.bar.left + first.bar.width)) < 0.1
    assert line.recovery.left == fault.left
    assert line.recovery.left + line.recovery.width > second.bar.left
    assert marks(first) == ["hit"]
    assert marks(second) == ["published", "forwarded"]


def test_a_fault_that_lasts_is_as_long_as_it_lasted() -> None:
    line = drawn(made.late())
    (fault,) = line.faults
    assert fault.kind == "lasting"
    assert fault.text == "restart broker, undone after 21 s"
    assert line.recovery is not None
    assert fault.width < line.recovery.width


def test_violations_at_one_moment_share_a_pin() -> None:
    line = drawn(made.broken())
    assert [mark.text for mark in line.violations] == ["A", "B"]
    assert [pin.text for pin in line.violation_pins] == ["A B"]


def test_a_result_that_was_never_published_has_no_mark_for_it() -> None:
    assert marks(lane(made.broken(), "fit")) == ["forwarded", "hit"]


def test_a_worker_that_was_lost_ends_its_attempt() -> None:
    assert lane(made.raised(), "clean").bar.kind == "lost"
    assert lane(made.raised(), "clean").bar.text == "attempt 1: worker lost after 157 ms (killed by SIGKILL)"
    assert lane(made.broken(), "report").bar.text == "attempt 1: not heard of again after 332 ms"


def test_the_cell_that_raised_is_marked() -> None:
    second = lane(made.raised(), "clean", 2)
    assert [cell.kind for cell in second.cells] == ["again", "raised"]
    assert second.bar.kind == "raised"


def test_a_publication_that_another_attempt_made_is_not_marked_here() -> None:
    result = made.survived()
    events = tuple(
        {**line, "detail": {**line["detail"], "published": 1}} if line["event"] == "ended" else line
        for line in result.events
    )
    assert "published" not in marks(lane(replace(result, events=events), "fit", 2))


def test_who_only_passes_on_what_was_published_has_no_lane() -> None:
    result = made.survived()
    taken = {**result.events[-1], "worker": "load-9", "stage": "load", "attempt": 7, "event": "taken"}
    again = replace(result, events=(*result.events, {**taken, "detail": {"published": True}}))
    assert len(drawn(again).lanes) == len(drawn(result).lanes)


def test_a_run_that_was_made_anew_has_lanes_of_its_own() -> None:
    result = made.raised()
    last = result.events[-1]["time"]
    anew = tuple({**line, "run": "other", "time": line["time"] + last - made.START} for line in made.late().events)
    twice = replace(result, events=(*result.events, *anew))
    lanes = [(lane.stage, lane.run, lane.number) for lane in drawn(twice).lanes if lane.stage in {"load", "clean"}]
    assert lanes == [("load", 1, 1), ("load", 2, 1), ("clean", 1, 1), ("clean", 1, 2), ("clean", 2, 1)]
    second = drawn(twice).lanes[1]
    assert second.bar.text == "run 2, attempt 1: published its result after 892 ms"
    assert [cell.kind for cell in second.cells] == ["again", "again"]
    assert marks(second) == ["published", "forwarded"]


def test_only_attempts_that_need_words_are_noted() -> None:
    assert [(lane.stage, lane.number) for lane in drawn(made.survived()).noted] == [("fit", 1), ("fit", 2)]
    assert drawn(made.late()).noted == ()


def test_without_proof_of_the_fault_there_is_no_recovery() -> None:
    assert progress_time(made.invalid()) is None
    assert drawn(made.invalid()).recovery is None


def test_without_events_there_is_no_timeline() -> None:
    assert scenario_timeline(replace(made.survived(), events=())) is None
    assert scenario_timeline(replace(made.survived(), stages=())) is None


def test_violations_have_names_however_many_there_are() -> None:
    assert [letter(number) for number in (0, 25, 26, 52)] == ["A", "Z", "A1", "A2"]


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=1, max_size=6), st.floats(0, 1e6))
def test_everything_lies_on_the_line(faults: list[tuple[float, float]], recovery: float) -> None:
    result = made.survived()
    struck = tuple(
        replace(result.struck[0], at=made.START + at, undone=made.START + at + lasted) for at, lasted in faults
    )
    line = drawn(replace(result, struck=struck, recovery=recovery, stages=(*result.stages, StageTale("none", 0, 0))))
    spans = [*line.faults, *(lane.bar for lane in line.lanes), *(cell for lane in line.lanes for cell in lane.cells)]
    spans += [line.recovery] if line.recovery else []
    assert all(0 <= span.left <= 100 and span.width > 0 and span.left + span.width <= 100.41 for span in spans)
    assert all(0 <= mark.left <= 100 for lane in line.lanes for _kind, mark in lane.marks)
