"""What of a workspace is on a cluster (``clusters.json``): written before anything is applied there."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from j2k_dev.deploy.kubectl import Cluster, Kubectl
from j2k_dev.engine.workspace import CLUSTERS, read_json, write_json
from j2k_dev.model.codec import CodecError, from_plain, to_plain
from j2k_dev.model.errors import BadInput
from j2k_dev.notebook.planning import slug
from j2k_dev.sandbox.commands import SystemRunner

if TYPE_CHECKING:
    from j2k_dev.engine.workspace import Workspace

_RUNS_KEPT = 20


@dataclass(frozen=True)
class Placed:
    """A pipeline that was brought onto a cluster, and how that is reached; ``stages``: the names of their objects.

    ``runs`` are the latest runs there, the newest first. ``kubeconfig`` is empty where it is the user's own.
    ``courier`` is the manifest of the pod that reaches its exchange, where this machine does not.
    """

    pipeline: str
    namespace: str
    context: str
    kubeconfig: str
    kubectl: str
    stages: dict[str, str]
    runs: tuple[str, ...]
    courier: dict[str, Any] | None = None

    @property
    def calls(self) -> Kubectl:
        """Give the calls on its cluster."""
        kubeconfig = Path(self.kubeconfig) if self.kubeconfig else None
        return Kubectl(Cluster(self.context, kubeconfig, self.kubectl), SystemRunner())

    @property
    def key(self) -> str:
        """Tell the same pipeline on the sandbox and on other clusters apart."""
        return f"{self.pipeline}@{self.context}" if self.courier else self.pipeline


def placed_in(workspace: Workspace, context: str = "") -> tuple[Placed, ...]:
    """Read which pipelines of a workspace are on a cluster, on any or on one."""
    found = []
    for plain in (read_json(workspace.root / CLUSTERS) or {}).values():
        with suppress(CodecError):  # another version's
            found.append(from_plain(Placed, plain))
    return tuple(placed for placed in found if context in ("", placed.context))


def remember(workspace: Workspace, placed: Placed) -> None:
    """Keep where a pipeline is, and with its runs the ones that are known."""
    earlier = [run for known in placed_in(workspace) if known.key == placed.key for run in known.runs]
    runs = tuple(dict.fromkeys((*placed.runs, *earlier)))[:_RUNS_KEPT]
    plain = to_plain(dataclasses.replace(placed, runs=runs))
    write_json(workspace.root / CLUSTERS, _plain(workspace) | {placed.key: plain})


def forget(workspace: Workspace, key: str) -> None:
    """Forget where a pipeline was; that there were any stays known, for what they left on the exchange."""
    write_json(workspace.root / CLUSTERS, {name: it for name, it in _plain(workspace).items() if name != key})


def chosen(workspace: Workspace, notebook: Path | None, context: str = "") -> Placed:
    """Pick the pipeline of a notebook, or the only one there is, on any cluster or on one."""
    there = placed_in(workspace, context)
    wanted = (slug(notebook.stem) or "notebook") if notebook and not notebook.is_dir() else None
    fitting = [placed for placed in there if wanted in (None, placed.pipeline)]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(f"{placed.pipeline} ({placed.context})" for placed in there)
    if not names:
        raise BadInput(f"no pipeline of {workspace.root} is on a cluster", "j2k up NOTEBOOK --engine kind")
    raise BadInput(f"which pipeline? On the cluster are {names}", "--notebook NOTEBOOK, --context NAME")


def _plain(workspace: Workspace) -> dict[str, object]:
    plain = read_json(workspace.root / CLUSTERS)
    return plain if isinstance(plain, dict) else {}
