"""Context variables, and the arithmetic contexts that are kept in them.

A context variable of a library travels by name, one of the notebook by value (``reduce_variable``), and their values as
everything else does. The cells have to run in one context all along, as they do in Jupyter.
"""

from __future__ import annotations

import contextvars
import sys
from typing import TYPE_CHECKING, Any

from j2k_dev.worker.hidden.carrier import Carrier, start_of

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

# Written in C and found under no name, each with a carrier of its own; and the request that a running cell answers.
_ELSEWHERE = frozenset({
    "decimal_context", "numpy.ufunc.extobj", "format_options", "parent_header", "shell_parent", "shell_parent_ident",
})  # fmt: skip


def reduce_variable(variable: contextvars.ContextVar[Any]) -> tuple[Any, ...]:
    """Reduce a context variable to its name and default."""
    try:
        return make_variable, (variable.name, True, contextvars.Context().run(variable.get))
    except LookupError:
        return make_variable, (variable.name, False, None)


def make_variable(name: str, has_default: bool, default: Any) -> contextvars.ContextVar[Any]:  # noqa: FBT001 - a pickle passes it by place
    """Make the context variable that ``reduce_variable`` reduced."""
    return contextvars.ContextVar(name, default=default) if has_default else contextvars.ContextVar(name)


def reduce_token(token: contextvars.Token[Any]) -> tuple[Any, ...]:
    """Reduce what ``ContextVar.set`` returned, which notebooks show by accident, to the value it would bring back."""
    old = token.old_value
    absent = old is contextvars.Token.MISSING
    return make_token, (token.var, " used " in repr(token), not absent, None if absent else old)


def make_token(variable: contextvars.ContextVar[Any], used: bool, has_old: bool, old: Any) -> Any:  # noqa: FBT001 - a pickle passes it by place
    """Make a token that brings ``old`` back; the value of the variable follows (``_restore``)."""
    outer = variable.set(old) if has_old else None
    token = variable.set(old)
    if used:
        variable.reset(token)
    if outer is not None:
        variable.reset(outer)
    return token


def _read(_shell: InteractiveShell) -> dict[Any, Any]:
    return {
        variable: value for variable, value in contextvars.copy_context().items() if variable.name not in _ELSEWHERE
    }


def _capture(shell: InteractiveShell) -> Any:
    start = start_of(shell, "contextvars")
    missing = object()
    return [(key, value) for key, value in _read(shell).items() if start.get(key, missing) is not value] or None


def _restore(_shell: InteractiveShell, carried: list[tuple[contextvars.ContextVar[Any], Any]]) -> None:
    for variable, value in carried:
        variable.set(value)


def _capture_decimal(_shell: InteractiveShell) -> Any:
    decimal = sys.modules.get("decimal")
    if decimal is None:
        return None
    context = decimal.getcontext()
    usual = (
        "Context(prec=28, rounding=ROUND_HALF_EVEN, Emin=-999999, Emax=999999, capitals=1, clamp=0, flags=[], traps="
    )
    return None if repr(context) == f"{usual}[InvalidOperation, DivisionByZero, Overflow])" else context


def _restore_decimal(_shell: InteractiveShell, carried: Any) -> None:
    import decimal  # noqa: PLC0415 - only where a notebook used it

    decimal.setcontext(carried)


CARRIERS = (
    Carrier("contextvars", _capture, _restore, "after", _read),
    Carrier("decimal", _capture_decimal, _restore_decimal),
)
