"""A metaflow flow of three steps; the second says when it begins (``began``, a line each time) and takes a while."""

import os
import time
from pathlib import Path

from metaflow import FlowSpec, step


class Killed(FlowSpec):  # type: ignore[misc]  # metaflow's own types are not looked at
    """Sums up a list."""

    @step  # type: ignore[untyped-decorator]
    def start(self) -> None:
        """Load."""
        self.values = [1, 2, 3]
        self.next(self.middle)

    @step  # type: ignore[untyped-decorator]
    def middle(self) -> None:
        """Work."""
        with Path("began").open("a") as file:
            file.write(f"{time.time()}\n")
        time.sleep(float(os.environ["SECONDS"]))
        self.total = sum(self.values)
        self.next(self.end)

    @step  # type: ignore[untyped-decorator]
    def end(self) -> None:
        """Tell."""
        Path("total").write_text(str(self.total))


if __name__ == "__main__":
    Killed()
