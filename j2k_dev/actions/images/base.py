"""What an environment without a trace stands on: the image that was named, Docker's own Python, or Debian's.

Which one was chosen is kept: a tag that moves changes nothing before ``--fresh``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from j2k_dev.actions.context import digest
from j2k_dev.engine.workspace import read_json, write_json
from j2k_dev.model.codec import CodecError, from_plain, to_plain
from j2k_dev.model.errors import MachineryFailed, Refused
from j2k_dev.packaging.base import Base, BasePython, ask
from j2k_dev.packaging.layer import Layer
from j2k_dev.packaging.oci import Settings
from j2k_dev.packaging.pull import parse_reference, pull, resolve
from j2k_dev.sandbox.building.build import builder
from j2k_dev.sandbox.building.recipes import load_recipes
from j2k_dev.sandbox.commands import SystemRunner
from j2k_dev.sandbox.docker_engine.engine import connect
from j2k_dev.sandbox.images import registry_answers
from j2k_dev.sandbox.model import Sandbox
from j2k_dev.sandbox.state import read_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from docker import DockerClient

    from j2k_dev.actions.context import Context
    from j2k_dev.packaging.oci import Image
    from j2k_dev.packaging.python import Python
    from j2k_dev.packaging.store import Store

_KEPT = "base.json"
_DEBIAN = "Debian's Python"
_START = ("/usr/bin/python3",)
_ENVIRONMENT = {"LANG": "C.UTF-8", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


@dataclass(frozen=True)
class _KeptBase:
    """What is kept of the choice: ``wanted`` says what it was made from."""

    wanted: str
    key: str
    reference: str
    python: BasePython


def choose_base(context: Context, store: Store, notebook: Callable[[], Python]) -> Base | None:
    """Have what the environment stands on; None where it is to be this machine's own interpreter, which is said.

    ``notebook`` describes the notebook's interpreter; it is asked only where nothing was chosen yet.
    """
    wanted = context.options.base or _default(context)
    if not wanted:
        return None
    named = digest(wanted, context.interpreter.executable, context.interpreter.version)
    kept = None if context.options.fresh else _known(store, named)
    if kept is not None:
        return kept
    try:
        with closing(connect()) as client:
            base = _had(context, store, wanted, client, notebook())
    except MachineryFailed as failed:
        if context.options.base or not sys.platform.startswith("linux"):
            raise
        context.ui.note(f"this machine's own interpreter goes into the image, and not {wanted}: {failed.message}")
        return None
    write_json(store.root / _KEPT, to_plain(_KeptBase(named, base.key, base.reference, base.python)))
    return base


def _known(store: Store, wanted: str) -> Base | None:
    with suppress(CodecError):
        kept = from_plain(_KeptBase, read_json(store.root / _KEPT) or {})
        image = store.load(kept.key)
        if kept.wanted == wanted and image is not None:
            return Base(kept.key, kept.reference, image, kept.python)
    return None


def _default(context: Context) -> str:
    """Choose it from where images come elsewhere, too: a registry, or Debian's packages."""
    minor = ".".join(context.interpreter.version.split(".")[:2])
    state = read_state(Sandbox(context.workspace.root))
    sources = {image.source for image in state.images.values()} if state else set()
    if "registry" in sources or (not sources and registry_answers()):
        return f"python:{minor}-slim"
    if minor in load_recipes().tables["bases"]:
        return _DEBIAN
    what = f"no release of Debian that j2k knows has Python {minor}, and no registry is the source of images"
    if not sys.platform.startswith("linux"):
        raise Refused(what, "name an image that has it: --base IMAGE")
    context.ui.note(f"this machine's own interpreter goes into the image: {what} (--base IMAGE names another)")
    return ""


def _had(context: Context, store: Store, wanted: str, client: DockerClient, notebook: Python) -> Base:
    key, reference, image = (_debian if wanted == _DEBIAN else _pulled)(context, store, wanted, notebook)
    with context.ui.step(f"asking {wanted} what it is"):
        return Base(key, reference, image, ask(client, image, wanted, notebook))


def _pulled(context: Context, store: Store, wanted: str, _notebook: Python) -> tuple[str, str, Image]:
    reference = parse_reference(wanted)
    with context.ui.step(f"pulling {wanted}"):
        found, manifest = resolve(reference)
        key = f"base-{found.removeprefix('sha256:')[:16]}"
        pulled = pull(reference, found, manifest, store.folder(key))
    return key, pulled.reference, store.take(key, pulled.layers, pulled.settings)


def _debian(context: Context, store: Store, _wanted: str, notebook: Python) -> tuple[str, str, Image]:
    """Build the base of Debian packages, unless that is done; it is kept by its recipe, for all workspaces."""
    recipes = load_recipes()
    name = recipes.tables["bases"][notebook.minor]
    maker = builder(recipes, SystemRunner(), context.ui)
    maker.provide([name])
    key = f"base-{recipes.keys[name][:16]}"
    layer = _linked(maker.folder(name) / "root.tar", store.folder(key))
    settings = Settings(_START, _ENVIRONMENT, {}, 0, "/")
    return key, f"j2k.local/python:{notebook.minor}-{key}", store.take(key, [layer], settings, "scratch")


def _linked(file: Path, folder: Path) -> Layer:
    """Keep a layer in the workspace, without a copy where both are on one disk."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / file.name
    target.unlink(missing_ok=True)
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)
    with target.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return Layer(target, sha256, target.stat().st_size)
