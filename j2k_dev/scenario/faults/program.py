"""j2k itself killed, in the middle of a run."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from j2k_dev.scenario.ground import Fault, Proof
from j2k_dev.scenario.waiting import within

if TYPE_CHECKING:
    import subprocess


_GONE_SECONDS = 5.0


@dataclass
class KillJ2k(Fault):
    """Kills the command that carries the run; whoever conducts the scenario calls it again, as a user would."""

    def strike(self) -> None:
        """Kill it."""
        subject: subprocess.Popen[bytes] = self.ground.subject()
        self.before = {"process": str(subject.pid), "state": "running" if subject.poll() is None else "gone"}
        self.begins()
        subject.send_signal(signal.SIGKILL)
        within(_GONE_SECONDS, lambda: subject.poll() is not None)
        self.after = {"process": str(subject.pid), "exit code": str(subject.poll())}

    def proof(self) -> Proof:
        """Say how it ended."""
        killed = self.after.get("exit code") == str(-signal.SIGKILL)
        told = f"j2k (process {self.before['process']}) ended with {self.after.get('exit code')}"
        return Proof(killed and self.before["state"] == "running", told, self.before, self.after)
