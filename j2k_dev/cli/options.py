"""The arguments and options of all commands, each said once; Typer reads these annotations."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

_PANEL = "Output"
ENGINE_VARIABLE = "J2K_ENGINE"


class Engine(StrEnum):
    """Where the stages run."""

    auto = "auto"
    local = "local"
    kind = "kind"


class Split(StrEnum):
    """What decides where stages begin."""

    auto = "auto"
    tags = "tags"
    headings = "headings"
    cells = "cells"


class Trace(StrEnum):
    """What watches the recording."""

    none = "none"
    audit = "audit"
    reprozip = "reprozip"


class Format(StrEnum):
    """How a plan is written."""

    table = "table"
    json = "json"
    mermaid = "mermaid"
    html = "html"


class ImageSource(StrEnum):
    """Where the sandbox's images come from."""

    auto = "auto"
    registry = "registry"
    packages = "packages"


class Package(StrEnum):
    """What an environment image is made from."""

    auto = "auto"
    trace = "trace"
    pip = "pip"


class Export(StrEnum):
    """Other forms of a traced environment."""

    rpz = "rpz"


# Parameter name → annotation and default. A command names the ones it takes.
OPTIONS: dict[str, tuple[Any, Any]] = {
    "engine": (
        Annotated[
            Engine, typer.Option(help="Where the stages run; auto says which it took and why.", envvar=ENGINE_VARIABLE)
        ],
        Engine.auto,
    ),
    "split": (Annotated[Split, typer.Option(help="What decides where stages begin.")], Split.auto),
    "parameters": (
        Annotated[
            list[str] | None,
            typer.Option("--parameter", "-p", help="Set a variable of the notebook; repeatable.", metavar="NAME=VALUE"),
        ],
        None,
    ),
    "out": (Annotated[Path | None, typer.Option(help="Copy the results to this folder.", metavar="DIR")], None),
    "python": (
        Annotated[Path | None, typer.Option(help="The notebook's Python, instead of its kernel's.", metavar="PATH")],
        None,
    ),
    "trace": (Annotated[Trace | None, typer.Option(help="Watch which files and packages are used.")], None),
    "timeout": (
        Annotated[float | None, typer.Option(help="Give up on a cell after so long.", metavar="SECONDS", min=0.001)],
        None,
    ),
    "data": (
        Annotated[
            list[Path] | None,
            typer.Option(help="A folder of inputs that stays where it is, read-only; repeatable.", metavar="DIR"),
        ],
        None,
    ),
    "verify": (
        Annotated[bool, typer.Option("--verify", help="Record these parameters and inputs too, to compare with.")],
        False,
    ),
    "fresh": (Annotated[bool, typer.Option("--fresh", help="Do everything again, even if nothing changed.")], False),
    "form": (Annotated[Format, typer.Option("--format", help="How the plan is written.")], Format.table),
    "page": (
        Annotated[Path | None, typer.Option("--out", help="Write the plan to this file.", metavar="FILE")],
        None,
    ),
    "as_run": (Annotated[str, typer.Option("--as-run", hidden=True)], ""),  # for scenarios, which wait for the run
    "follow": (Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")], False),
    "run": (Annotated[str | None, typer.Option("--run", help="This run instead of the latest.", metavar="RUN")], None),
    "beside": (
        Annotated[
            Path | None,
            typer.Option("--notebook", help="The notebook, if it is not in this folder.", metavar="NOTEBOOK"),
        ],
        None,
    ),
}

# The sandbox's.
OPTIONS |= {
    "images": (
        Annotated[
            ImageSource,
            typer.Option(help="Where images come from; auto takes those that are there, else asks the registry."),
        ],
        ImageSource.auto,
    ),
    "nodes": (
        Annotated[
            int | None,
            typer.Option(help="How many nodes, each in a zone of its own; 1, or as many as there are.", min=1, max=9),
        ],
        None,
    ),
    "name": (Annotated[str, typer.Option(help="A second sandbox beside the first.", metavar="NAME")], ""),
    "cloud": (
        Annotated[
            bool,
            typer.Option("--cloud", help="The twin of a cloud, to promote to: zones, EFS and EBS, logins, few rights."),
        ],
        False,
    ),
    "grants": (
        Annotated[
            list[Path] | None,
            typer.Option(
                "--for",
                help="Be the twin's administrator: prepare it for a notebook's pipeline; repeatable.",
                metavar="NOTEBOOK",
            ),
        ],
        None,
    ),
    "kubeconfig": (
        Annotated[bool, typer.Option("--kubeconfig", help="Add the cluster to your own kubeconfig too.")],
        False,
    ),
    "retain": (Annotated[bool, typer.Option("--retain", help="Keep what a failed start left, to look at.")], False),
    "every": (Annotated[bool, typer.Option("--all", help="All sandboxes of this workspace.")], False),
    "stop": (Annotated[bool, typer.Option("--stop", help="Stop the engine that this command started.")], False),
    "data_root": (
        Annotated[
            Path | None,
            typer.Option(help="Where the engine keeps images and containers, if it is started.", metavar="DIR"),
        ],
        None,
    ),
    "with_sandbox": (
        Annotated[bool, typer.Option("--sandbox", help="Remove the workspace's sandboxes too.")],
        False,
    ),
}

# The pods'.
OPTIONS |= {
    "context": (
        Annotated[
            str | None,
            typer.Option(help="A cluster of your own by its context, instead of the sandbox.", metavar="NAME"),
        ],
        None,
    ),
    "target": (
        Annotated[
            Path | None,
            typer.Option(
                help="What belongs to that cluster; else targets/NAME.yaml beside the notebook.", metavar="FILE"
            ),
        ],
        None,
    ),
    "on_context": (
        Annotated[
            str | None, typer.Option("--context", help="Only what is on this cluster, by its context.", metavar="NAME")
        ],
        None,
    ),
    "replicas": (
        Annotated[int, typer.Option(help="How many pods each stage has on a cluster.", min=1, max=3)],
        1,
    ),
    "memory": (
        Annotated[
            list[str] | None,
            typer.Option(help="Memory of a stage's pods, or of all; repeatable.", metavar="[STAGE=]SIZE"),
        ],
        None,
    ),
    "purge": (
        Annotated[bool, typer.Option("--purge", help="Remove what pipelines left on a cluster's volume too.")],
        False,
    ),
}

# The keys'.
OPTIONS |= {
    "trust": (
        Annotated[
            Path | None,
            typer.Option(help="Let what this public key signed count here, from now on.", metavar="FILE"),
        ],
        None,
    ),
}

# The images'.
OPTIONS |= {
    "package": (
        Annotated[
            Package,
            typer.Option(
                help="What images are made of: what ReproZip traced, or the imported packages from the index."
            ),
        ],
        Package.auto,
    ),
    "base": (
        Annotated[
            str | None,
            typer.Option(help="The image with Python that --package pip stands on.", metavar="IMAGE"),
        ],
        None,
    ),
    "review": (Annotated[bool, typer.Option("--review", help="Edit the list of what goes in ($EDITOR).")], False),
    "export": (
        Annotated[Export | None, typer.Option(help="Write ReproZip's own pack, too, beside the notebook.")],
        None,
    ),
    "registry": (
        Annotated[
            str | None,
            typer.Option(help="Push to this registry, not to the sandbox's.", metavar="HOST:PORT"),
        ],
        None,
    ),
}

# The scenarios'.
OPTIONS |= {
    "every_scenario": (Annotated[bool, typer.Option("--all", help="All that fit what is at hand.")], False),
    "listed": (Annotated[bool, typer.Option("--list", help="Show what there is, and the latest verdicts.")], False),
    "new": (
        Annotated[str | None, typer.Option(help="Write a scenario to change: scenarios/NAME.yaml.", metavar="NAME")],
        None,
    ),
    "chance": (
        Annotated[
            int | None,
            typer.Option("--random", help="So many faults at points chosen by chance.", metavar="K", min=1, max=20),
        ],
        None,
    ),
    "seed": (
        Annotated[int | None, typer.Option(help="Choose them as this number did before.", min=0, metavar="N")],
        None,
    ),
    "junit": (
        Annotated[Path | None, typer.Option(help="Write the verdicts as JUnit XML, too.", metavar="FILE")],
        None,
    ),
}

# The promotion's.
OPTIONS |= {
    "to_context": (
        Annotated[
            str | None,
            typer.Option("--context", help="The cluster, by its context; always named.", metavar="NAME"),
        ],
        None,
    ),
    "planned": (Annotated[bool, typer.Option("--plan", help="Show what would be done, and keep it as a file.")], False),
    "yes": (
        Annotated[bool, typer.Option("--yes", "-y", help="Apply it without asking: the kept plan.")],
        False,
    ),
    "output": (
        Annotated[
            Path | None, typer.Option(help="Write the manifests there for GitOps, and apply nothing.", metavar="DIR")
        ],
        None,
    ),
    "rollback": (Annotated[bool, typer.Option("--rollback", help="Go back to the release before.")], False),
    "history": (Annotated[bool, typer.Option("--history", help="Show what was promoted when, and by whom.")], False),
    "new_target": (
        Annotated[str | None, typer.Option("--new", help="Write a target file: targets/NAME.yaml.", metavar="NAME")],
        None,
    ),
    "policy_file": (
        Annotated[
            Path | None,
            typer.Option("--policy", help="What has to be proven; else promotion.yaml, or the usual.", metavar="FILE"),
        ],
        None,
    ),
    "reason": (
        Annotated[
            str | None,
            typer.Option("--without-evidence", help="Promote the unproven; the reason is kept.", metavar="REASON"),
        ],
        None,
    ),
    "take_over": (
        Annotated[bool, typer.Option("--take-over", help="Go on for somebody whose promotion was cut off.")],
        False,
    ),
}

ARGUMENTS: dict[str, tuple[Any, Any]] = {
    "notebook": (Annotated[Path, typer.Argument(help="The notebook, an .ipynb file.", metavar="NOTEBOOK")], ...),
    "place": (
        Annotated[
            Path | None, typer.Argument(help="The notebook or its folder; else this folder.", metavar="[NOTEBOOK]")
        ],
        None,
    ),
    "names": (
        Annotated[list[str] | None, typer.Argument(help="Scenarios by name, or files.", metavar="NAME|FILE")],
        None,
    ),
    "stage": (Annotated[str | None, typer.Argument(help="One stage only.", metavar="[STAGE]")], None),
    "service": (
        Annotated[str, typer.Argument(help="A service: its name, the stage's, or the stage's number.")],
        ...,
    ),
    "path": (Annotated[str, typer.Argument(help="What to ask it for.", metavar="[PATH]")], "/healthz"),
    "cluster": (Annotated[str, typer.Argument(help="A context of your kubeconfig.", metavar="CONTEXT")], ...),
}

COMMON: dict[str, tuple[Any, Any]] = {
    "workspace": (
        Annotated[
            Path | None,
            typer.Option(
                help="Keep everything here, not in .j2k beside the notebook.", metavar="DIR", rich_help_panel=_PANEL
            ),
        ],
        None,
    ),
    "as_json": (
        Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.", rich_help_panel=_PANEL)],
        False,
    ),
    "quiet": (Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.", rich_help_panel=_PANEL)], False),
    "verbose": (
        Annotated[bool, typer.Option("--verbose", "-v", help="Show details of errors.", rich_help_panel=_PANEL)],
        False,
    ),
}
