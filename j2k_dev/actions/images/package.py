"""What images are made from: a trace where ReproZip can trace here, else the packages that were imported, by pip."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from j2k_dev.engine import reprozip
from j2k_dev.model.errors import Refused

if TYPE_CHECKING:
    from j2k_dev.actions.context import Context


def packaged(context: Context) -> Context:
    """Say what images are made from, where any are, and how the recording is traced for that."""
    package = _chosen(context) if context.engine == "kind" else ""
    asked = context.options.trace or ("reprozip" if package == "trace" else "audit")
    trace = "none" if asked == "audit" and context.interpreter.language != "python" else asked
    return replace(context, package=package, trace=trace)


def _chosen(context: Context) -> str:
    options = context.options
    if options.package != "auto":
        return options.package
    if options.base or options.trace not in (None, "reprozip"):
        return "pip"
    if not options.fresh and _is_traced(context):
        return "trace"
    try:
        reprozip.tracer(context.launcher.python)
    except Refused as refused:
        told = "images are made of the imported packages (--package pip)"
        context.ui.note(f"{told}: {refused.message}; j2k doctor says how to have it")
        return "pip"
    return "trace"


def _is_traced(context: Context) -> bool:
    """Tell, without trying to trace, whether this notebook was traced here before."""
    key = replace(context, trace="reprozip").recording_key(context.notebook)
    return context.workspace.recording(key).exists()
