"""The command line: all commands, in the order in which people need them."""

from __future__ import annotations

from typing import Annotated

import typer

from j2k_dev import __version__
from j2k_dev.cli import build, cluster, keep, key, look, make, promote, sandbox, scenario


def build_app() -> typer.Typer:
    """Put the command line together."""
    app = typer.Typer(
        name="j2k",
        rich_markup_mode="rich",
        invoke_without_command=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="[bold]Begin with[/bold]  [cyan]j2k up NOTEBOOK[/cyan]",
    )
    app.callback()(_root)
    for group in (make, scenario, promote, build, cluster, look, key, keep, sandbox):
        group.register(app)
    return app


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - Typer calls it with one value
    if wanted:
        typer.echo(f"j2k {__version__}")
        raise typer.Exit


def _root(
    ctx: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001 - the callback answers it
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Show the version.")
    ] = False,
) -> None:
    """Turn a Jupyter notebook, unedited, into a pipeline that survives failures, with the notebook's own results."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
