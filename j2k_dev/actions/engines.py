"""Which engine runs the stages where that is left to us: Kubernetes if a Docker engine answers, else this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from j2k_dev.sandbox.docker_engine.ping import answers_at

if TYPE_CHECKING:
    from collections.abc import Callable

Engine = Literal["local", "kind"]
ENGINES = ("auto", "local", "kind")


def choose_engine(asked: str, language: str, note: Callable[[str], None]) -> Engine:
    """Return the engine that was asked for; where none was, choose, and say which and why."""
    if asked != "auto":
        return cast("Engine", asked)
    if language != "python":
        return "local"  # its plan says so
    where = answers_at()
    if where:
        note(f"on Kubernetes, as a Docker engine answers at {where} (--engine local: processes on this machine)")
        return "kind"
    note("in processes on this machine, as no Docker engine answers (j2k doctor says how to have one)")
    return "local"
