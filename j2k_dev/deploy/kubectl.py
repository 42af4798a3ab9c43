"""The cluster, through kubectl: every call names its context, and failures are worded once, here."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from j2k_dev.model.errors import MachineryFailed, Refused
from j2k_dev.sandbox.commands import Command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from j2k_dev.deploy.manifests import Object
    from j2k_dev.sandbox.commands import Runner

FIELD_MANAGER = "j2k"

_CALL_SECONDS = 60.0
_FIELD = re.compile(r"\.\S+")
_CONFLICT = re.compile(r'conflicts? with "(?P<manager>[^"]+)"[^:]*:(?P<fields>(?:\s+-? ?\.\S+)+)')


@dataclass(frozen=True)
class Cluster:
    """Which cluster: a context, always by name, in the user's kubeconfig or one of its own."""

    context: str
    kubeconfig: Path | None = None
    kubectl: str = "kubectl"

    def arguments(self, *arguments: str) -> list[str]:
        """Write the command line of a call."""
        own = ["--kubeconfig", str(self.kubeconfig)] if self.kubeconfig else []
        return [self.kubectl, *own, "--context", self.context, *arguments]


class Kubectl:
    """Calls on one cluster."""

    def __init__(self, cluster: Cluster, runner: Runner) -> None:
        self.cluster = cluster
        self._runner = runner

    def call(self, *arguments: str, stdin: str | None = None, timeout: float = _CALL_SECONDS) -> str:
        """Run kubectl and return what it printed."""
        given = None if stdin is None else stdin.encode()
        command = Command(self.cluster.arguments(*arguments), stdin=given, timeout=timeout)
        way_out = f"see whether the cluster answers: {' '.join(self.cluster.arguments('get', 'nodes'))}"
        return self._runner.run(command, way_out)

    def get(self, kind: str, namespace: str, selector: str = "", timeout: float = _CALL_SECONDS) -> list[Object]:
        """Return the objects of a kind that carry the labels."""
        chosen = ["--selector", selector] if selector else []
        told = self.call("get", kind, "--namespace", namespace, *chosen, "--output", "json", timeout=timeout)
        items: list[Object] = json.loads(told)["items"]
        return items

    def find(self, namespace: str, *names: str) -> list[Object]:
        """Return those of the named objects (``deployment/x``) that there are."""
        told = self.call("get", *names, "--namespace", namespace, "--ignore-not-found", "--output", "json")
        found = json.loads(told or '{"items": []}')
        items: list[Object] = found.get("items", [found])
        return items

    def apply(self, *places: Path, dry_run: bool = False) -> str:
        """Apply a kustomization (a folder) or files on the server; fields that somebody else owns are refused."""
        what = [word for place in places for word in ("--kustomize" if place.is_dir() else "--filename", str(place))]
        mode = ["--dry-run=server"] if dry_run else []
        try:
            return self.call("apply", *what, "--server-side", "--field-manager", FIELD_MANAGER, *mode)
        except MachineryFailed as error:
            raise _conflict(error) or error from error

    def apply_objects(self, objects: Iterable[Object]) -> str:
        """Apply objects on the server; fields that somebody else owns are refused."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        options = ("--server-side", "--field-manager", FIELD_MANAGER, "--filename", "-")
        try:
            return self.call("apply", *options, stdin=json.dumps(listed))
        except MachineryFailed as error:
            raise _conflict(error) or error from error

    def version(self) -> str:
        """Return the server's version, such as ``v1.34.4``."""
        told: str = json.loads(self.call("version", "--output", "json"))["serverVersion"]["gitVersion"]
        return told

    @contextmanager
    def watch(self, kind: str, namespace: str, selector: str) -> Iterator[subprocess.Popen[bytes]]:
        """Follow objects: the process's stdout has one JSON document per change, the present state first."""
        chosen = ["--namespace", namespace, "--selector", selector]
        arguments = ["get", kind, *chosen, "--watch", "--output-watch-events", "--output", "json"]
        process = subprocess.Popen(
            self.cluster.arguments(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def documents(text: str) -> tuple[list[Any], str]:
    """Split a stream into its complete JSON documents and the rest."""
    decoder = json.JSONDecoder()
    found: list[Any] = []
    rest = text.lstrip()
    while rest:
        try:
            document, end = decoder.raw_decode(rest)
        except json.JSONDecodeError:
            break
        found.append(document)
        rest = rest[end:].lstrip()
    return found, rest


def _conflict(error: MachineryFailed) -> Refused | None:
    """Word a conflict of field managers; None where the failure is another."""
    if "conflict" not in error.detail:
        return None
    found = list(_CONFLICT.finditer(error.detail))
    owners = ", ".join(sorted({match["manager"] for match in found}))
    fields = ", ".join(field for match in found for field in _FIELD.findall(match["fields"]))
    return Refused(
        f"fields of the manifests were changed on the cluster by {owners or 'somebody else'}: {fields or 'see below'}",
        "take the change into the pipeline, or give the fields back (kubectl edit), or remove it all with j2k down",
        error.detail,
    )
