"""What came of the outside notebooks: one look at a notebook, and looks that outlive a test run which was stopped."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from j2k_dev.model.codec import from_plain, to_plain
from tests.outside.corpus import HERE
from tests.outside.execution import ask_j2k, ask_oracle
from tests.outside.judge import judge
from tests.outside.table import Side

if TYPE_CHECKING:
    from tests.outside.corpus import Home, Notebook
    from tests.outside.execution import Way

T = TypeVar("T")
ROOT = Path(__file__).parents[2]


def source_digest() -> str:
    """What kept results depend on: our own source, and how it is judged."""
    files = sorted(path for path in (ROOT / "j2k_dev").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    judging = sorted(HERE.glob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in (*files, *judging))).hexdigest()


def look(home: Home, notebook: Notebook, way: Way) -> Side:
    """Run the notebook by j2k in one way, and judge what it gave."""
    reply = ask_j2k(home, notebook, way)
    judgement = judge(reply, lambda number: ask_oracle(home, notebook, number))
    stages = len(reply.document.get("stages") or ())
    notes = tuple(reply.document.get("notes") or ())
    return Side(judgement.verdict, judgement.reason, judgement.unstable, stages, reply.seconds, notes)


class Results(Generic[T]):
    """The rows found so far, of one kind; where a folder is given they outlive the process."""

    def __init__(self, kind: type[T], folder: Path | None) -> None:
        self.kind = kind
        self.folder = folder
        self.rows: dict[str, T] = {}

    def find(self, notebook: Notebook) -> T | None:
        path = self._path(notebook)
        if path is None or not path.exists():
            return None
        return from_plain(self.kind, json.loads(path.read_text(encoding="utf-8")))

    def keep(self, notebook: Notebook, row: T) -> None:
        self.rows[str(notebook)] = row
        path = self._path(notebook)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".partial").write_text(json.dumps(to_plain(row)), encoding="utf-8")
            path.with_suffix(".partial").replace(path)

    def _path(self, notebook: Notebook) -> Path | None:
        name = hashlib.sha256(f"{notebook} {notebook.package.sha256}".encode()).hexdigest()[:24]
        return self.folder / f"{name}.json" if self.folder else None
