"""The sandbox's actions: bringing one up, taking them down, looking at one, and having the engine they stand on."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from j2k_dev.actions.scenarios.mend import mend_unless_at_work
from j2k_dev.deploy.pods import dns_label
from j2k_dev.engine.workspace import open_workspace, workspace_at
from j2k_dev.model.errors import BadInput
from j2k_dev.notebook.planning import slug
from j2k_dev.sandbox.cloud.admin import prepare
from j2k_dev.sandbox.cloud.model import Cloud
from j2k_dev.sandbox.cloud.target import write_target
from j2k_dev.sandbox.commands import SystemRunner
from j2k_dev.sandbox.docker_engine import provision
from j2k_dev.sandbox.docker_engine.engine import connect
from j2k_dev.sandbox.docker_engine.inotify import raise_limits
from j2k_dev.sandbox.docker_engine.machine import this_machine
from j2k_dev.sandbox.down import TakenDown, take_down
from j2k_dev.sandbox.images import provide_images
from j2k_dev.sandbox.kubeconfig import add_context, remove_context, user_kubeconfig
from j2k_dev.sandbox.status import SandboxStatus, sandbox_status
from j2k_dev.sandbox.up import bring_up
from j2k_dev.sandbox.workspaces import named_sandbox, sandboxes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker import DockerClient

    from j2k_dev.sandbox.commands import Runner
    from j2k_dev.sandbox.docker_engine.provision import Provided
    from j2k_dev.sandbox.model import Images, Sandbox, SandboxState
    from j2k_dev.sandbox.progress import Progress


@dataclass(frozen=True)
class SandboxContext:
    """What the actions work with: the sandbox that was named, and the engine that answers."""

    sandbox: Sandbox
    client: DockerClient
    runner: Runner
    progress: Progress


@contextlib.contextmanager
def engine_for(sandbox: Sandbox, progress: Progress) -> Iterator[SandboxContext]:
    """Connect to the Docker engine for one sandbox; raise MachineryFailed where none answers."""
    with contextlib.closing(connect()) as client:
        yield SandboxContext(sandbox, client, SystemRunner(), progress)


@dataclass(frozen=True)
class BringUp:
    """Brings a sandbox up, and only what of it is not; ``nodes`` None: as many as it has, or one."""

    images: Literal["auto", "registry", "packages"] = "auto"
    nodes: int | None = None
    kubeconfig: bool = False
    retain: bool = False
    cloud: bool = False
    grants: tuple[Path, ...] = ()

    def execute(self, context: SandboxContext) -> SandboxState:
        """Return what the sandbox tells of itself."""
        if self.cloud and not context.sandbox.name:
            told = "--cloud needs --name: the sandbox without one is where pipelines are tried before they are promoted"
            raise BadInput(told, "j2k sandbox up --name twin --cloud")
        raise_limits(context.progress)
        if not context.sandbox.name:
            mend_unless_at_work(context.sandbox.workspace, context.progress.note)
        images = partial(provide_images, self.images, context.client, context.runner, context.progress)
        state = bring_up(
            context.sandbox,
            images,
            self.nodes,
            context.client,
            context.runner,
            context.progress,
            source=None if self.images == "auto" else self.images,
            retain=self.retain,
            cloud=self.cloud,
        )
        if self.grants:
            state = self._prepare(context, state, images)
        if self.kubeconfig:
            add_context(Path(state.kubeconfig), user_kubeconfig())
            context.progress.note(f"{user_kubeconfig()} has the context {state.context} now")
        return state

    def _prepare(self, context: SandboxContext, state: SandboxState, images: Callable[[], Images]) -> SandboxState:
        """Be the twin's administrator for the pipelines of notebooks, and write a target file beside each."""
        if state.cloud is None:
            raise BadInput("--for is for the twin of a cloud", "j2k sandbox up --name twin --cloud --for NOTEBOOK")
        names = {slug(notebook.stem): notebook.absolute().parent for notebook in self.grants}
        pipelines = {name: dns_label(f"j2k-{name}") for name in names}
        with context.progress.step(f"preparing it for {', '.join(pipelines)}"):
            told = prepare(Cloud(context.sandbox), state, pipelines, images().kubectl, context.runner)
        for folder in dict.fromkeys(names.values()):
            file, ours = write_target(told, folder)
            context.progress.note(f"{'the target file is' if ours else 'left alone, since it is your own:'} {file}")
        return told


@dataclass(frozen=True)
class TakeDown:
    """Takes a sandbox down, or every one of its workspace."""

    every: bool = False

    def execute(self, context: SandboxContext) -> dict[str, TakenDown]:
        """Return what was removed, by cluster."""
        workspace = context.sandbox.workspace
        chosen = sandboxes_of(workspace, context.client) if self.every else (context.sandbox,)
        return {sandbox.cluster: self._remove(sandbox, context) for sandbox in chosen}

    @staticmethod
    def _remove(sandbox: Sandbox, context: SandboxContext) -> TakenDown:
        removed = take_down(sandbox, context.client, context.progress)
        user = user_kubeconfig()
        for name in (sandbox.context, Cloud(sandbox).context):
            if remove_context(name, user):
                context.progress.note(f"{user} does not have the context {name} any more")
        return removed


class Look:
    """Looks at a sandbox; nothing is changed."""

    def execute(self, context: SandboxContext) -> SandboxStatus:
        """Return how its parts are."""
        return sandbox_status(context.sandbox, context.client)


# --- what the command line calls --------------------------------------------------------------------------------------


def up(place: Path | None, override: Path | None, name: str, action: BringUp, progress: Progress) -> SandboxState:
    """Bring up a sandbox of a workspace, which is made where there is none."""
    sandbox = named_sandbox(workspace_at(place, override).root, name)
    with engine_for(sandbox, progress) as context:
        open_workspace(place or Path(), override)
        return action.execute(context)


def down(
    place: Path | None, override: Path | None, name: str, action: TakeDown, progress: Progress
) -> dict[str, TakenDown]:
    """Take down a sandbox of a workspace, or all; the workspace itself may be lost."""
    sandbox = named_sandbox(workspace_at(place, override).root, name)
    with engine_for(sandbox, progress) as context:
        return action.execute(context)


def status(place: Path | None, override: Path | None, name: str, progress: Progress) -> SandboxStatus:
    """Look at a sandbox of a workspace."""
    with engine_for(named_sandbox(workspace_at(place, override).root, name), progress) as context:
        return Look().execute(context)


def have_engine(data_root: Path | None, progress: Progress) -> Provided:
    """Have a Docker engine: the one that answers, or one that is installed and started here."""
    return provision.provide_engine(this_machine(), SystemRunner(), progress, data_root)


def stop_engine(progress: Progress) -> int | None:
    """Stop the engine that j2k started, and no other; return its process number, or None where there is none."""
    return provision.stop_engine(progress)
