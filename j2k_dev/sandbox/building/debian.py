"""Root filesystems of Debian packages, by debootstrap, and what runs inside them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from j2k_dev.sandbox.building.archive import Entry, write_layer
from j2k_dev.sandbox.commands import Command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from j2k_dev.sandbox.building.making import Making
    from j2k_dev.sandbox.building.recipes import RootFilesystem

# Mounts and processes of their own, which end with j2k even when it is killed: nothing stays mounted or running.
_CONFINED = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child")
_LEFT_OUT = (
    "dev/*",
    "proc/*",
    "sys/*",
    "run/*",
    "var/cache/apt/*",
    "var/lib/apt/lists/*",
    "var/log/*",
    "usr/share/man/*",
    "usr/share/info/*",
    "usr/share/locale/*",
)
_INSIDE = 'mount --bind /dev "$1/dev" && mount -t proc proc "$1/proc" && exec chroot "$1" bash -c "$2"'


def make_root_filesystem(artefact: RootFilesystem, making: Making) -> None:
    """Install a Debian suite's packages into an empty folder and pack it as ``root.tar``."""
    root = making.folder / "root"
    with making.step(f"installing {artefact.name} from Debian packages"):
        making.run(_debootstrap(artefact, making.downloads, root))
        making.run(pack(root, making.folder / "root.tar", _LEFT_OUT))
        if artefact.tools:
            write_layer(making.folder / "tools.tar", _tools(artefact, root, making))
        shutil.rmtree(root)


def run_inside(root: Path, script: str) -> Command:
    """Give the command that runs a script in a root filesystem, with its own mounts and processes."""
    return Command([*_CONFINED, "sh", "-ec", _INSIDE, "sh", root, script])


def pack(folder: Path, target: Path, left_out: Sequence[str] = (), part: str = ".") -> Command:
    """Give the command that packs a folder (or a part of it) as a layer, sorted and without times."""
    excluded = [f"--exclude=./{pattern}" for pattern in left_out]
    steady = ["--sort=name", "--numeric-owner", "--mtime=@0"]
    return Command(["tar", "-C", folder, *steady, *excluded, "-cf", target, part])


def unpack(archive: Path, folder: Path) -> Command:
    """Give the command that unpacks a layer into a folder."""
    return Command(["tar", "-C", folder, "--numeric-owner", "-xpf", archive])


def _debootstrap(artefact: RootFilesystem, downloads: Path, root: Path) -> Command:
    downloads.mkdir(parents=True, exist_ok=True)
    packages = f"--include={','.join(artefact.packages)}"
    options = ["--variant=minbase", f"--cache-dir={downloads}", packages]
    return Command([*_CONFINED, "debootstrap", *options, artefact.suite, root])


def _tools(artefact: RootFilesystem, root: Path, making: Making) -> Iterator[Entry]:
    """Give the programs that are wanted alone, with the libraries that they load."""
    wanted = [path for pattern in artefact.tools for path in sorted(root.glob(pattern))]
    for path in wanted:
        yield Entry(str(path.relative_to(root)), path)
    loaded = making.run(Command(["chroot", root, "ldd", *(f"/{path.relative_to(root)}" for path in wanted)]))
    for name in {word for word in loaded.split() if word.startswith("/") and not word.endswith(":")}:
        yield Entry(name, _inside(root, name))


def _inside(root: Path, name: str) -> Path:
    """Follow a path as a program inside the root filesystem would."""
    path = root / name.lstrip("/")
    for _ in range(40):
        real = next((each for each in (path, *path.parents) if each.is_symlink() and each.is_relative_to(root)), None)
        if real is None:
            return path
        link = real.readlink()
        aimed = root / str(link).lstrip("/") if link.is_absolute() else real.parent / link
        path = aimed / path.relative_to(real)
    return path
