"""The command that makes images of a notebook's environment and of its stages."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from j2k_dev.cli.command import add
from j2k_dev.cli.make import up_options

if TYPE_CHECKING:
    import typer

    from j2k_dev.actions.images.build import Built, BuiltImage
    from j2k_dev.cli.session import Session

_BUILD = "notebook package base review export registry split parameters python timeout data fresh"
_DIFFERENT = 3


def register(app: typer.Typer) -> None:
    """Add this command."""
    add(
        app,
        build,
        _BUILD,
        ("analysis.ipynb", "analysis.ipynb --review", "analysis.ipynb --package pip --base python:3.12-slim"),
    )


def build(session: Session, values: dict[str, Any]) -> int:
    """Make an image of what the notebook ran in, and a thin one on it for each stage."""
    from j2k_dev.actions.images.build import BuildOptions  # noqa: PLC0415 - help and completion do not need it
    from j2k_dev.actions.images.build import build as action  # noqa: PLC0415 - see above
    from j2k_dev.packaging.registry import Registry  # noqa: PLC0415 - see above

    export = values["notebook"].with_suffix(f".{values['export']}") if values["export"] else None
    registry = Registry(values["registry"]) if values["registry"] else None
    wanted = BuildOptions(values["review"], export, registry)
    built = action(up_options(session, values), wanted, session.ui)
    code = _DIFFERENT if built.differences else 0
    if session.as_json:
        plain = dataclasses.asdict(built) | {"pipeline": built.pipeline.name}
        session.emit(plain | {"export": str(export) if export else None, "exit_code": code})
    else:
        _show(session, built)
    return code


def _show(session: Session, built: Built) -> None:
    for image in (built.environment, *built.stages):
        session.say(_line(image))
    session.say(f"Dockerfiles: {built.environment.folder} and beside it")
    for difference in built.differences:
        session.say(f"cell {difference.cell}, {difference.what}")
        session.say(f"on this machine: {difference.expected}")
        session.say(f"in the image: {difference.actual}")


def _line(image: BuiltImage) -> str:
    from j2k_dev.report.units import human_bytes  # noqa: PLC0415 - help and completion do not need it

    return f"{image.name}: {human_bytes(image.bytes)}, {image.reference or image.digest}"
