"""What the actions of a promotion work on: what was asked for, where it goes, and what has been found out so far."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from j2k_dev.actions.cluster.sites import cluster_of, registry_of
from j2k_dev.deploy.kubectl import Kubectl
from j2k_dev.deploy.pods import dns_label
from j2k_dev.deploy.target import read_target
from j2k_dev.engine.workspace import open_workspace
from j2k_dev.model.errors import BadInput, J2kError, MachineryFailed, Refused
from j2k_dev.notebook.planning import slug
from j2k_dev.promote.courier import courier_of
from j2k_dev.promote.waves import workers
from j2k_dev.sandbox.commands import SystemRunner
from j2k_dev.worker.bus import Topics

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from j2k_dev.actions.context import Context
    from j2k_dev.actions.ui import Ui
    from j2k_dev.actions.verified import Ready
    from j2k_dev.deploy.target import Target
    from j2k_dev.engine.workspace import Workspace
    from j2k_dev.model.run import RunSummary
    from j2k_dev.packaging.registry import Registry
    from j2k_dev.promote.model import Object, PromotionPlan, Proof, Release


@dataclass(frozen=True)
class PromoteOptions:
    """What the command line was asked for; ``context`` names the cluster, ``reason`` why without evidence.

    ``planned`` stops after the plan, ``yes`` asks nobody, ``output`` is a folder to write the tree to instead of
    applying it. ``take_over`` goes on for somebody else who does not.
    """

    notebook: Path
    context: str
    target: Path | None = None
    workspace: Path | None = None
    python: Path | None = None
    policy: Path | None = None
    reason: str = ""
    planned: bool = False
    yes: bool = False
    output: Path | None = None
    take_over: bool = False


@dataclass(frozen=True)
class Destination:
    """The cluster and the registry that something is promoted to, and the pipeline's namespace there."""

    target: Target
    calls: Kubectl
    registry: Registry
    pipeline: str
    namespace: str

    @property
    def context(self) -> str:
        """Name the cluster."""
        return self.calls.cluster.context


@dataclass(frozen=True)
class Promotion:
    """What is known: actions add to it. ``start`` is the notebook as it is now, None where it is not needed.

    ``tree`` are the files that are promoted, ``objects`` what they come to, ``entrypoint`` what starts the interpreter
    in an image. ``release`` is the one that is being made, ``summary`` its smoke run.
    """

    options: PromoteOptions
    ui: Ui
    workspace: Workspace
    to: Destination
    by: str
    start: Context | None = None
    ready: Ready | None = None
    proofs: tuple[Proof, ...] = ()
    evidence: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    tree: dict[str, str] = field(default_factory=dict, repr=False)
    objects: tuple[Object, ...] = field(default=(), repr=False)
    releases: tuple[Release, ...] = ()
    plan: PromotionPlan | None = None
    entrypoint: tuple[str, ...] = ()
    release: Release | None = None
    summary: RunSummary | None = None

    @property
    def begun(self) -> Release:
        """Return the release that is being made."""
        assert self.release is not None
        return self.release

    @property
    def decided(self) -> PromotionPlan:
        """Return the plan."""
        assert self.plan is not None
        return self.plan


def destination(options: PromoteOptions, ui: Ui) -> Destination:
    """Read the target file, and say where a notebook's pipeline goes; nothing is asked of the cluster."""
    folder = options.notebook.absolute().parent
    target = read_target(options.context, options.target, folder)
    pipeline = slug(options.notebook.stem) or "notebook"
    calls = Kubectl(cluster_of(target, folder, ui), SystemRunner())
    namespace = target.namespace or dns_label(f"j2k-{pipeline}")
    return Destination(target, calls, registry_of(target, folder), pipeline, namespace)


def opened(options: PromoteOptions, ui: Ui) -> Promotion:
    """Begin a promotion: where from, where to, and who."""
    to = destination(options, ui)
    refuse_sandboxes(options, to)
    by = account() if options.output else f"{_user(to.calls)} ({account()})"
    return Promotion(options, ui, open_workspace(options.notebook, options.workspace), to, by)


def account() -> str:
    """Say whose account on which machine this is."""
    with contextlib.suppress(KeyError, OSError):
        return f"{getpass.getuser()}@{socket.gethostname()}"
    return f"{os.getuid()}@{socket.gethostname()}"


def _user(calls: Kubectl) -> str:
    """Ask the cluster who this is; where it does not know the question, the kubeconfig says it."""
    try:
        told = json.loads(calls.call("auth", "whoami", "--output", "json"))
        return str(told["status"]["userInfo"]["username"])
    except (MachineryFailed, KeyError) as error:
        if isinstance(error, MachineryFailed) and "SelfSubjectReview" not in error.detail:
            raise _no_answer(calls, error) from error
    told = json.loads(calls.call("config", "view", "--minify", "--output", "json"))
    return str((told.get("users") or [{"name": "unknown"}])[0]["name"])


def _no_answer(calls: Kubectl, error: MachineryFailed) -> J2kError:
    cluster = calls.cluster
    if f'context "{cluster.context}" does not exist' in error.detail:
        where = f" in {cluster.kubeconfig}" if cluster.kubeconfig else ""
        return BadInput(f"there is no context {cluster.context}{where}", "kubectl config get-contexts shows them")
    told = error.detail.strip().rpartition("\n")[2] or error.message
    return Refused(f"the cluster of {cluster.context} does not answer: {told}", error.way_out, error.detail)


# --- what objects of a release tell -----------------------------------------------------------------------------------


def courier_manifest(objects: tuple[Object, ...], entrypoint: tuple[str, ...]) -> Object:
    """Make the courier's pod of a release."""
    return courier_of(workers(objects)[0], entrypoint)


def inputs_of(objects: tuple[Object, ...]) -> dict[str, str]:
    """Return the topic that each stage reads, by stage, in order."""
    return {told["J2K_STAGE"]: told["INPUT_TOPIC"] for told in map(_told, workers(objects))}


def topics_of(objects: tuple[Object, ...]) -> tuple[str, ...]:
    """Name all topics of a release."""
    names = ("INPUT_TOPIC", "RESULTS_TOPIC", "DEAD_LETTER_TOPIC")
    return tuple(dict.fromkeys(told[name] for told in map(_told, workers(objects)) for name in names))


def topics_prefix(pipeline: str) -> str:
    """Say what the names of a pipeline's topics begin with."""
    return Topics(pipeline).prefix


def stages_of(objects: tuple[Object, ...]) -> dict[str, str]:
    """Name the Deployment of each stage, in order."""
    return {_told(each)["J2K_STAGE"]: str(each["metadata"]["name"]) for each in workers(objects)}


def _told(deployment: Object) -> dict[str, str]:
    """Return the variables that a Deployment's worker is told."""
    variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    return {each["name"]: str(each.get("value", "")) for each in variables}


# --- sandboxes are no clouds ------------------------------------------------------------------------------------------


def refuse_sandboxes(options: PromoteOptions, to: Destination) -> None:
    """Refuse a sandbox of this machine, but one that stands for a cloud."""
    from j2k_dev.actions.promotion.sandboxes import sandbox_at  # noqa: PLC0415 - asks the Docker engine, which takes time

    name = sandbox_at(to.calls, options)
    if name:
        told = f"{to.context} is the sandbox {name} of this machine: that is where things are proven, not promoted to"
        raise Refused(told, "name the context of the cluster; to try: j2k sandbox up --name twin --cloud")
