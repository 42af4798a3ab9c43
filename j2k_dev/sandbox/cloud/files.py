"""Files for their owner's eyes only, and the twin's passwords in one of them."""

from __future__ import annotations

import base64
import json
import os
import secrets
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from j2k_dev.engine.workspace import read_json
from j2k_dev.model.codec import CodecError, from_plain, to_plain


@dataclass(frozen=True)
class Login:
    """Who somebody is to a server, and how they prove it."""

    user: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        """Write it as HTTP and Docker want it."""
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


@dataclass(frozen=True)
class Logins:
    """All logins of a twin."""

    registry: Login
    kafka: Login


def provide_logins(path: Path) -> Logins:
    """Read the passwords, or make new ones where they are lost."""
    try:
        return from_plain(Logins, read_json(path))
    except CodecError:
        made = Logins(Login("pusher", secrets.token_urlsafe(18)), Login("pipelines", secrets.token_urlsafe(18)))
        write_private(path, json.dumps(to_plain(made), indent=2) + "\n")
        return made


def docker_config(logins: dict[str, Login]) -> str:
    """Write what ``docker login`` keeps, for these registries."""
    return json.dumps({"auths": {host: {"auth": login.basic} for host, login in logins.items()}}, indent=2) + "\n"


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file as a whole or not at all; never anybody else may read it in between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".j2k-", dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    Path(temporary).chmod(mode)
    Path(temporary).replace(path)
