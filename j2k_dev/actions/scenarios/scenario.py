"""Scenarios: have the pipeline verified, break it on purpose, judge what came of it, and keep the verdict as evidence.

The runs are made by j2k itself in processes of their own, as a user would call it: what is proven is what users get.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from j2k_dev.actions.run import run_name
from j2k_dev.actions.scenarios.evidence import Verified, entry_of
from j2k_dev.actions.scenarios.ground import ground_of, history_of, is_deployed, log_tails, on_bus, steady
from j2k_dev.actions.scenarios.kept import keep
from j2k_dev.actions.scenarios.mend import FOLDER, Left, begin, end, mend
from j2k_dev.engine.locks import lock, refuse_while_runs_go_on
from j2k_dev.engine.workspace import Workspace, open_workspace, read_json, write_text
from j2k_dev.evidence import keys, record
from j2k_dev.model.codec import from_plain, to_plain
from j2k_dev.model.errors import BadInput, Different, J2kError, MachineryFailed, NotebookRaised, Refused
from j2k_dev.model.pipeline import Pipeline
from j2k_dev.model.scenario import NotRun, ScenarioResult
from j2k_dev.report.units import plural
from j2k_dev.scenario.catalogue import Named, catalogue, find, in_order, stage_of, within
from j2k_dev.scenario.chance import by_chance, smaller, to_yaml
from j2k_dev.scenario.conduct import Conductor
from j2k_dev.scenario.faults.table import engines_of
from j2k_dev.scenario.subject import Subject, call
from j2k_dev.scenario.unflushed import told_in
from j2k_dev.scenario.verdict import judge
from j2k_dev.scenario.waiting import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from j2k_dev.actions.scenarios.ground import Site
    from j2k_dev.actions.ui import Ui
    from j2k_dev.report.scenario_board import Board
    from j2k_dev.scenario.conduct import Seen
    from j2k_dev.scenario.model import Scenario
    from j2k_dev.scenario.subject import Ended

_SETTLING_SECONDS = 60.0
_ERRORS: Mapping[int, type[J2kError]] = {
    error.exit_code: error for error in (NotebookRaised, BadInput, Different, Refused, MachineryFailed)
}


@dataclass(frozen=True)
class ScenarioOptions:
    """What the command line was asked for: ``names`` or files of scenarios, or ``every`` one that fits.

    ``arguments`` are options of ``j2k up``, as they are typed. ``chance`` is how many faults ``seed`` is to choose.
    """

    notebook: Path
    names: tuple[str, ...] = ()
    every: bool = False
    workspace: Path | None = None
    arguments: tuple[str, ...] = ()
    chance: int = 0
    seed: int = 0


def scenarios(
    options: ScenarioOptions, ui: Ui, show: Callable[[Sequence[str]], AbstractContextManager[Board]]
) -> tuple[tuple[ScenarioResult, ...], tuple[NotRun, ...]]:
    """Run scenarios one after the other, and return their results, and those that do not fit what is at hand.

    ``show`` gives what shows them while they run.
    """
    beside = options.notebook.absolute().parent
    chosen = catalogue(beside) if options.every else tuple(find(name, beside) for name in options.names)
    workspace = open_workspace(options.notebook, options.workspace)
    own = Workspace(workspace.root / FOLDER)
    own.root.mkdir(exist_ok=True)
    key = keys.signing_key(note=ui.note)  # before anything is done that would have to be signed
    with lock(own, wait=False):
        mend(workspace, ui.note)
        refuse_while_runs_go_on(workspace)
        verified = verify(options, workspace)
        if options.chance:
            chance = by_chance(options.seed, options.chance, verified.stages, verified.engine)
            chosen = (_kept(f"random-{options.seed}", chance, workspace),)
        fitting, unfit = _sorted_out(chosen, verified, workspace, every=options.every)
        with show([named.name for named in fitting]) as board:
            trials = _Trials(options, workspace, verified, key, board, ui)
            for left_out in unfit:
                board.left_out(left_out)
            tried = [trials.make(named) for named in fitting]
            if options.chance and isinstance(tried[0], ScenarioResult) and tried[0].verdict == "broken":
                tried += trials.smallest(fitting[0])
    results = tuple(one for one in tried if isinstance(one, ScenarioResult))
    return results, (*unfit, *(one for one in tried if isinstance(one, NotRun)))


@dataclass(frozen=True)
class _Trials:
    """Makes scenarios, one at a time, shows them, and keeps what came of them as evidence."""

    options: ScenarioOptions
    workspace: Workspace
    verified: Verified
    key: keys.SigningKey
    board: Board
    ui: Ui

    def make(self, named: Named) -> ScenarioResult | NotRun:
        """Do a scenario to a run; where all are asked for, one that can't be done does not keep the others from it."""
        self.board.begins(named.name)
        try:
            result = _one(named, self.options, self.workspace, self.verified, self.board.does)
        except MachineryFailed as error:
            if not self.options.every:
                raise
            failed = NotRun(named.name, named.scenario.title, f"{error.message}; {error.way_out}", failed=True)
            self.board.left_out(failed)
            return failed
        entry = entry_of(result, named, self.options.notebook, self.workspace, self.verified)
        record.add(self.workspace.root, entry, self.key, self.ui.note)
        keep(result, self.workspace)
        self.board.ended(result)
        return result

    def smallest(self, named: Named) -> Iterator[ScenarioResult | NotRun]:
        """Leave out one fault after the other, as long as what is left is broken still."""
        tries, found = 0, True
        while found:
            found = False
            for scenario in smaller(named.scenario):
                tries += 1
                less = _kept(f"{named.name.partition('-less-')[0]}-less-{tries}", scenario, self.workspace)
                result = self.make(less)
                yield result
                if isinstance(result, ScenarioResult) and result.verdict == "broken":
                    named, found = less, True
                    break


