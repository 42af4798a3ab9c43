"""What a fault can act on: a run, its workers and, on Kubernetes, everything that it stands on."""

from __future__ import annotations

import abc
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from j2k_dev.deploy.kubectl import FIELD_MANAGER

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from docker import DockerClient

    from j2k_dev.deploy.kubectl import Kubectl
    from j2k_dev.model.run import Message
    from j2k_dev.sandbox.model import Sandbox, SandboxState
    from j2k_dev.scenario.model import Engine, Strike


@dataclass(frozen=True)
class OnCluster:
    """The sandbox and what the manifests of ``overlay`` deployed there; ``objects`` and ``topics`` by stage.

    ``dead_letters`` is the topic of messages that used up their attempts.
    """

    kubectl: Kubectl
    namespace: str
    objects: Mapping[str, str]
    topics: Mapping[str, str]
    dead_letters: str
    overlay: Path
    sandbox: Sandbox
    client: DockerClient
    state: SandboxState

    def deploy_anew(self) -> None:
        """Give all objects back what the manifests say of them, whoever changed it."""
        how = ("--server-side", "--field-manager", FIELD_MANAGER, "--force-conflicts")
        self.kubectl.call("apply", "--kustomize", str(self.overlay), *how)


@dataclass(frozen=True)
class Ground:
    """A run of a pipeline and what carries it.

    ``send`` puts a message on the bus, for a stage; ``waiting`` counts those of a stage that nobody acknowledged;
    ``subject`` is the process of j2k that carries the run.
    ``cells`` are the cells of each stage with the seconds that the recording took for each.
    """

    engine: Engine
    run: str
    exchange: Path
    stages: tuple[str, ...]
    cells: Mapping[str, tuple[tuple[int, float], ...]]
    send: Callable[[str, Message], None]
    waiting: Callable[[str], int]
    subject: Callable[[], subprocess.Popen[bytes]]
    cluster: OnCluster | None = None

    @property
    def on_cluster(self) -> OnCluster:
        """Return the cluster: faults that need one are refused before, where there is none."""
        assert self.cluster is not None
        return self.cluster


@dataclass(frozen=True)
class Moment:
    """Where the run is when a fault strikes: the worker is held at the point, in an attempt, with its processes.

    Process numbers are the worker's own: in a pod, those of its container. 0 where none is known.
    """

    stage: str
    worker: str
    attempt: int
    point: str
    worker_process: int
    cells_process: int


@dataclass(frozen=True)
class Proof:
    """What was seen of what a fault changes, before and after, and whether that proves that it happened."""

    bit: bool
    told: str
    before: dict[str, str]
    after: dict[str, str]


@dataclass
class Fault(abc.ABC):
    """One fault, once: ``strike`` makes it, ``undo`` ends it, ``proof`` says what it did.

    ``asked`` is what the scenario says of it; ``before`` and ``after`` are what was seen of what it changes. ``at`` is
    the moment before it was made, after all that had to be looked at, in seconds since the epoch.
    """

    ground: Ground
    moment: Moment
    asked: Strike
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    at: float = 0.0

    def begins(self) -> None:
        """Take note that it is made now."""
        self.at = time.time()

    @abc.abstractmethod
    def strike(self) -> None:
        """Make it happen, and return once it has."""

    def undo(self) -> None:  # noqa: B027 - many faults are over by themselves
        """End it; harmless where there is nothing to end."""

    @abc.abstractmethod
    def proof(self) -> Proof:
        """Say what was seen; asked for once the run has ended."""
