"""The support folder: the few modules of ours that travel into the notebook's interpreter, and cloudpickle.

It is named by its content and lies in the user's cache, so that an installation of j2k in a place of its own serves
every interpreter on the machine, and workers of two versions never share code.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

import j2k_dev
from j2k_dev.engine.workspace import disk_full, is_disk_full
from j2k_dev.model.errors import J2kError, MachineryFailed

LAUNCHER = "launch.py"

_TRAVELLING = ("model", "notebook", "recording", "worker")


def cache_folder() -> Path:
    """Name the folder for what can be made anew: ``J2K_CACHE``, else ``j2k`` in the user's cache."""
    if chosen := os.environ.get("J2K_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache") / "j2k"
    except RuntimeError as error:
        raise MachineryFailed("there is no home folder to cache in", way_out="set J2K_CACHE to a folder") from error


def support_folder(cache: Path | None = None) -> Path:
    """Give the support folder, building it where it is missing or damaged; several builders do not clash."""
    sources = _sources()
    contents = {name: path.read_bytes() for name, path in sources.items()}
    target = (cache or cache_folder()) / "support" / _digest(contents)
    if _is_whole(target, contents):
        return target
    try:
        _build(target, contents)
    except OSError as error:
        raise _cache_error(error, target) from error
    return target


def _sources() -> dict[str, Path]:
    """Map the names in the support folder to the files that are copied."""
    package = Path(j2k_dev.__file__).parent
    ours = [package / "__init__.py", *(file for name in _TRAVELLING for file in (package / name).rglob("*.py"))]
    spec = importlib.util.find_spec("cloudpickle")
    if spec is None or spec.origin is None:
        raise MachineryFailed("cloudpickle is not installed beside j2k", way_out="pip install cloudpickle")
    theirs = Path(spec.origin).parent
    return {
        LAUNCHER: Path(__file__).with_name("launch.py"),
        **{f"j2k_dev/{file.relative_to(package).as_posix()}": file for file in sorted(ours)},
        **{f"cloudpickle/{file.relative_to(theirs).as_posix()}": file for file in sorted(theirs.rglob("*.py"))},
    }


def _digest(contents: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _is_whole(folder: Path, contents: dict[str, bytes]) -> bool:
    """Compare sizes: the name stands for the content, but cleaners of caches take single files away."""
    try:
        return all((folder / name).stat().st_size == len(content) for name, content in contents.items())
    except OSError:
        return False


def _build(target: Path, contents: dict[str, bytes]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=target.parent))
    try:
        for name, content in contents.items():
            file = building / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        building.chmod(0o755)
        _move_in(building, target, contents)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _move_in(building: Path, target: Path, contents: dict[str, bytes]) -> None:
    """Put the built folder in its place; whoever was first wins, and a damaged folder makes way."""
    with contextlib.suppress(OSError):
        building.rename(target)
        return
    if not _is_whole(target, contents):
        # Only what is missing is put back: somebody may be reading the rest.
        for name, content in contents.items():
            file = target / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists() or file.stat().st_size != len(content):
                (building / name).replace(file)


def _cache_error(error: OSError, target: Path) -> J2kError:
    if is_disk_full(error):
        return disk_full(target)
    return MachineryFailed(
        f"the cache {target.parent} can't be written: {error.strerror or error}",
        way_out="set J2K_CACHE to a folder that can",
    )
