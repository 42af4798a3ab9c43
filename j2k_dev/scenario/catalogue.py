"""The scenarios there are: those that ship, those in ``scenarios/`` beside the notebook, and files that are named."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import j2k_dev
from j2k_dev.deploy.strict_yaml import read_yaml
from j2k_dev.model.errors import BadInput
from j2k_dev.scenario.model import LASTING, Scenario

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FOLDER = "scenarios"
# What a file that can strike any stage is called: kill-stage.yaml is kill-stage-2 and kill-stage-fit, too.
_ANY_STAGE = "-stage"
_WAY_OUT = "j2k scenario --new NAME writes one that works"


@dataclass(frozen=True)
class Named:
    """A scenario as it was asked for (``kill-stage-2``), and its file."""

    name: str
    file: Path
    scenario: Scenario


def shipped() -> Path:
    """Find the scenarios that ship: inside an installed wheel, or beside the package in a checkout."""
    package = Path(j2k_dev.__file__).parent
    installed = package / "_data" / FOLDER
    return installed if installed.is_dir() else package.parent / FOLDER


def files(beside: Path) -> dict[str, Path]:
    """List scenario files by name; one beside the notebook counts more than one of that name that ships."""
    folders = (shipped(), beside / FOLDER)
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.yaml"))}


def catalogue(beside: Path) -> tuple[Named, ...]:
    """Read all scenarios, each as it strikes when no stage is named."""
    return tuple(_read(_full_name(path), path) for path in files(beside).values())


def find(wanted: str, beside: Path) -> Named:
    """Find a scenario by its name or file; raise BadInput with the nearest names."""
    if wanted.endswith((".yaml", ".yml")):
        return _read(Path(wanted).stem, Path(wanted))
    known = files(beside)
    if wanted in known:
        return _read(_full_name(known[wanted]), known[wanted])
    if (match := re.fullmatch(rf"(.+{_ANY_STAGE})-(.+)", wanted)) and match[1] in known:
        named = _read(wanted, known[match[1]])
        return replace(named, scenario=replace(named.scenario, stage=match[2]))
    near = difflib.get_close_matches(wanted, [*known, *map(_full_name, known.values())], n=3, cutoff=0.5)
    told = f"; near it: {', '.join(near)}" if near else ""
    raise BadInput(f"there is no scenario {wanted}{told}", "j2k scenario --list shows all")


def in_order(chosen: Iterable[Named]) -> list[Named]:
    """Order scenarios so that the fewest pods are started for them.

    Those that need more workers, or nodes, come together and last. So do, among their like, those that wear a container
    out: it is replaced before the next scenario.
    """
    return sorted(chosen, key=lambda named: (named.scenario.nodes, named.scenario.replicas, _wears(named), named.name))


def _wears(named: Named) -> bool:
    """Say whether a container will have been started anew; scenarios that replace pods at their end leave none."""
    ended = any(
        strike.fault == "kill-container" or (strike.fault, strike.process) == ("terminate", "worker")
        for strike in named.scenario.method
    )
    return ended and not named.scenario.rollback


def stage_of(name: str, stages: Sequence[str]) -> str:
    """Find a stage by its number or name; raise BadInput with those there are."""
    if name in stages:
        return name
    if name.isdecimal() and 1 <= int(name) <= len(stages):
        return stages[int(name) - 1]
    listed = ", ".join(f"{number} {stage}" for number, stage in enumerate(stages, start=1))
    raise BadInput(f"there is no stage {name}", f"there are {listed}")


def within(named: Named, stages: Sequence[str]) -> Named:
    """Let a scenario that is about no stage in particular strike the last one where its file says a later one."""
    stage = named.scenario.stage
    if _ANY_STAGE in named.name or not stage.isdecimal() or int(stage) <= len(stages):
        return named
    return replace(named, scenario=replace(named.scenario, stage=str(len(stages))))


def template(name: str, schema: str) -> str:
    """Write a scenario to begin with, the one that kills a stage; ``schema`` is where editors find the JSON schema."""
    text = (shipped() / f"kill{_ANY_STAGE}.yaml").read_text(encoding="utf-8")
    return _TEMPLATE.format(name=name, schema=schema) + text


def _read(name: str, path: Path) -> Named:
    scenario = read_yaml(Scenario, path, _WAY_OUT)
    if problems := tuple(_problems(scenario)):
        raise BadInput(f"{path}: {'; '.join(problems)}", _WAY_OUT)
    return Named(name, path, scenario)


def _problems(scenario: Scenario) -> Iterable[str]:
    if not scenario.method:
        yield "method has no fault: nothing would be proven"
    if not scenario.title:
        yield "title is missing"
    for number, strike in enumerate(scenario.method):
        if strike.fault in LASTING and not strike.seconds:
            yield f"method[{number}].seconds: {strike.fault} lasts for a while"


def _full_name(path: Path) -> str:
    """Name the scenario of a file: with its stage where it can strike any."""
    stem = path.stem
    return f"{stem}-{read_yaml(Scenario, path, _WAY_OUT).stage}" if stem.endswith(_ANY_STAGE) else stem


_TEMPLATE = """\
# yaml-language-server: $schema={schema}
# j2k scenario scenarios/{name}.yaml  runs it; docs/scenarios.md says what may stand here.
"""
