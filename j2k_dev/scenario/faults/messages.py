"""A message of the run that stands on the bus twice."""

from __future__ import annotations

from dataclasses import dataclass

from j2k_dev.model.run import Message
from j2k_dev.scenario.ground import Fault, Proof
from j2k_dev.worker.exchange import Exchange


@dataclass
class SendTwice(Fault):
    """Sends the message that a stage works on once more, as a producer does that did not hear of its success."""

    def strike(self) -> None:
        """Send it, and look how many messages the stage's topic has, before and then."""
        place = self.ground.stages.index(self.moment.stage)
        before = Exchange(self.ground.exchange).read(self.ground.run, self.ground.stages[place - 1]) if place else None
        message = Message(self.ground.run, self.moment.stage, before.snapshot if before else None)
        self.before = {"messages": str(self.ground.waiting(self.moment.stage))}
        self.begins()
        self.ground.send(self.moment.stage, message)
        self.after = {"messages": str(self.ground.waiting(self.moment.stage))}

    def proof(self) -> Proof:
        """Say how many messages nobody had acknowledged."""
        before, then = int(self.before.get("messages", 0)), int(self.after.get("messages", 0))
        told = f"messages for {self.moment.stage} that nobody acknowledged: {before} before, {then} then"
        return Proof(then > before, told, self.before, self.after)
