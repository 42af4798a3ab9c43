"""A runner that answers calls of kubectl in place of a cluster (the real one: tests/cluster)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from j2k_dev.deploy.kubectl import Cluster, Kubectl
from j2k_dev.model.errors import MachineryFailed

if TYPE_CHECKING:
    from j2k_dev.sandbox.commands import Command


@dataclass
class Answering:
    """A runner that notes commands and gives the answers in their order."""

    answers: list[str | MachineryFailed]
    commands: list[Command] = field(default_factory=list)

    def run(self, command: Command, way_out: str = "") -> str:
        self.commands.append(command)
        answer = self.answers.pop(0)
        if isinstance(answer, MachineryFailed):
            raise answer
        return answer

    @property
    def lines(self) -> list[str]:
        """What was called, without where."""
        return [str(command).split(" --context kind-x ")[1] for command in self.commands]


def kubectl(*answers: str | MachineryFailed) -> tuple[Kubectl, Answering]:
    runner = Answering(list(answers))
    return Kubectl(Cluster("kind-x", Path("/w/kubeconfig")), runner), runner