def _kept(name: str, scenario: Scenario, workspace: Workspace) -> Named:
    """Write a scenario that was chosen by chance into the workspace, where it can be run again."""
    file = workspace.root / FOLDER / f"{name}.yaml"
    write_text(file, to_yaml(scenario))
    return find(str(file), workspace.root)


def verify(options: ScenarioOptions, workspace: Workspace) -> Verified:
    """Have the pipeline up and equal to the notebook; raise what ``j2k up`` ended with where it is not."""
    verified = _called(("up", *_common(options)), workspace)
    if verified.engine == "kind" and not is_deployed(workspace, verified):
        # Nothing changed since a run whose pods are gone, and so nothing was deployed.
        verified = _called(("run", *_common(options), "--engine", verified.engine, "--fresh"), workspace)
    return verified


def _called(command: tuple[str, ...], workspace: Workspace) -> Verified:
    ended = call((*command, "--json"), workspace.root / FOLDER / "up.log", shown=True)
    if ended.outcome != "equal":
        raise _not_verified(ended)
    run = str(ended.told["run"])
    pipeline = from_plain(Pipeline, read_json(workspace.run(run).pipeline))
    return Verified(run, str(ended.told["engine"]), str(ended.told["recording"]), pipeline)


def _not_verified(ended: Ended) -> J2kError:
    told = f"the pipeline has to be equal to the notebook before it is broken: {ended.message or ended.outcome}"
    fallback = MachineryFailed if ended.code else Refused  # without an oracle there is nothing to hold results against
    return _ERRORS.get(ended.code, fallback)(told, "j2k up NOTEBOOK  shows it")


def _common(options: ScenarioOptions) -> tuple[str, ...]:
    workspace = ("--workspace", str(options.workspace)) if options.workspace else ()
    return (str(options.notebook), *workspace, *options.arguments)


# --- which of them ----------------------------------------------------------------------------------------------------


def _sorted_out(
    chosen: tuple[Named, ...], verified: Verified, workspace: Workspace, *, every: bool
) -> tuple[list[Named], tuple[NotRun, ...]]:
    """Leave out what does not fit; refuse it, where it was asked for by name."""
    fitting, unfit = [], []
    for named in (within(each, verified.stages) for each in chosen):
        why = _unfit(named, verified, workspace)
        if not why:
            fitting.append(named)
        elif every:
            unfit.append(NotRun(named.name, named.scenario.title, why))
        else:
            raise BadInput(f"{named.name}: {why}", "j2k scenario --list shows what each one needs")
    return (in_order(fitting) if every else fitting), tuple(unfit)


