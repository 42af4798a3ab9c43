"""Which files go into an environment image, and why others don't: from a trace, or from an interpreter alone.

Pure but for looking at the disk. What was traced is sorted by where it lies; then it is completed, because a run sees
only a part of what it could have used: each distribution that was touched, those that it needs, the standard library,
shared libraries of modules that were not loaded, and the system's own (``system``).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from j2k_dev.packaging.libraries import is_elf, needed_by
from j2k_dev.packaging.python import is_metadata
from j2k_dev.packaging.secrets import is_secret
from j2k_dev.packaging.start import HOME
from j2k_dev.packaging.system import is_fine_setting, system_files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from j2k_dev.packaging.python import Python

ALWAYS = ("ipykernel", "ipython")
"""What the worker needs of the notebook's interpreter."""

OURS = "j2k-dev"

# Traced files of these go in like any others.
_LEFT_OF_LIBRARY = frozenset({"idlelib", "turtledemo", "tkinter", "ensurepip", "site-packages", "dist-packages"})
_LEFT_BELOW = frozenset({"test", "tests", "idle_test", "__pycache__"})
_NEVER_IN_PACKAGES = frozenset({"__pycache__", ".git", ".hg", ".j2k", ".venv", "node_modules", ".ipynb_checkpoints"})
_NO_DISK = re.compile(r"/(?:proc|sys|dev|run|boot|lost\+found)(?:/.*)?")
_TEMPORARY = re.compile(r"/(?:var/)?tmp(?:/.*)?")
_SYSTEM = re.compile(r"/(?:usr|lib\w*|bin|sbin|opt|var/cache/fontconfig)(?:/.*)?|/")
# Where there is none, each start of a container looks through all fonts, and says so if that takes long.
_FONTS = re.compile(r"/matplotlib/fontlist-v[\w.]+\.json\Z")
_MODULE = (".py", ".so", ".pyd", ".pth", ".egg-link")

SECRET = "may hold a secret"  # noqa: S105 - a reason
NOTEBOOKS = "the notebook's own: travels with its state"
MACHINE = "a setting of this machine"
ELSEWHERE = "neither a program nor a module, and outside of the notebook's folder"
TEMPORARY = "temporary"


@dataclass(frozen=True)
class Places:
    """Folders that are no part of an environment: the notebook's own, and those that j2k keeps things in."""

    notebook: str
    ours: tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """What goes in, as absolute paths with links still in them, and what was seen but does not, with the reason.

    ``moved`` are files that go to another place than they have here: by that place, where they are.
    """

    files: frozenset[str]
    left_out: dict[str, str] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)


def traced_files(traced: Iterable[str], places: Places, prefix: str) -> list[str]:
    """List what of a trace says which environment it was: neither the notebook's own, nor j2k's, nor what is gone.

    ``prefix`` is where the interpreter lies, which may be in the notebook's folder.
    """
    own = (places.notebook, *places.ours)
    return sorted(
        path
        for path in traced
        if not is_pyc(path)
        and not _NO_DISK.fullmatch(path)
        and (is_below(path, prefix) or not any(is_below(path, folder) for folder in own))
        and os.path.isfile(path)  # noqa: PTH113 - thousands of them
    )


def select(traced: Iterable[str], python: Python, places: Places, wanted: Iterable[str] = ()) -> Selection:
    """Choose the files of an environment; ``wanted`` are modules that the notebook's text names."""
    files, left_out = _sorted_out(traced, python, places)
    moved = {f"{HOME}/.cache/matplotlib/{path.rpartition('/')[2]}": path for path in left_out if _FONTS.search(path)}
    files |= _completed(files, python, _distributions_of(wanted, python))
    files |= set(_library_files(python)) | set(system_files()) | {python.executable}
    files |= needed_by(path for path in files if _may_need(path) and is_elf(path))
    left_out = {path: reason for path, reason in left_out.items() if path not in moved.values()}
    return replace(without_secrets(files, left_out), moved=moved)


def written_into(paths: Iterable[str], python: Python) -> list[str]:
    """List what of the written files lies in the interpreter's own folders, which no container can write."""
    folders = {*python.prefixes, *python.libraries, *python.sites} - {"/", "/usr"}
    kept = (path for path in paths if "/__pycache__/" not in path)
    return sorted(path for path in kept if any(is_below(path, folder) for folder in folders))


def left_behind(read: Iterable[str], python: Python, places: Places) -> dict[str, str]:
    """Say which of the files that cells read are in no image that is made without a trace: data from elsewhere."""
    _, left_out = _sorted_out(read, python, places)
    return {path: reason for path, reason in left_out.items() if reason == ELSEWHERE}


def packable(traced: Iterable[str], python: Python, places: Places) -> set[str]:
    """List what of a trace a pack of ReproZip's takes: it has no other way to get the notebook's own files."""
    files, left_out = _sorted_out(traced, python, places)
    own = {path for path in traced if any(is_below(path, folder) for folder in places.ours)}
    own |= {path for path, reason in left_out.items() if reason == NOTEBOOKS}
    return {path for path in files | own if not is_secret(path)}


def select_interpreter(python: Python) -> Selection:
    """Choose the files of an interpreter without any distribution, and the system's."""
    files = set(_library_files(python)) | set(system_files()) | {python.executable}
    files |= {path for prefix in python.prefixes if os.path.isfile(path := f"{prefix}/pyvenv.cfg")}  # noqa: PTH113
    files |= needed_by(path for path in files if _may_need(path) and is_elf(path))
    return without_secrets(files, {})


