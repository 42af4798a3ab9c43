"""The logs of a pipeline's pods, by stage."""

from __future__ import annotations

from j2k_dev.deploy.logs import collect, stage_of
from j2k_dev.deploy.trouble import PodView
from j2k_dev.model.errors import MachineryFailed
from tests.deploy.answering import kubectl

LOAD, FIT = (PodView(f"stage-{name}-5c9-abc", f"stage-{name}", "ready", 0) for name in ("1-load", "2-fit"))
WRITTEN = """[pod/stage-1-load-5c9-abc/worker] taken
[pod/stage-2-fit-5c9-abc/worker] .
[pod/stage-1-load-5c9-abc/worker] ended
"""


def test_lines_are_sorted_by_the_stage_of_their_pod() -> None:
    calls, runner = kubectl(WRITTEN)
    texts = collect(calls, "n", "a=b", (LOAD, FIT), 0.0)
    assert [line.rpartition("] ")[2] for line in texts["stage-1-load"].splitlines()] == ["taken", "ended"]
    assert texts["stage-2-fit"] == "[pod/stage-2-fit-5c9-abc/worker] .\n"
    assert "--since-time=1970-01-01T00:00:00Z" in runner.lines[0]


def test_what_a_container_wrote_before_it_was_restarted_comes_first() -> None:
    again = PodView(FIT.name, FIT.stage, "ready", 1)
    calls, runner = kubectl(f"[pod/{FIT.name}/worker] before\n", f"[pod/{FIT.name}/worker] after\n")
    text = collect(calls, "n", "a=b", (LOAD, again), 0.0)["stage-2-fit"]
    assert [line.split()[-1] for line in text.splitlines()] == ["before", "after"]
    assert runner.lines[0].endswith(f"{FIT.name} --previous")


def test_a_cluster_that_does_not_answer_costs_the_logs_and_nothing_else() -> None:
    calls, _ = kubectl(MachineryFailed("kubectl ended with 1"))
    assert collect(calls, "n", "a=b", (LOAD,), 0.0) == {}


def test_a_pods_name_tells_its_stage() -> None:
    assert stage_of("stage-2-a-b-c-7fcb9c8c9b-zzk8d") == "stage-2-a-b-c"
