"""Where a build takes the environment from: what ReproZip saw, and what other ways (``locked``) share with it."""

from __future__ import annotations

import dataclasses
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from j2k_dev import __version__
from j2k_dev.actions.context import Context, cell_sources, digest
from j2k_dev.engine import reprozip
from j2k_dev.engine.scrub import Scrubber
from j2k_dev.engine.workspace import read_json, write_json
from j2k_dev.model.codec import from_plain, to_plain
from j2k_dev.model.errors import MachineryFailed, Refused
from j2k_dev.packaging.environment import Request, settings_of
from j2k_dev.packaging.export import export_rpz
from j2k_dev.packaging.files import Places, Selection, is_below, packable, select, traced_files, written_into
from j2k_dev.packaging.python import Python, take_inventory
from j2k_dev.packaging.review import Review, applied

if TYPE_CHECKING:
    from collections.abc import Mapping

    from j2k_dev.model.recording import Recording
    from j2k_dev.packaging.oci import Settings

IMAGES = "images"

_IMPORT = re.compile(r"^\s*(?:import|from)\s+([\w.]+(?:\s*,\s*[\w.]+)*)", re.MULTILINE)


class Source:
    """What all ways to an environment have in common."""

    kind: str

    def __init__(self, context: Context, recording: Recording) -> None:
        self._context = context
        self._recording = recording
        self._start = context.launcher

    @cached_property
    def python(self) -> Python:
        """The interpreter, asked only where something has to be chosen."""
        return take_inventory(self._start.python, self._start.options, self._start.env())

    @cached_property
    def facts(self) -> Python:
        """The interpreter's folders, from the last time if it is the same."""
        known = self._context.workspace.root / IMAGES / "python.json"
        key = digest(self._recording.interpreter.executable, self._recording.interpreter.packages, __version__)
        plain = read_json(known) or {}
        if plain.get("key") == key:
            return from_plain(Python, plain["python"])
        bare = dataclasses.replace(self.python, distributions=())
        write_json(known, {"key": key, "python": to_plain(bare)})
        return bare

    @property
    def places(self) -> Places:
        """Where the notebook's own things are, and j2k's."""
        folder = self._context.original.path.absolute().parent.resolve()
        return Places(str(folder), (str(self._context.workspace.root), str(self._start.support.parent)))

    @property
    def modules(self) -> set[str]:
        """The modules that the notebook's text names, also where they were not imported yet."""
        text = "\n".join(cell.source for cell in cell_sources(self._context.notebook))
        named = (name.strip() for found in _IMPORT.findall(text) for name in found.split(","))
        return {name.partition(".")[0] for name in named if name}

    def request(self, review: Review) -> Request:
        """Say what is wanted, in such a way that nothing is looked at twice."""
        settings = self._settings()
        token = digest(
            self.kind, self.identity(), sorted(self.modules), to_plain(review), repr(settings),
            self._start.support.name, self._recording.interpreter.packages,
        )  # fmt: skip
        choose = lambda: applied(self.selection(), review)  # noqa: E731 - asked later, or never
        return Request(token, choose, self.facts.cache_tag, settings, self._start.support)

    def _settings(self) -> Settings:
        labels = {"j2k.dev/package": self.kind, "j2k.dev/python": self.facts.version, "j2k.dev/version": __version__}
        return settings_of(self.facts, self._start.options, self.environment(), self._start.environment, labels)

    def identity(self) -> Any:
        """Return what the environment is chosen from."""
        raise NotImplementedError

    def selection(self) -> Selection:
        """Choose the files."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        """Return the environment of the recording, without its secrets."""
        return Scrubber([env := self._start.env()]).environment(env)


class Traced(Source):
    """From what ReproZip saw."""

    kind = "trace"

    @property
    def folder(self) -> Path:
        """Where the trace is kept."""
        return self._context.workspace.recording(self._recording.key).parent / "trace"

    @cached_property
    def trace(self) -> reprozip.ReprozipTrace:
        """What was seen."""
        if not self.folder.is_dir():
            raise MachineryFailed(f"the trace {self.folder} is gone", "j2k record NOTEBOOK --trace reprozip --fresh")
        return reprozip.load(self.folder)

    def identity(self) -> Any:
        """Return what of the trace says which environment it was."""
        prefix = Path(self._recording.interpreter.executable).parent.parent
        return traced_files(self.trace.files, self.places, str(prefix))

    def selection(self) -> Selection:
        """Choose what was seen, completed."""
        return select(self.trace.files, self.python, self.places, self.modules)

    def environment(self) -> Mapping[str, str]:
        """Return what the trace has of it."""
        return self.trace.runs[0].environment

    def check(self) -> None:
        """Refuse a notebook that writes where a container can't."""
        ours = self.places.ours
        written = [
            each.path
            for each in self.trace.inputs_outputs
            if each.written and not any(is_below(each.path, folder) for folder in ours)
        ]
        if into := written_into(written, self.facts):
            raise Refused(
                f"the notebook writes to {into[0]}, in its Python's own folders, which can't be written in a container",
                "install what it needs before it is recorded, and let it write to its own folder",
            )

    def export(self, target: Path) -> None:
        """Write ReproZip's own pack."""
        python = next(path for path in reprozip.candidates(self._start.python) if reprozip.why_not(path) is None)
        export_rpz(python, self.folder, packable(self.trace.files, self.python, self.places), target)
