"""What the notebook's interpreter consists of: its folders and its distributions, asked of the interpreter itself."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from j2k_dev.model.codec import from_plain
from j2k_dev.model.errors import MachineryFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SECONDS = 120.0


@dataclass(frozen=True)
class Distribution:
    """An installed distribution; ``files`` are absolute, ``needs`` the names of those it requires.

    ``local``: installed from a folder or an address, so that no index has it.
    """

    name: str
    version: str
    files: tuple[str, ...]
    needs: tuple[str, ...] = ()
    editable: bool = False
    local: bool = False

    @property
    def code(self) -> tuple[str, ...]:
        """The files that are not about the distribution itself: only these say that it was used."""
        return tuple(file for file in self.files if not is_metadata(file))


@dataclass(frozen=True)
class Python:
    """An interpreter; ``libraries`` are the folders of the standard library, ``sites`` those of distributions."""

    executable: str
    version: str
    prefix: str
    prefixes: tuple[str, ...]
    libraries: tuple[str, ...]
    sites: tuple[str, ...]
    path: tuple[str, ...]
    cache_tag: str
    distributions: tuple[Distribution, ...]

    @property
    def minor(self) -> str:
        """Major and minor version: ``3.11``."""
        return ".".join(self.version.split(".")[:2])

    @cached_property
    def by_name(self) -> Mapping[str, Distribution]:
        """The distributions by their normalised names; of two, the one that is imported."""
        return {found.name: found for found in reversed(self.distributions)}

    @cached_property
    def owners(self) -> Mapping[str, Distribution]:
        """The distribution that each file of code belongs to."""
        return {file: found for found in reversed(self.distributions) for file in found.code}

    @cached_property
    def providers(self) -> Mapping[str, frozenset[str]]:
        """The distributions that a top-level module may come from (several share a namespace package)."""
        found: dict[str, set[str]] = {}
        for distribution in self.distributions:
            for file in distribution.code:
                if module := self._top_level(file):
                    found.setdefault(module, set()).add(distribution.name)
        return {module: frozenset(names) for module, names in found.items()}

    def _top_level(self, file: str) -> str:
        site = next((site for site in self.sites if file.startswith(site + "/")), None)
        return re.split(r"[/.]", file[len(site) + 1 :], maxsplit=1)[0] if site else ""

    def with_needs(self, names: Iterable[str]) -> set[str]:
        """Add to the named distributions all that they need, as far as it is installed."""
        waiting, found = [normal(name) for name in names], set()
        while waiting:
            name = waiting.pop()
            if name in self.by_name and name not in found:
                found.add(name)
                waiting += self.by_name[name].needs
        return found


def normal(name: str) -> str:
    """Write the name of a distribution as PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_metadata(file: str) -> bool:
    """Tell the files about a distribution from those of it."""
    return re.search(r"\.(?:dist|egg)-info(?:/|$)", file) is not None


def take_inventory(python: Path, options: tuple[str, ...] = (), environment: Mapping[str, str] | None = None) -> Python:
    """Ask an interpreter what it consists of."""
    script = Path(__file__).with_name("inventory.py")
    try:
        done = subprocess.run(
            [str(python), *options, str(script)], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=_SECONDS, check=True,
        )  # fmt: skip
        return from_plain(Python, json.loads(done.stdout.splitlines()[-1]))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        detail = str(getattr(error, "stderr", "") or error)
        raise MachineryFailed(
            f"{python} did not say what it consists of", f"try {python} -V, then run again", detail
        ) from error
