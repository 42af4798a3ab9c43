"""How a function becomes a command: it names the options it takes, and gets the session and their values."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import typer

from j2k_dev.cli.options import ARGUMENTS, COMMON, OPTIONS
from j2k_dev.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    Body = Callable[[Session, dict[str, Any]], int]


def add(app: typer.Typer, body: Body, names: str, examples: tuple[str, ...]) -> None:
    """Add a command: ``names`` are of arguments and options; ``body`` gets the session and their values by name.

    ``examples`` are what may follow the command's name.
    """

    def command(ctx: typer.Context, **values: Any) -> int:
        session = ctx.find_object(Session)
        assert session is not None, "main() gives every call its session"
        common = {name: values.pop(name) for name in COMMON}
        session.begin(common, values.get("notebook") or values.get("place") or values.get("beside"))
        return body(session, values)

    command.__doc__ = body.__doc__
    signature = _signature(names.split())
    command.__signature__ = signature  # type: ignore[attr-defined]  # functions take any attribute
    command.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    name = body.__name__.rstrip("_")
    app.command(name, epilog=_epilog(name, examples))(command)


def _signature(names: list[str]) -> inspect.Signature:
    taken = {name: (ARGUMENTS | OPTIONS)[name] for name in names} | COMMON
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if default is ... else default,
            annotation=annotation,
        )
        for name, (annotation, default) in taken.items()
    ]
    return inspect.Signature([context, *parameters])


def _epilog(name: str, examples: tuple[str, ...]) -> str:
    lines = (f"[cyan]j2k {name} {example}".rstrip() + "[/cyan]" for example in examples)
    return "\n\n".join(["[bold]Examples[/bold]", *lines])