def _unfit(named: Named, verified: Verified, workspace: Workspace) -> str:
    scenario = named.scenario
    for strike in scenario.method:
        can = [engine for engine in engines_of(strike.fault) if engine in scenario.engines]
        if verified.engine not in can:
            return f"{strike.fault} is nothing for the engine {verified.engine} (--engine {' or '.join(can)})"
    for stage in {scenario.stage, *(strike.stage for strike in scenario.method if strike.stage)}:
        stage_of(stage, verified.stages)
    if any(strike.fault == "power-cut" for strike in scenario.method) and not told_in(workspace.exchange):
        return "nobody tells here what is not on the disk yet (Linux 6.5 or later does, and not of disks in memory)"
    nodes = ground_nodes(workspace) if verified.engine == "kind" else 1
    if nodes < scenario.nodes:
        return f"needs {scenario.nodes} nodes, and there is {nodes} (j2k sandbox down; j2k sandbox up --nodes 3)"
    return ""


def ground_nodes(workspace: Workspace) -> int:
    """Count the nodes of the workspace's sandbox."""
    from j2k_dev.sandbox.model import Sandbox  # noqa: PLC0415 - only where there is one
    from j2k_dev.sandbox.state import read_state  # noqa: PLC0415 - see above

    state = read_state(Sandbox(workspace.root))
    return state.nodes if state else 1


# --- one of them ------------------------------------------------------------------------------------------------------


def _one(
    named: Named, options: ScenarioOptions, workspace: Workspace, verified: Verified, tell: Callable[[str], None]
) -> ScenarioResult:
    run, stage = run_name(named.name), stage_of(named.scenario.stage, verified.stages)
    scenario = _with_stages(named.scenario, stage, verified)
    log = workspace.root / FOLDER / f"{run}.log"
    more = ("--replicas", str(scenario.replicas)) if scenario.replicas > 1 else ()
    asked = ("run", *_common(options), "--engine", verified.engine, *more, "--fresh", "--as-run", run, "--json")
    with ground_of(workspace, verified, run, Subject(asked, log)) as site:
        conductor = Conductor(scenario, site.ground, site.subject, stage, tell)
        with _noted(conductor, workspace), site.on_workers() if scenario.nodes > 1 else contextlib.nullcontext():
            _renew(site, tell)
            # Pods may be on their way: moved off the control plane, or those that mending put in place of others.
            if unsteady := steady(site, scenario.steady, _SETTLING_SECONDS):
                raise MachineryFailed(f"before the fault: {unsteady}", "j2k doctor, j2k sandbox up")
            seen = _rolled_back(conductor, site)
        tell("waiting until everything is as before")
        unsteady = steady(site, scenario.steady)
        histories = history_of(site, seen, workspace)
        judged = judge(scenario.expect, seen, histories, unsteady, on_bus(site, histories))
    events = sorted((event for history in histories for event in history.events), key=lambda event: event.time)
    return ScenarioResult(
        named.name, scenario.title, scenario.shows, verified.engine, options.notebook.name, run, judged.verdict,
        judged.why, seen.started, seen.finished - seen.started, judged.recovery, seen.struck, judged.checks,
        judged.stages, judged.violations, tuple(map(to_plain, events)),
        log_tails(workspace, run, log), float(scenario.expect.recovery_seconds), _report_of(workspace, run),
    )  # fmt: skip


@contextlib.contextmanager
def _noted(conductor: Conductor, workspace: Workspace) -> Iterator[None]:
    """Leave a note of what is struck for as long as it is not undone."""
    cluster = conductor.ground.cluster
    begin(workspace, Left(conductor.ground.run, cluster.namespace if cluster else ""))
    try:
        yield
    finally:
        if conductor.is_put_back:
            end(workspace)


def _rolled_back(conductor: Conductor, site: Site) -> Seen:
    """Do a scenario to a run, and roll it back, whatever happens."""
    try:
        return conductor.conduct()
    finally:
        with uninterrupted():
            for rollback in conductor.scenario.rollback:
                site.roll_back(rollback, conductor.stage)


def _report_of(workspace: Workspace, run: str) -> str:
    page = workspace.run(run).report
    return str(page.relative_to(workspace.root)) if page.exists() else ""


def _with_stages(scenario: Scenario, stage: str, verified: Verified) -> Scenario:
    """Name the stage of each strike."""
    method = (replace(strike, stage=stage_of(strike.stage or stage, verified.stages)) for strike in scenario.method)
    return replace(scenario, method=tuple(method))


def _renew(site: Site, tell: Callable[[str], None]) -> None:
    """Have no pods that earlier faults have worn."""
    if worn := site.renew():
        tell(f"replacing {plural(len(worn), 'pod')} that earlier faults have worn")
        steady(site, ("pods",))
