"""Credentials of AWS for logging in to MSK with IAM, without AWS' own libraries: images have none of them.

They come, in this order, from the variables themselves, from the role of the pod's service account (IRSA: its token is
given to STS, ``AssumeRoleWithWebIdentity``), or from EKS Pod Identity's agent. Those that end are asked for again
before they do. Nothing here needs a Kafka client.

Sources: the reference of AWS STS, API version 2011-06-15; "Container credential provider" in the reference guide of
AWS' SDKs.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from calendar import timegm
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ACCESS_KEY = "AWS_ACCESS_KEY_ID"
SECRET_KEY = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - a variable's name
SESSION_TOKEN = "AWS_SESSION_TOKEN"  # noqa: S105 - see above
REGION = "AWS_REGION"
DEFAULT_REGION = "AWS_DEFAULT_REGION"
ROLE = "AWS_ROLE_ARN"
TOKEN_FILE = "AWS_WEB_IDENTITY_TOKEN_FILE"  # noqa: S105 - see above
ROLE_SESSION = "AWS_ROLE_SESSION_NAME"
STS_ENDPOINT = "AWS_ENDPOINT_URL_STS"
AGENT = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
AGENT_TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 - see above

_SECONDS = 5.0
# As long before they end, credentials are asked for again.
_BEFORE_SECONDS = 300.0
_BROKER = re.compile(r".+\.kafka(?:-serverless)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
_REFUSED = range(400, 500)
_TOO_MANY = 429


class CredentialsRefused(Exception):  # noqa: N818
    """AWS says no: trying again is useless."""


class CredentialsAway(Exception):  # noqa: N818
    """AWS, or what is needed to ask it, is not there now."""


@dataclass(frozen=True)
class Login:
    """Where credentials come from, and the region of the brokers; never shows a secret."""

    region: str = ""
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    role: str | None = None
    token_file: str | None = None
    session: str = "j2k"
    endpoint: str | None = None
    agent: str | None = None
    agent_token_file: str | None = None

    @property
    def is_complete(self) -> bool:
        """Tell whether there is anything that credentials can come from."""
        return bool((self.access_key and self.secret_key) or (self.role and self.token_file) or self.agent)

    @property
    def environment(self) -> dict[str, str]:
        """Write it as the variables that it is read from."""
        return {name: value for name, value in zip(_NAMES, _values(self), strict=True) if value}


@dataclass(frozen=True)
class Credentials:
    """What requests are signed with; ``ends`` in seconds since the epoch."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    ends: float = float("inf")


_NAMES = (REGION, ACCESS_KEY, SECRET_KEY, SESSION_TOKEN, ROLE, TOKEN_FILE, ROLE_SESSION, STS_ENDPOINT, AGENT,
          AGENT_TOKEN_FILE)  # fmt: skip


def _values(login: Login) -> tuple[str | None, ...]:
    return (
        login.region, login.access_key, login.secret_key, login.session_token, login.role, login.token_file,
        login.session, login.endpoint, login.agent, login.agent_token_file,
    )  # fmt: skip


def login_from(environment: Mapping[str, str], brokers: Iterable[str]) -> Login:
    """Read where credentials come from; a region that no variable names is the brokers' own."""
    region, *given = (environment.get(name) or None for name in _NAMES)
    region = region or environment.get(DEFAULT_REGION) or next(filter(None, map(_region_of, brokers)), "")
    access, secret, token, role, file, session, *rest = given
    return Login(region, access, secret, token, role, file, session or "j2k", *rest)


def _region_of(broker: str) -> str:
    match = _BROKER.fullmatch(broker.rpartition(":")[0])
    return match["region"] if match else ""


class Source:
    """Gives credentials that hold for a while; asks for new ones when they are about to end."""

    def __init__(self, login: Login, ca_file: str | None = None) -> None:
        self.login = login
        self._ca_file = ca_file
        self._known: Credentials | None = None

    def credentials(self) -> Credentials:
        """Return credentials; raise CredentialsRefused or CredentialsAway where there are none."""
        if self._known is None or self._known.ends - _BEFORE_SECONDS < time.time():
            self._known = self._new()
        return self._known

    def _new(self) -> Credentials:
        login = self.login
        if login.access_key and login.secret_key:
            return Credentials(login.access_key, login.secret_key, login.session_token)
        if login.role and login.token_file:
            return self._of_role(login.role, login.token_file)
        assert login.agent is not None, "settings without any credentials are refused"
        return self._of_agent(login.agent)

    def _of_role(self, role: str, token_file: str) -> Credentials:
        """Give the service account's token to STS."""
        suffix = ".cn" if self.login.region.startswith("cn-") else ""
        place = self.login.endpoint or f"https://sts.{self.login.region}.amazonaws.com{suffix}"
        asked = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": role,
            "RoleSessionName": self.login.session,
            "WebIdentityToken": _content(token_file),
        }
        # In the body, where no log has it.
        told = self._ask(urllib.request.Request(place, urllib.parse.urlencode(asked).encode()))  # noqa: S310 - https
        return Credentials(
            _tag(told, "AccessKeyId"),
            _tag(told, "SecretAccessKey"),
            _tag(told, "SessionToken"),
            _time(_tag(told, "Expiration")),
        )

    def _of_agent(self, agent: str) -> Credentials:
        """Ask EKS Pod Identity's agent, which is on the node."""
        file = self.login.agent_token_file
        headers = {"Authorization": _content(file)} if file else {}
        answer = self._ask(urllib.request.Request(agent, headers=headers))  # noqa: S310 - the pod's own
        try:
            told = json.loads(answer)
            ends = _time(told["Expiration"]) if told.get("Expiration") else float("inf")
            return Credentials(told["AccessKeyId"], told["SecretAccessKey"], told.get("Token"), ends)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CredentialsAway("the answer of EKS Pod Identity's agent has no credentials") from error

    def _ask(self, request: urllib.request.Request) -> str:
        place = urllib.parse.urlsplit(request.full_url).netloc
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS, context=self._trust(request)) as answer:  # noqa: S310 - see above
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                told = error.read().decode(errors="replace")
            reason = f"{place} answers {error.code} {_tag(told, 'Code', '')} {_tag(told, 'Message', '')}".strip()
            if error.code in _REFUSED and error.code != _TOO_MANY:
                raise CredentialsRefused(reason) from error
            raise CredentialsAway(reason) from error
        except (OSError, http.client.HTTPException) as error:  # URLError too
            raise CredentialsAway(f"{place} is not reached: {getattr(error, 'reason', error)}") from error

    def _trust(self, request: urllib.request.Request) -> ssl.SSLContext | None:
        """Trust what this system trusts, and what signs the broker's certificate."""
        if request.type != "https":
            return None
        context = ssl.create_default_context()
        if self._ca_file:
            context.load_verify_locations(self._ca_file)
        return context


def _content(file: str) -> str:
    try:
        return Path(file).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialsAway(f"{file} can't be read: {error}") from error


def _tag(told: str, name: str, otherwise: str | None = None) -> str:
    """Read what is between the tags of this name, of which an answer of STS has one."""
    match = re.search(rf"<{name}>([^<]*)</{name}>", told)
    if match is None and otherwise is None:
        raise CredentialsAway(f"the answer of AWS has no {name}")
    return match[1] if match else str(otherwise)


def _time(written: str) -> float:
    """Read a time such as ``2030-01-02T03:04:05Z``, with or without fractions of a second."""
    try:
        return float(timegm(time.strptime(written[:19], "%Y-%m-%dT%H:%M:%S")))
    except ValueError as error:
        raise CredentialsAway(f"AWS says that credentials end at {written!r:.40}") from error
