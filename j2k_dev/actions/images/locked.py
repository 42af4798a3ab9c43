"""An environment without a trace: the packages that the recording imported, by pip, on a base or our own interpreter.

The notebook is recorded once more inside, as nothing was traced that would tell what is missing.
"""

from __future__ import annotations

import dataclasses
from contextlib import closing
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from j2k_dev.actions.context import cell_sources, digest
from j2k_dev.actions.images.base import choose_base
from j2k_dev.actions.images.source import IMAGES, Source
from j2k_dev.engine.workspace import read_json, write_json, write_text
from j2k_dev.model.codec import from_plain, to_plain
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.run import CellDifference
from j2k_dev.packaging import engine, locked, wheels
from j2k_dev.packaging.base import compile_all
from j2k_dev.packaging.files import left_behind
from j2k_dev.packaging.store import Store
from j2k_dev.packaging.trial import run_inside
from j2k_dev.sandbox.docker_engine.engine import NoEngine, connect

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from j2k_dev.actions.context import Context
    from j2k_dev.actions.results import Outputs
    from j2k_dev.model.recording import Recording
    from j2k_dev.packaging.base import Base
    from j2k_dev.packaging.environment import Environment, Request
    from j2k_dev.packaging.files import Selection
    from j2k_dev.packaging.oci import Settings
    from j2k_dev.packaging.python import Python
    from j2k_dev.packaging.review import Review

# Of this machine's file system, which a base is not.
_PATHS = ("LD_LIBRARY_PATH", "PYTHONPATH")


def locked_source(context: Context, recording: Recording) -> Locked:
    """Choose what the packages are installed for: a base's interpreter, or this machine's own where there is none."""
    own = Locked(context, recording)
    base = choose_base(context, Store(own.images), lambda: own.python)
    return OnBase(context, recording, base) if base else own


class Locked(Source):
    """From an index, by pip, for this machine's own interpreter."""

    kind = "pip"
    fitting: tuple[str, ...] = ()

    @property
    def images(self) -> Path:
        """Where images are kept, and what they are made from."""
        return self._context.workspace.root / IMAGES

    @cached_property
    def lock(self) -> str:
        """The lock file, kept for the user: made anew only where other distributions are needed."""
        imported = {module for cell in self._recording.cells for module in cell.modules}
        needed = locked.needed_distributions(self.python, imported | self.modules)
        version = self._recording.interpreter.version
        key = digest([(each.name, each.version) for each in needed], version, self.fitting)
        plain = read_json(self.images / "lock.json") or {}
        if plain.get("key") != key:
            with self._context.ui.step("locking the packages that the notebook imports"):
                plain = {"key": key, "text": locked.lock(self.python, needed, self.fitting)}
            write_json(self.images / "lock.json", plain)
        text: str = plain["text"]
        write_text(self.images / locked.LOCK, text)
        return text

    def identity(self) -> Any:
        """Return the modules that were imported."""
        return sorted({module.partition(".")[0] for cell in self._recording.cells for module in cell.modules})

    def selection(self) -> Selection:
        """Choose the interpreter and what pip installs."""
        with self._context.ui.step("installing the locked packages"):
            prefix = locked.install(self.python, self.lock, self.images / "locked")
        return self._with_left_behind(locked.select_locked(self.python, prefix))

    def _with_left_behind(self, selection: Selection) -> Selection:
        read = {use.path for cell in self._recording.cells for use in cell.files if use.kind == "read"}
        absolute = sorted(path for path in read if path.startswith("/"))
        return dataclasses.replace(selection, left_out=left_behind(absolute, self.python, self.places))

    def tried(self, environment: Environment) -> tuple[CellDifference, ...]:
        """Record once more inside the container, and tell where results are others than here."""
        context, image = self._context, environment.image
        assert context.pipeline is not None
        kept = self.images / "tried.json"
        key = digest(image.digest, self._recording.key)
        known = read_json(kept) or {}
        if known.get("key") == key and not context.options.fresh:
            return tuple(from_plain(CellDifference, each) for each in known["differences"])
        try:
            client = connect()
        except NoEngine:
            context.ui.note("no Docker engine answers: whether the image gives the same results was not tried")
            return ()
        with closing(client), context.ui.step("recording once more inside the image"):
            engine.load(client, image, engine.local_reference(context.pipeline.name, environment.key))
            tried = run_inside(
                client, image, cell_sources(context.recorded), context.inputs, context.store,
                context.workspace.root / "trials", self._start.recorder,
            )  # fmt: skip
        if tried.failure:
            raise MachineryFailed("the notebook does not run in the image", "j2k build --package trace", tried.failure)
        differences = self._reproduced({cell: tuple(map(dict, found)) for cell, found in tried.outputs.items()})
        write_json(kept, {"key": key, "differences": to_plain(differences)})
        return differences

    def _reproduced(self, outputs: Outputs) -> tuple[CellDifference, ...]:
        """Compare with the recording; what the notebook itself does not reproduce is no difference."""
        from j2k_dev.actions.verify import compare  # noqa: PLC0415 - it runs pipelines, which need images

        return compare(self._context, self._recording, outputs, self._recording.files).differences


class OnBase(Locked):
    """From an index, by pip, for the interpreter of a base."""

    def __init__(self, context: Context, recording: Recording, base: Base) -> None:
        super().__init__(context, recording)
        self._base = base
        self._executable = recording.interpreter.executable
        self.fitting = wheels.fitting(base.python)

    @cached_property
    def facts(self) -> Python:
        """The interpreter that is in the image."""
        return self._base.interpreter(self._executable)

    def identity(self) -> Any:
        """Return the modules that were imported, and what they are installed for."""
        return [super().identity(), self._base.key, dataclasses.asdict(self._base.python)]

    def request(self, review: Review) -> Request:
        """Say what is wanted on the base."""
        entries = self._base.entries(self._executable)
        return dataclasses.replace(super().request(review), base=self._base, entries=entries)

    def selection(self) -> Selection:
        """Choose the packages alone: the rest is the base's."""
        text = self.lock
        with self._context.ui.step("installing the locked packages for the base"), closing(connect()) as client:
            compiling = partial(compile_all, client, self._base)
            place = wheels.lay_out(self.python, self._base.python, text, self.images / "locked", compiling)
        return self._with_left_behind(wheels.select_laid_out(place))

    def environment(self) -> Mapping[str, str]:
        """Leave out what names folders of this machine."""
        return {name: value for name, value in super().environment().items() if name not in _PATHS}

    def _settings(self) -> Settings:
        settings, base = super()._settings(), self._base.image.settings
        path = f"{self.facts.prefix}/bin:{base.environment.get('PATH', '/usr/local/bin:/usr/bin:/bin')}"
        environment = {**base.environment, **settings.environment, "PATH": path}
        return dataclasses.replace(settings, environment=environment, labels={**base.labels, **settings.labels})
