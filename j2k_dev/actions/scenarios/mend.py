"""What a scenario that was killed itself left broken: it says beforehand what it does, and whoever comes next mends.

Faults are undone by the scenario, also after Ctrl-C. Only one that had no time for that leaves its note behind.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from j2k_dev.actions.cluster.record import placed_in
from j2k_dev.deploy.kubectl import FIELD_MANAGER
from j2k_dev.deploy.tree import LOCAL, MANIFESTS
from j2k_dev.engine.locks import lock, run_holder
from j2k_dev.engine.workspace import Workspace, read_json, write_json
from j2k_dev.model.codec import from_plain, to_plain
from j2k_dev.model.errors import MachineryFailed, Refused
from j2k_dev.scenario.waiting import within
from j2k_dev.worker.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from docker import DockerClient

    from j2k_dev.actions.cluster.record import Placed
    from j2k_dev.sandbox.model import Sandbox, SandboxState

FOLDER = "scenarios"
_NOTE = "struck.json"
_ENDING_SECONDS = 20.0
_ANSWER_SECONDS = 10.0
_API_SECONDS = 60.0


@dataclass(frozen=True)
class Left:
    """What a scenario is about to strike: its run and, on the sandbox, the namespace of the pods."""

    run: str
    namespace: str = ""


def begin(workspace: Workspace, left: Left) -> None:
    """Say what is about to be broken."""
    write_json(_note(workspace), to_plain(left))


def end(workspace: Workspace) -> None:
    """Say that all of it is undone."""
    _note(workspace).unlink(missing_ok=True)


def mend(workspace: Workspace, tell: Callable[[str], None]) -> None:
    """Put right what a scenario left that was cut off; only for whoever holds the lock on scenarios."""
    plain = read_json(_note(workspace))
    if plain is None:
        return
    left = from_plain(Left, plain)
    tell("an earlier scenario was cut off: what it broke is put right first")
    _end_run(workspace, left.run)
    if left.namespace:
        _mend_sandbox(workspace, left.namespace)
    end(workspace)


def mend_unless_at_work(root: Path, tell: Callable[[str], None]) -> None:
    """Do the same, for whoever needs the sandbox; a scenario that is at work undoes by itself what it does."""
    workspace = Workspace(root)
    if _note(workspace).exists():
        with contextlib.suppress(Refused), lock(Workspace(root / FOLDER), wait=False):
            mend(workspace, tell)


def _note(workspace: Workspace) -> Path:
    return workspace.root / FOLDER / _NOTE


def _end_run(workspace: Workspace, run: str) -> None:
    """End the run that nobody watches any more, and hold no worker of it."""
    shutil.rmtree(Exchange(workspace.exchange).holds(run), ignore_errors=True)
    carrier = run_holder(workspace, run)
    for number in (signal.SIGINT, signal.SIGKILL):
        if carrier is None or carrier.pid in {0, os.getpid()}:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(carrier.pid, number)
        within(_ENDING_SECONDS, lambda: run_holder(workspace, run) is None)
        carrier = run_holder(workspace, run)


def _mend_sandbox(workspace: Workspace, namespace: str) -> None:
    from j2k_dev.sandbox.docker_engine.engine import connect  # noqa: PLC0415 - only where there is a sandbox
    from j2k_dev.sandbox.model import Sandbox  # noqa: PLC0415 - see above
    from j2k_dev.sandbox.state import read_state  # noqa: PLC0415 - see above
    from j2k_dev.sandbox.up import engine_errors  # noqa: PLC0415 - see above

    sandbox = Sandbox(workspace.root)
    state = read_state(sandbox)
    placed = next((one for one in placed_in(workspace) if one.namespace == namespace and one.courier is None), None)
    if state is None or placed is None:  # the sandbox is gone, and with it whatever was broken there
        return
    with engine_errors(), contextlib.closing(connect()) as client:
        _start_all(sandbox, client)
        _reset_proxy(state)
        _give_back_nodes(sandbox, placed)
    overlay = str(workspace.root / MANIFESTS / LOCAL)
    how = ("--server-side", "--field-manager", FIELD_MANAGER, "--force-conflicts")
    placed.calls.call("apply", "--kustomize", overlay, *how)
    # Full disks, small memories and worn containers are their pods' own.
    placed.calls.call("delete", "pods", "--all", "--namespace", namespace, "--grace-period=1", "--wait=false")


def _start_all(sandbox: Sandbox, client: DockerClient) -> None:
    """Have all containers run, and the API server's process go on."""
    from j2k_dev.sandbox.inventory import look  # noqa: PLC0415 - only where there is a sandbox
    from j2k_dev.sandbox.nodes import execute  # noqa: PLC0415 - see above

    for part in look(client, sandbox):
        if part.state == "paused":
            client.api.unpause(part.name)
        elif not part.running:
            client.api.start(part.name)
    with contextlib.suppress(MachineryFailed):  # there is none yet where its node was just started
        execute(client, f"{sandbox.cluster}-control-plane", "pkill -CONT -x kube-apiserver")


def _reset_proxy(state: SandboxState) -> None:
    request = urllib.request.Request(f"{state.proxy}/reset", b"", method="POST")  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS):  # noqa: S310 - see above
            pass
    except (urllib.error.URLError, OSError) as error:
        raise MachineryFailed(f"the proxy does not answer at {state.proxy}: {error}", "j2k sandbox up") from error


def _give_back_nodes(sandbox: Sandbox, placed: Placed) -> None:
    """Let pods onto all nodes again, as soon as the API server answers."""
    from j2k_dev.sandbox.nodes import ask_nodes  # noqa: PLC0415 - only where there is a sandbox

    if not within(_API_SECONDS, lambda: ask_nodes(sandbox.kubeconfig) is not None):
        raise MachineryFailed("the cluster's API server does not answer", "j2k sandbox down, then j2k sandbox up")
    placed.calls.call("uncordon", *(node.name for node in ask_nodes(sandbox.kubeconfig) or ()))
