"""A chain of trivial metaflow steps. Metaflow reads the steps out of a flow's source, so the source is written."""

from __future__ import annotations

_BEGIN = '''"""A chain of trivial steps."""
import json
import time

from metaflow import FlowSpec, step


class Chain(FlowSpec):
    @step
    def start(self):
        self.values, self.table, self.ended = [0], list(range(1000)), [time.time()]
        self.next(self.{following})
'''

_STEP = """
    @step
    def {name}(self):
        self.values = [*self.values, {number}]
        self.ended = [*self.ended, time.time()]
        self.next(self.{following})
"""

_END = """
    @step
    def end(self):
        with open("ended.json", "w") as file:
            json.dump([*self.ended, time.time()], file)


if __name__ == "__main__":
    Chain()
"""


def flow(steps: int) -> str:
    """Return the source of a flow of so many steps that leaves when each one ended in ``ended.json``."""
    names = [f"step_{number}" for number in range(1, steps - 1)]
    following = [*names[1:], "end"]
    middle = (
        _STEP.format(name=name, number=number, following=after)
        for number, (name, after) in enumerate(zip(names, following, strict=True), 1)
    )
    return _BEGIN.format(following=names[0]) + "".join(middle) + _END
