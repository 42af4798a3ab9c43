"""Three luigi tasks; the second one says when it begins (``began``, a line each time) and takes a while."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import luigi


class Step(luigi.Task):  # type: ignore[misc]  # luigi's own types are not looked at
    """One of them, by number."""

    number = luigi.IntParameter()

    def requires(self) -> Any:
        """Name the task before."""
        return Step(self.number - 1) if self.number else []

    def output(self) -> Any:
        """Name the file that says that this one is done."""
        return luigi.LocalTarget("total" if self.number == 2 else f"{self.number}.done")

    def run(self) -> None:
        """Work."""
        if self.number == 1:
            with Path("began").open("a") as file:
                file.write(f"{time.time()}\n")
            time.sleep(float(os.environ["SECONDS"]))
        with self.output().open("w") as file:
            file.write("6")


if __name__ == "__main__":
    sys.exit(not luigi.build([Step(2)], local_scheduler=True, log_level="WARNING"))
