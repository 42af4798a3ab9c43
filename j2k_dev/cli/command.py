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
    name = body.__name__.rstrip("_").replace("_", "-")
    app.command(name, epilog=_epilog(_path(app, name), examples))(command)


def add_group(app: typer.Typer, name: str, told: str) -> typer.Typer:
    """Add a group of commands and return it, for ``add``; called without a command, it shows its help."""
    group = typer.Typer(name=name, invoke_without_command=True, help=told)

    def show(ctx: typer.Context) -> None:
        if ctx.invoked_subcommand is None:
            typer.echo(ctx.get_help())

    group.callback(help=told)(show)
    app.add_typer(group)
    return group


def _path(app: typer.Typer, name: str) -> str:
    """Return what is typed to call a command of this app, or of a group in it."""
    return f"j2k {name}" if app.info.name == "j2k" else f"j2k {app.info.name} {name}"


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


def _epilog(path: str, examples: tuple[str, ...]) -> str:
    lines = (f"[cyan]{path} {example}".rstrip() + "[/cyan]" for example in examples)
    return "\n\n".join(["[bold]Examples[/bold]", *lines])
