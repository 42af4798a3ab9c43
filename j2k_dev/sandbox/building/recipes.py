"""The recipes: what the sandbox is made of and how each part is built, read from ``sandbox/recipes.toml``."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import tomllib

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.data import data_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

# Part of every key: raised when the code that follows the recipes makes something else of them.
_FORMAT = 1
# Told to people, and no part of what is built.
_TOLD = frozenset({"seconds", "megabytes", "licences"})
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, kw_only=True)
class _Artefact:
    name: str
    seconds: float = 1
    megabytes: float = 1
    licences: Sequence[Sequence[str]] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Name the artefacts this one is made from."""
        return ()

    @property
    def data(self) -> tuple[str, ...]:
        """Name the files and folders beside the recipe that it is made from."""
        return ()

    @property
    def programs_needed(self) -> tuple[str, ...]:
        """Name the programs that building it calls."""
        return ()

    @property
    def needs_root(self) -> bool:
        """Say whether building it takes root."""
        return False

    @property
    def shares(self) -> str:
        """Name what it works with that only one build at a time may; nothing where there is no such thing."""
        return ""


@dataclass(frozen=True, kw_only=True)
class GoPrograms(_Artefact):
    """Programs of one Go module; ``variables`` are packages that are told ``version``; ``copies`` are its sources."""

    module: str
    programs: Mapping[str, str]
    version: str = ""
    variables: Sequence[str] = ()
    copies: Mapping[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> tuple[str, ...]:
        """Name the module's folder."""
        return (f"go/{self.module}",)

    @property
    def programs_needed(self) -> tuple[str, ...]:
        """Need Go."""
        return ("go",)

    @property
    def shares(self) -> str:
        """Name the module: two builds at a time would compile the same packages twice."""
        return f"go/{self.module}"


@dataclass(frozen=True, kw_only=True)
class JavaLibraries(_Artefact):
    """The jars that a pom names, as the folder ``libs``."""

    pom: str

    @property
    def data(self) -> tuple[str, ...]:
        """Name the pom."""
        return (self.pom,)

    @property
    def programs_needed(self) -> tuple[str, ...]:
        """Need Maven."""
        return ("mvn",)


@dataclass(frozen=True, kw_only=True)
class RootFilesystem(_Artefact):
    """A Debian root filesystem, ``root.tar``, and a small part of it, ``tools.tar``."""

    suite: str
    packages: Sequence[str]
    tools: Sequence[str] = ()

    @property
    def programs_needed(self) -> tuple[str, ...]:
        """Need debootstrap, and what keeps its mounts to itself."""
        return ("debootstrap", "unshare", "setpriv", "tar")

    @property
    def needs_root(self) -> bool:
        """Say that files of other owners are made."""
        return True

    @property
    def shares(self) -> str:
        """Name debootstrap's folder of downloads, which it does not lock."""
        return "debian"


@dataclass(frozen=True, kw_only=True)
class ContainerImage(_Artefact):
    """A docker-archive, ``image.tar``: base layer, files, links and folders, and images in containerd's store."""

    tag: str = ""
    base: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict)
    preload: Sequence[str] = ()
    preload_script: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sources(self) -> tuple[str, ...]:
        """Name every file it takes, of artefacts and from beside the recipe (``./FILE``)."""
        return tuple(source for source in (self.base, *self.files.values(), self.preload_script) if source)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Name the artefacts whose files are taken, and the images that are put inside."""
        taken = (source.partition("/")[0] for source in self.sources if not source.startswith("./"))
        return tuple(dict.fromkeys((*taken, *self.preload)))

    @property
    def data(self) -> tuple[str, ...]:
        """Name the files from beside the recipe."""
        return tuple(source[2:] for source in self.sources if source.startswith("./"))

    @property
    def programs_needed(self) -> tuple[str, ...]:
        """Need what runs containerd in the new root filesystem."""
        return ("unshare", "setpriv", "tar") if self.preload else ()

    @property
    def needs_root(self) -> bool:
        """Say whether a program runs in the new root filesystem."""
        return bool(self.preload)


Artefact: TypeAlias = GoPrograms | JavaLibraries | RootFilesystem | ContainerImage
_KINDS: dict[str, type[Artefact]] = {
    "go": GoPrograms,
    "maven": JavaLibraries,
    "debian": RootFilesystem,
    "image": ContainerImage,
}


@dataclass(frozen=True)
class Recipes:
    """All recipes, and the folder that they and the files they name lie in."""

    folder: Path
    tables: Mapping[str, Any]

    @cached_property
    def artefacts(self) -> dict[str, Artefact]:
        """Give every artefact by name."""
        return {name: _artefact(name, table) for name, table in self.tables["artefacts"].items()}

    @cached_property
    def keys(self) -> dict[str, str]:
        """Give every artefact's key: a hash of its recipe, of the files it names and of its inputs' keys."""
        keys: dict[str, str] = {}
        for name in self.order(self.artefacts):
            artefact = self.artefacts[name]
            table = {field: value for field, value in self.tables["artefacts"][name].items() if field not in _TOLD}
            files = {data: _content(self.folder / data) for data in artefact.data}
            inputs = {each: keys[each] for each in artefact.inputs}
            keys[name] = _digest([_FORMAT, sys.platform, architecture(), table, files, inputs])
        return keys

    def order(self, names: Iterable[str]) -> tuple[str, ...]:
        """Give the artefacts and all they are made from, inputs first."""
        ordered: dict[str, None] = {}
        for name in names:
            ordered |= dict.fromkeys((*self.order(self.artefacts[name].inputs), name))
        return tuple(ordered)

    def reference(self, role: str) -> str:
        """Name the image of a role (``node``, ``registry``, ``kafka``, ``proxy``) that is built from packages."""
        name = self.tables["packages"][role]
        return self.artefact_reference(name)

    def artefact_reference(self, name: str) -> str:
        """Name the image that an artefact is."""
        artefact = self.artefacts[name]
        fixed = artefact.tag if isinstance(artefact, ContainerImage) else ""
        return fixed or f"j2k.local/{name}:{self.keys[name][:12]}"


def load_recipes(folder: Path | None = None) -> Recipes:
    """Read the recipes: those of this installation, unless a folder is named."""
    folder = folder or data_folder()
    return Recipes(folder, tomllib.loads((folder / "recipes.toml").read_text(encoding="utf-8")))


def architecture() -> str:
    """Name this machine's architecture as images do."""
    machine = platform.machine().lower()
    try:
        return _ARCHITECTURES[machine]
    except KeyError:
        raise MachineryFailed(f"the sandbox does not know machines of the kind {machine}") from None


def _artefact(name: str, table: Mapping[str, Any]) -> Artefact:
    settings = {field: value for field, value in table.items() if field != "kind"}
    return _KINDS[table["kind"]](name=name, **settings)


def _content(path: Path) -> str:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return _digest([[file.name, hashlib.sha256(file.read_bytes()).hexdigest()] for file in files])


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
