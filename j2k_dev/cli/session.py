"""One call of j2k: how it was asked to speak, and the one place that writes its result on stdout."""

from __future__ import annotations

import functools
import json
import sys
from typing import TYPE_CHECKING, Any

from j2k_dev.cli.progress import make_ui
from j2k_dev.engine.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rich.console import Console

    from j2k_dev.actions.ui import Ui


class Session:
    """What the options that every command has say, and the two ways out: stdout for results, stderr for the rest."""

    def __init__(self, arguments: list[str]) -> None:
        self.arguments = arguments
        # Known before the arguments are parsed: wrong ones are reported in JSON too.
        self.as_json = "--json" in arguments
        self.verbose = "-v" in arguments or "--verbose" in arguments
        self.quiet = False
        self.override: Path | None = None
        self.place: Path | None = None

    def begin(self, common: Mapping[str, Any], place: Path | None) -> None:
        """Take over the common options; ``place`` is the notebook, or its folder, if the command names one."""
        self.as_json, self.quiet, self.verbose = common["as_json"], common["quiet"], common["verbose"]
        self.override, self.place = common["workspace"], place

    def workspace(self) -> Workspace:
        """Find the workspace that the command is about; it has to be there already."""
        return find_workspace(self.place, self.override)

    @functools.cached_property
    def ui(self) -> Ui:
        """Where progress goes."""
        return make_ui(self.stderr, quiet=self.quiet)

    @functools.cached_property
    def stdout(self) -> Console:
        """Where results go."""
        return _console(stderr=False)

    @functools.cached_property
    def stderr(self) -> Console:
        """Where everything goes that is not the result."""
        return _console(stderr=True)

    def emit(self, document: Any) -> None:
        """Write the one JSON document; surrogates that a notebook printed are escaped, as JSON allows."""
        self.write(json.dumps(document, indent=2, ensure_ascii=True) + "\n")

    def write(self, text: str) -> None:
        """Write text as it is, at once."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """Write a line of the result for people."""
        self.stdout.print(text, markup=False, highlight=False, soft_wrap=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console  # noqa: PLC0415 - 50 ms that --version and completion do without

    return Console(stderr=stderr)