def without_secrets(files: Iterable[str], left_out: dict[str, str]) -> Selection:
    """Leave out what may hold a secret, whoever chose it."""
    secret = {path for path in files if is_secret(path)}
    return Selection(frozenset(files) - secret, left_out | dict.fromkeys(secret, SECRET))


# --- what was traced --------------------------------------------------------------------------------------------------


def _sorted_out(traced: Iterable[str], python: Python, places: Places) -> tuple[set[str], dict[str, str]]:
    files: set[str] = set()
    left_out: dict[str, str] = {}
    rule = _Rule(python, places)
    for path in traced:
        if not os.path.lexists(path) or _NO_DISK.fullmatch(path) or rule.is_ours(path) or is_pyc(path):
            continue
        if reason := rule.why_not(path):
            if not os.path.isdir(path):  # noqa: PTH112 - strings
                left_out[path] = reason
        else:
            files.add(path)
    return files, left_out


class _Rule:
    """Sorts paths by where they lie."""

    def __init__(self, python: Python, places: Places) -> None:
        self._places = places
        # "/" and "/usr" are no folders of one interpreter alone, but then these are the system's anyway.
        self._code = tuple({*python.prefixes, *python.libraries, *python.sites} - {"/"})
        self._ours = {file for found in python.distributions if found.name == OURS for file in found.files}
        self._path = tuple(entry for entry in python.path if entry != places.notebook)

    def is_ours(self, path: str) -> bool:
        """Tell j2k's own things: images get them in another way."""
        own_source = path.rpartition("/j2k_dev/")[0] in self._path
        return path in self._ours or own_source or any(is_below(path, folder) for folder in self._places.ours)

    def why_not(self, path: str) -> str | None:
        """Say why a file does not go in; None where it does."""
        code = max((len(folder) for folder in self._code if is_below(path, folder)), default=0)
        if is_below(path, self._places.notebook) and len(self._places.notebook) >= code:
            return NOTEBOOKS
        if code:
            return None
        if path.startswith("/etc/"):
            return None if is_fine_setting(path) else MACHINE
        if _SYSTEM.fullmatch(path):
            return None
        if self._is_module(path) or (not os.path.isdir(path) and is_elf(path)):  # noqa: PTH112 - strings
            return None
        return TEMPORARY if _TEMPORARY.fullmatch(path) else ELSEWHERE

    def _is_module(self, path: str) -> bool:
        return path.endswith(_MODULE) and any(is_below(path, entry) for entry in self._path)


def is_below(path: str, folder: str) -> bool:
    """Tell whether a path is a folder or in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def is_pyc(path: str) -> bool:
    """Tell compiled modules: they follow from the others."""
    return path.endswith((".pyc", ".pyo"))


# --- completing it ----------------------------------------------------------------------------------------------------


def _distributions_of(modules: Iterable[str], python: Python) -> set[str]:
    return {name for module in modules for name in python.providers.get(module.split(".")[0], ())}


def _completed(files: set[str], python: Python, wanted: set[str]) -> set[str]:
    """Add the rest of what was touched: whole distributions with what they need, and packages that belong to none."""
    touched = {python.owners[file].name for file in files if file in python.owners}
    names = python.with_needs(touched | wanted | set(ALWAYS)) - {OURS}
    whole = {file for name in names for file in python.by_name[name].files if not is_pyc(file)}
    unowned = [file for file in files if file not in python.owners and not is_metadata(file)]
    roots = {root for file in unowned if (root := _package_root(file, python))}
    return {file for file in whole if os.path.isfile(file)} | {file for root in roots for file in _files_below(root)}  # noqa: PTH113


def _package_root(file: str, python: Python) -> str | None:
    """Find the folder to complete for a module that no distribution lists: editable, or put there by hand."""
    if any(is_below(file, library) for library in python.libraries) and not _site_of(file, python):
        return None
    if site := _site_of(file, python):
        top = f"{site}/{file[len(site) + 1 :].partition('/')[0]}"
        return top if os.path.isdir(top) else None  # noqa: PTH112 - strings
    root, folder = None, os.path.dirname(file)  # noqa: PTH120 - strings
    while file.endswith(_MODULE) and os.path.isfile(f"{folder}/__init__.py"):  # noqa: PTH113 - strings
        root, folder = folder, os.path.dirname(folder)  # noqa: PTH120 - strings
    return root


def _site_of(file: str, python: Python) -> str | None:
    return next((site for site in python.sites if file.startswith(site + "/")), None)


def _files_below(root: str) -> list[str]:
    found = []
    for place, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in _NEVER_IN_PACKAGES]
        found += [f"{place}/{name}" for name in names if not is_pyc(name)]
    return found


def _library_files(python: Python) -> list[str]:
    """List the standard library: all that may be imported later, without its tests and its editor."""
    found = []
    for library in python.libraries:
        for place, folders, names in os.walk(library):
            left = _LEFT_BELOW | _LEFT_OF_LIBRARY if place == library else _LEFT_BELOW
            folders[:] = [name for name in folders if name not in left and not name.startswith("config-")]
            found += [f"{place}/{name}" for name in names if not is_pyc(name) and not name.startswith("_tkinter.")]
    return found


def _may_need(path: str) -> bool:
    name = path.rpartition("/")[2]
    return ".so" in name or "." not in name
