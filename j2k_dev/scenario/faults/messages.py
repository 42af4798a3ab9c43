"""A message of the run that stands on the bus twice."""

from __future__ import annotations

from dataclasses import dataclass

from j2k_dev.model.run import Message
from j2k_dev.scenario.ground import Fault, Proof
from j2k_dev.worker.exchange import Exchange


@dataclass
class SendTwice(Fault):
    """Sends the message that a stage works on once more, as a producer does that did not hear of its success."""

    sent: bool = False

    def strike(self) -> None:
        """Send it."""
        place = self.ground.stages.index(self.moment.stage)
        before = Exchange(self.ground.exchange).read(self.ground.run, self.ground.stages[place - 1]) if place else None
        message = Message(self.ground.run, self.moment.stage, before.snapshot if before else None)
        self.ground.send(self.moment.stage, message)
        self.sent = True

    def proof(self) -> Proof:
        """Say that the bus took it."""
        told = f"the bus took a second message for {self.moment.stage}" if self.sent else "no message was sent"
        return Proof(self.sent, told, {"messages": "1"}, {"messages": "2" if self.sent else "1"})
