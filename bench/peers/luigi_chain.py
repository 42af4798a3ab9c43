"""A chain of trivial luigi tasks: ``luigi_chain.py TASKS WORKERS FOLDER`` prints when each one ended."""

from __future__ import annotations

import json
import pickle
import sys
import time
from pathlib import Path
from typing import Any

import luigi


class Step(luigi.Task):  # type: ignore[misc]  # luigi's own types are not looked at
    """Takes the state of the step before from its file, and writes its own."""

    number = luigi.IntParameter()
    folder = luigi.Parameter()

    def requires(self) -> Any:
        """Name the step before."""
        return Step(self.number - 1, self.folder) if self.number else []

    def output(self) -> Any:
        """Name the file that says that this step is done."""
        return luigi.LocalTarget(f"{self.folder}/{self.number}.pickle", format=luigi.format.Nop)

    def run(self) -> None:
        """Append a number to the state."""
        state: Any = self._before() if self.number else {"values": [], "table": list(range(1000)), "ended": []}
        state["values"].append(self.number)
        state["ended"].append(time.time())
        with self.output().open("w") as file:
            pickle.dump(state, file)

    def _before(self) -> Any:
        with self.input().open("r") as file:
            return pickle.load(file)


def main(tasks: int, workers: int, folder: Path) -> None:
    """Run the chain and print when its tasks ended."""
    last = tasks - 1
    if not luigi.build([Step(last, str(folder))], local_scheduler=True, workers=workers, log_level="WARNING"):
        sys.exit("luigi failed")
    print(json.dumps(pickle.loads((folder / f"{last}.pickle").read_bytes())["ended"]))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
