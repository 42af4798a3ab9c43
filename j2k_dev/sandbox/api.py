"""The cluster's API over HTTPS, with the certificate of the sandbox's own kubeconfig.

A program that asks it instead, in a node or here, takes longer to start than the API to answer.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import urllib.parse
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from j2k_dev.model.errors import MachineryFailed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ANSWER_SECONDS = 5.0
_APPLIED_SECONDS = 60.0
_OWNER = "j2k"
_WAY_OUT = "run `j2k sandbox up`"


@dataclass(frozen=True)
class Api:
    """An API server, who it has to be (``authority``), and who asks it (``identity``, with its key), both as PEM."""

    address: str
    authority: str
    identity: bytes = field(repr=False)

    def get(self, path: str) -> dict[str, Any]:
        """Return what is at a path; raise MachineryFailed where nobody answers, or with a refusal."""
        return self._ask("GET", path, _ANSWER_SECONDS)

    def apply(self, path: str, wanted: Mapping[str, Any]) -> None:
        """Apply an object on the server's side, under our name; raise MachineryFailed as ``get`` does."""
        body = json.dumps(wanted).encode()
        self._ask("PATCH", f"{path}?fieldManager={_OWNER}&force=true", _APPLIED_SECONDS, body)

    def _ask(self, method: str, path: str, seconds: float, body: bytes | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/apply-patch+yaml"} if body else {}
        try:
            connection = http.client.HTTPSConnection(self.address, timeout=seconds, context=self._trust())
            with closing(connection):
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                told = answer.read()
            found: dict[str, Any] = json.loads(told)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise self._failed(method, path, "does not answer", f"{type(error).__name__}: {error}") from error
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise self._failed(method, path, f"answered {answer.status}", str(found.get("message", "")))
        return found

    def _failed(self, method: str, path: str, what: str, detail: str) -> MachineryFailed:
        told = f"the cluster's API at {self.address} {what}"
        return MachineryFailed(told, _WAY_OUT, detail=f"{method} https://{self.address}{path}\n{detail}")

    def _trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.authority)
        with tempfile.NamedTemporaryFile(prefix="j2k-") as identity:  # the library takes it from a file only
            identity.write(self.identity)
            identity.flush()
            context.load_cert_chain(identity.name)
        return context


def read_api(kubeconfig: Path) -> Api | None:
    """Read from a kubeconfig as kind writes it how its cluster is asked; None where it is lost or damaged."""
    try:
        told = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        cluster, user = told["clusters"][0]["cluster"], told["users"][0]["user"]
        return Api(
            address=urllib.parse.urlsplit(str(cluster["server"])).netloc,
            authority=_decoded(cluster["certificate-authority-data"]).decode(),
            identity=_decoded(user["client-certificate-data"]) + b"\n" + _decoded(user["client-key-data"]),
        )
    except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError):
        return None


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
