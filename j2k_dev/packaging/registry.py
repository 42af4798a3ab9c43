"""Speaking with a registry (OCI distribution specification 1.1): pushing images; what is there is not sent again."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import requests

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.packaging.oci import MANIFEST, digest_of
from j2k_dev.packaging.registry_login import RegistryLogin, login_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from j2k_dev.packaging.layer import Layer
    from j2k_dev.packaging.oci import Image

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 300.0
_LOCAL = ("localhost", "127.0.0.1", "[::1]")
_OK, _CREATED, _ACCEPTED, _UNAUTHORISED, _FORBIDDEN, _NOT_FOUND, _SERVERS_OWN = 200, 201, 202, 401, 403, 404, 500


def scheme_of(address: str) -> str:
    """Say how a registry is spoken to: plain HTTP on this machine, HTTPS elsewhere."""
    return "http" if address.rsplit(":", 1)[0] in _LOCAL else "https"


@dataclass(frozen=True)
class Registry:
    """A registry by its address, ``localhost:5001``, or a part of one, ``registry.example.org/science``.

    Plain HTTP on this machine and where it is ``insecure``, else HTTPS; HTTPS with the certificates in the file ``ca``
    where one is named. Who pushes is what ``docker login`` keeps.
    """

    address: str
    insecure: bool = False
    ca: str = ""

    @property
    def host(self) -> str:
        """The registry's own address."""
        return self.address.partition("/")[0]

    def push(self, image: Image, repository: str, tag: str) -> str:
        """Push an image unless it is there, and return the reference that names exactly this one."""
        reference = f"{self.address}/{repository}@{image.digest}"
        repository = f"{self.address.partition('/')[2]}/{repository}".strip("/")
        with self.session() as session:
            if session.has(f"{repository}/manifests/{image.digest}"):
                return reference
            for layer in image.layers:
                session.push_layer(repository, layer)
            session.push_blob(repository, digest_of(image.config), image.config)
            session.put_manifest(repository, tag, image.manifest)
        return reference

    @contextmanager
    def session(self) -> Iterator[RegistrySession]:
        """Speak with the registry; raise MachineryFailed where it does not answer, or not as it should."""
        scheme = "https" if self.ca else "http" if self.insecure else scheme_of(self.host)
        with requests.Session() as session:
            session.auth = RegistryLogin(login_for(self.host))
            session.verify = self.ca or True
            try:
                yield RegistrySession(session, f"{scheme}://{self.host}/v2/")
            except (requests.RequestException, OSError) as error:
                raise MachineryFailed(
                    f"the registry {self.host} can't be used: {error}",
                    f"see whether it answers: curl {scheme}://{self.host}/v2/",
                ) from error


class RegistrySession:
    """One conversation with a registry; places are ``REPOSITORY/blobs/DIGEST`` and ``REPOSITORY/manifests/DIGEST``."""

    def __init__(self, session: requests.Session, base: str) -> None:
        self._session = session
        self._base = base

    def has(self, place: str) -> bool:
        """Ask whether something is there."""
        answer = self._ask("HEAD", urljoin(self._base, place), (_OK, _NOT_FOUND), headers={"Accept": MANIFEST})
        return answer.status_code == _OK

    def push_layer(self, repository: str, layer: Layer) -> None:
        """Push a layer from disk."""
        if not self.has(f"{repository}/blobs/{layer.digest}"):
            with layer.file.open("rb") as file:
                self._upload(repository, layer.digest, file)

    def push_blob(self, repository: str, digest: str, data: bytes) -> None:
        """Push some bytes."""
        if not self.has(f"{repository}/blobs/{digest}"):
            self._upload(repository, digest, data)

    def push_file(self, repository: str, digest: str, file: BinaryIO) -> None:
        """Push what is in a file from its beginning; the registry checks the hash."""
        file.seek(0)
        self._upload(repository, digest, file)

    def get(self, place: str) -> requests.Response:
        """Get something as a stream: it is to be closed."""
        headers = {"Accept": MANIFEST} if "/manifests/" in place else {}
        return self._ask("GET", urljoin(self._base, place), (_OK,), headers=headers, stream=True)

    def put_manifest(self, repository: str, tag: str, manifest: bytes) -> None:
        """Push a manifest, which makes an image of what was pushed before."""
        address = urljoin(self._base, f"{repository}/manifests/{tag}")
        self._ask("PUT", address, (_CREATED,), data=manifest, headers={"Content-Type": MANIFEST})

    def _upload(self, repository: str, digest: str, data: bytes | BinaryIO) -> None:
        begun = self._ask("POST", urljoin(self._base, f"{repository}/blobs/uploads/"), (_ACCEPTED,))
        place = urljoin(begun.url, begun.headers["Location"])
        address = f"{place}{'&' if '?' in place else '?'}digest={digest}"
        self._ask("PUT", address, (_CREATED,), data=data, headers={"Content-Type": "application/octet-stream"})

    def _ask(
        self,
        method: str,
        address: str,
        expected: tuple[int, ...],
        *,
        data: bytes | BinaryIO | None = None,
        headers: dict[str, str] | None = None,
        stream: bool = False,
    ) -> requests.Response:
        # Said with each request: what the environment says of certificates would count more than the session's own.
        verify, timeout = self._session.verify, (_CONNECT_SECONDS, _ANSWER_SECONDS)
        answer = self._session.request(
            method, address, data=data, headers=headers, timeout=timeout, stream=stream, verify=verify
        )
        if answer.status_code not in expected:
            raise _refused(answer, method, address)
        return answer


class RegistryRefused(MachineryFailed):
    """A registry that answers, and does not do it: asking again does not help."""


def _refused(answer: requests.Response, method: str, address: str) -> MachineryFailed:
    code = answer.status_code
    if code in (_UNAUTHORISED, _FORBIDDEN):
        who = "pulls" if method == "GET" else "pushes"
        told = f"the registry wants to know who {who}: {code} for {address}"
        return RegistryRefused(told, f"docker login {urlsplit(address).netloc}")
    told, said = f"the registry answered {code} to {method} {address}", answer.text[:2000]
    if code == _NOT_FOUND and method == "POST":
        repository = urlsplit(address).path.removeprefix("/v2/").removesuffix("/blobs/uploads/")
        made = f"aws ecr create-repository --repository-name {repository}"
        return RegistryRefused(told, f"make the repository {repository} there (on Amazon ECR: {made})", said)
    failed = MachineryFailed if code >= _SERVERS_OWN else RegistryRefused
    return failed(told, "see its log (docker logs), and whether its disk is full", said)
