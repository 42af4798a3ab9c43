"""One self-contained page from a template: its content security policy, its style sheet, and a write that is whole."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import j2k_dev
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.report.frames import LISTEN, MEASURE
from j2k_dev.report.units import cell_name, cell_ranges, human_bytes, human_date, human_seconds, plural, shortened

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Page:
    """A template, its title and what it shows; ``scripted`` lets frames run the scripts that outputs brought."""

    template: str
    title: str
    context: dict[str, Any] = field(default_factory=dict)
    framed: bool = False
    scripted: bool = False


def write_page(page: Page, target: Path) -> None:
    """Render a page and put it in place whole: a reader sees the old page or the new one, never half of one."""
    try:
        _replace(target, render_page(page))
    except OSError as error:
        raise MachineryFailed(
            f"{target.name} could not be written: {error.strerror or error}",
            f"Make room in {target.parent}, or choose another place with --workspace.",
        ) from error


def render_page(page: Page) -> str:
    """Render a page to text."""
    return (
        _environment()
        .get_template(page.template)
        .render(
            **page.context,
            page_title=page.title,
            policy=_policy(framed=page.framed, scripted=page.scripted),
            style=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
            script=Markup(LISTEN) if page.framed else "",  # noqa: S704 - our own line
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = {
        "size": human_bytes,
        "duration": human_seconds,
        "moment": human_date,
        "cells": cell_ranges,
        "short": shortened,
    }
    environment.filters.update(filters, cell=cell_name, count=plural)
    environment.globals["version"] = j2k_dev.__version__
    return environment


def _policy(*, framed: bool, scripted: bool) -> str:
    """Fetch nothing from anywhere; run our own two lines, and foreign scripts only where an output brought one."""
    scripts = "'none'"
    if framed:
        scripts = " ".join(f"'sha256-{_digest(script)}'" for script in (LISTEN, MEASURE))
    if scripted:
        scripts = "'unsafe-inline' 'unsafe-eval'"
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data:; media-src data:; "
        "font-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _replace(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    try:
        # Lone surrogates, which a notebook's JSON may hold, have no UTF-8.
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        os.chmod(name, 0o644)  # noqa: PTH101 - mkstemp's 0600 would hide the page from others
        os.replace(name, target)  # noqa: PTH105 - a name, not a path
    except BaseException:
        os.unlink(name)  # noqa: PTH108 - a name, not a path
        raise
