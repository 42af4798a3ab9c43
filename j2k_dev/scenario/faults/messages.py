"""A message of the run that stands on the bus twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from j2k_dev.model.run import Message
from j2k_dev.scenario.ground import Proof
from j2k_dev.worker.exchange import Exchange

if TYPE_CHECKING:
    from j2k_dev.scenario.ground import Ground, Moment
    from j2k_dev.scenario.model import Strike


@dataclass
class SendTwice:
    """Sends the message that a stage works on once more, as a producer does that did not hear of its success."""

    ground: Ground
    moment: Moment
    strike_: Strike
    sent: bool = False

    def strike(self) -> None:
        """Send it."""
        place = self.ground.stages.index(self.moment.stage)
        before = Exchange(self.ground.exchange).read(self.ground.run, self.ground.stages[place - 1]) if place else None
        message = Message(self.ground.run, self.moment.stage, before.snapshot if before else None)
        self.ground.send(self.moment.stage, message)
        self.sent = True

    def undo(self) -> None:
        """Do nothing: a message that was sent is sent."""

    def proof(self) -> Proof:
        """Say that the bus took it."""
        told = f"the bus took a second message for {self.moment.stage}" if self.sent else "no message was sent"
        return Proof(self.sent, told, {"messages": "1"}, {"messages": "2" if self.sent else "1"})
