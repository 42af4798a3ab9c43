"""Bases: an image with Python, whose layers are used as they are, and on it an environment of the notebook's own.

That environment is a virtual one, where the notebook's lies if there is room for it: so paths in outputs stay the same,
and nothing that the base has installed for itself mixes with it.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from docker.errors import DockerException
from requests.exceptions import RequestException

from j2k_dev.model.codec import from_plain
from j2k_dev.model.errors import MachineryFailed, Refused
from j2k_dev.packaging import engine
from j2k_dev.packaging.python import Python
from j2k_dev.packaging.tree import Entry, text_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from docker import DockerClient

    from j2k_dev.packaging.oci import Image

ELSEWHERE = "/opt/notebook"

_SYSTEM = ("/", "/usr", "/usr/local")
_COMPILED = "/j2k/compiled"
_WAY_OUT = "name another image: --base IMAGE"
_ASK = """
import json, os, sys, sysconfig
free = [place for place in sys.argv[1:] if not os.path.lexists(place) and os.path.realpath(place) == place]
print(json.dumps({
    "executable": getattr(sys, "_base_executable", "") or sys.executable,
    "version": ".".join(map(str, sys.version_info[:3])),
    "prefix": sys.base_prefix,
    "library": sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}),
    "cache_tag": sys.implementation.cache_tag,
    "glibc": (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")[2] if hasattr(os, "confstr") else "",
    "place": free[0] if free else "",
}))
"""
# Their own tests are not run there, and what is no Python of this version is nobody's trouble.
_COMPILE = ("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-x", r"/(?:tests?|idle_test)/")


@dataclass(frozen=True)
class BasePython:
    """The interpreter of an image; ``place`` is where the environment can lie, ``glibc`` the C library's version."""

    executable: str
    version: str
    prefix: str
    library: str
    cache_tag: str
    glibc: str
    place: str

    @property
    def minor(self) -> str:
        """Major and minor version: ``3.11``."""
        return ".".join(self.version.split(".")[:2])

    @property
    def site(self) -> str:
        """Where the environment's packages lie."""
        return f"{self.place}/lib/python{self.minor}/site-packages"


@dataclass(frozen=True)
class Base:
    """An image to stand on: ``key`` is its folder in the store, ``reference`` what Dockerfiles begin from."""

    key: str
    reference: str
    image: Image
    python: BasePython

    def interpreter(self, executable: str) -> Python:
        """Describe the environment's interpreter, called as ``executable`` is called."""
        own, python = f"{self.python.place}/bin/{PurePosixPath(executable).name}", self.python
        return Python(
            own, python.version, python.place, tuple(sorted({python.place, python.prefix})), (python.library,),
            (python.site,), (python.library, python.site), python.cache_tag, (),
        )  # fmt: skip

    def entries(self, executable: str) -> tuple[Entry, ...]:
        """Give what makes a virtual environment of it."""
        python = self.python
        home = PurePosixPath(python.executable).parent
        settings = f"home = {home}\ninclude-system-site-packages = false\nversion = {python.version}\n"
        names = {"python", "python3", PurePosixPath(executable).name}
        links = [Entry(f"{python.place}/bin/{name}", "link", 0o777, link=python.executable) for name in sorted(names)]
        return text_file(f"{python.place}/pyvenv.cfg", settings.encode()), *links


def ask(client: DockerClient, image: Image, what: str, notebook: Python) -> BasePython:
    """Ask an image's Python what it is; refuse one that can't run what the notebook's Python runs."""
    places = [place for place in (notebook.prefix, ELSEWHERE) if place.startswith("/") and place not in _SYSTEM]
    said = run_once(client, image, ("python3", "-I", "-c", _ASK, *places))
    try:
        found = from_plain(BasePython, json.loads(said.splitlines()[-1]))
    except (ValueError, IndexError) as error:
        raise Refused(f"the base {what} has no python3 that answers: {said[-500:]}", _WAY_OUT) from error
    if found.minor != notebook.minor:
        raise Refused(f"the base {what} has Python {found.version}, the notebook's is {notebook.version}", _WAY_OUT)
    if not found.glibc:
        raise Refused(f"the base {what} has no GNU C library, which the packages' files need", _WAY_OUT)
    if not found.place:
        raise Refused(f"the base {what} has no room for the environment at {' or '.join(places)}", _WAY_OUT)
    return found


def compile_all(client: DockerClient, base: Base, staged: Path) -> None:
    """Compile the base's standard library and the packages below ``staged``, to its ``compiled`` folder.

    Neither can be kept where containers run, as nothing can be written there; so each start would do it again.
    """
    site, compiled = staged / "root" / base.python.site[1:], staged / "compiled"
    compiled.mkdir(exist_ok=True)
    mounts = {str(site): {"bind": base.python.site, "mode": "ro"}, str(compiled): {"bind": _COMPILED, "mode": "rw"}}
    command = (base.python.executable, *_COMPILE, base.python.library, base.python.site)
    environment = {"PYTHONPYCACHEPREFIX": _COMPILED, "PYTHONHASHSEED": "0"}
    run_once(client, base.image, command, mounts, environment)


def run_once(
    client: DockerClient, image: Image, command: Sequence[str], mounts: Mapping[str, dict[str, str]] | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:  # fmt: skip
    """Run a program in an image, without a network, and return what it wrote."""
    reference = engine.local_reference("base", image.id.removeprefix("sha256:")[:16])
    engine.load(client, image, reference)
    container = None
    try:
        container = client.containers.create(
            reference, entrypoint=list(command[:1]), command=list(command[1:]), volumes=dict(mounts or {}),
            environment=dict(environment or {}), network_mode="none", user=f"{os.getuid()}:{os.getgid()}",
            cap_drop=["ALL"], working_dir="/", labels={"j2k.dev/trial": "1"},
        )  # fmt: skip
        container.start()
        container.wait()
        return container.logs(stdout=True, stderr=True).decode(errors="replace")
    except (DockerException, RequestException) as error:
        raise MachineryFailed(f"{command[0]} can't be run in the base: {error}", _WAY_OUT) from error
    finally:
        if container is not None:
            container.remove(force=True, v=True)
