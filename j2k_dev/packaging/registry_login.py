"""Who pushes to a registry: what ``docker login`` keeps, and the tokens that registries hand out for it."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from requests.auth import AuthBase

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECONDS = 30.0
_UNAUTHORISED = 401
_DOCKER_HUB = {"docker.io", "registry-1.docker.io", "index.docker.io"}
_HUB_KEY = "https://index.docker.io/v1/"
_PART = re.compile(r'(\w+)="([^"]*)"')


def docker_config() -> Path:
    """Name the file that ``docker login`` writes."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"


def login_for(host: str, config: Path | None = None) -> tuple[str, str] | None:
    """Return the user and password that ``docker login`` keeps for a registry, in its file or in a helper."""
    kept: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        kept = json.loads((config or docker_config()).read_bytes())
    for name in (host, f"https://{host}", f"https://{host}/v2/", *((_HUB_KEY,) if host in _DOCKER_HUB else ())):
        if found := _helped(kept, name) or _written(kept.get("auths", {}).get(name, {})):
            return found
    return None


def _written(entry: Mapping[str, str]) -> tuple[str, str] | None:
    try:
        user, _, password = base64.b64decode(entry.get("auth", ""), validate=True).decode().partition(":")
    except ValueError:
        return None
    return (user, password) if user else None


def _helped(kept: Mapping[str, Any], name: str) -> tuple[str, str] | None:
    """Ask a credential helper, as docker does: ``docker-credential-NAME get``."""
    helper = kept.get("credHelpers", {}).get(name) or (kept.get("credsStore") if name in kept.get("auths", {}) else "")
    program = shutil.which(f"docker-credential-{helper}") if helper else None
    if program is None:
        return None
    done = subprocess.run([program, "get"], input=name, capture_output=True, text=True, timeout=_SECONDS, check=False)
    with suppress(ValueError, KeyError):
        told = json.loads(done.stdout)
        return told["Username"], told["Secret"]
    return None


@dataclass
class RegistryLogin(AuthBase):
    """Answers a registry that asks who is there: with the login itself, or with a token that is got for it.

    https://distribution.github.io/distribution/spec/auth/token/
    """

    login: tuple[str, str] | None
    _header: str = ""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Send along what was accepted last, and be there for the answer."""
        if self._header:
            request.headers["Authorization"] = self._header
        body: Any = request.body
        position = body.tell() if hasattr(body, "tell") else None
        request.register_hook("response", lambda answer, **options: self._answered(answer, position, options))  # type: ignore[no-untyped-call]
        return request

    def _answered(self, answer: requests.Response, position: int | None, options: dict[str, Any]) -> requests.Response:
        asked = answer.headers.get("WWW-Authenticate", "")
        if answer.status_code != _UNAUTHORISED or not asked or answer.request.headers.get("X-Again"):
            return answer
        header = self._header_for(asked, options)
        if not header:
            return answer
        self._header = header
        again: Any = answer.request.copy()
        again.headers.update({"Authorization": header, "X-Again": "1"})
        if position is not None:
            again.body.seek(position)
        answer.close()
        connection: Any = answer.connection  # requests' own way of logging in does so too
        second: requests.Response = connection.send(again, **options)
        second.history.append(answer)
        return second

    def _header_for(self, asked: str, options: dict[str, Any]) -> str:
        scheme, _, rest = asked.partition(" ")
        if scheme.lower() == "basic":
            return _basic(self.login) if self.login else ""
        parts = dict(_PART.findall(rest))
        if scheme.lower() != "bearer" or "realm" not in parts:
            return ""
        wanted = {name: parts[name] for name in ("service", "scope") if name in parts}
        told = requests.get(
            parts["realm"], params=wanted, auth=self.login, timeout=_SECONDS, verify=options.get("verify", True)
        )
        if not told.ok:
            return ""
        token = told.json()
        return f"Bearer {token.get('token') or token.get('access_token')}"


def _basic(login: tuple[str, str]) -> str:
    return f"Basic {base64.b64encode(':'.join(login).encode()).decode()}"
