"""A fake of a cluster: ConfigMaps by name, made once, patched and listed as an API server does it."""

from __future__ import annotations

import json
from typing import Any

from j2k_dev.deploy.kubectl import Cluster, Kubectl
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.sandbox.commands import SystemRunner


class ConfigMaps(Kubectl):
    """Answers the calls that release records need; ``namespaces`` are there, no other."""

    def __init__(self, *namespaces: str) -> None:
        super().__init__(Cluster("prod"), SystemRunner())
        self.namespaces = list(namespaces)
        self.there: dict[str, dict[str, Any]] = {}
        self.annotations: dict[str, Any] = {}

    def call(self, *arguments: str, stdin: str | None = None, timeout: float = 60.0) -> str:
        del timeout
        if arguments[0] == "create":
            self._create(json.loads(stdin or ""))
        elif arguments[:2] == ("patch", "configmap"):
            change = json.loads(arguments[-1])
            found = self.there[arguments[2]]
            found["data"] |= change["data"]
            found["metadata"]["labels"] |= change["metadata"]["labels"]
        elif arguments[:2] == ("patch", "namespace"):
            self.annotations |= json.loads(arguments[-1])["metadata"]["annotations"]
        elif arguments[0] == "apply":
            self.namespaces += [each["metadata"]["name"] for each in json.loads(stdin or "")["items"]]
        else:
            raise AssertionError(f"nobody asks for {arguments}")
        return ""

    def get(self, kind: str, namespace: str, selector: str = "", timeout: float = 60.0) -> list[dict[str, Any]]:
        assert kind == "configmaps"
        wanted = [tuple(each.split("=")) for each in selector.split(",")]
        del namespace, timeout
        return [
            json.loads(json.dumps(each))
            for each in self.there.values()
            if all(each["metadata"]["labels"].get(name) == value for name, value in wanted)
        ]

    def _create(self, each: dict[str, Any]) -> None:
        namespace, name = each["metadata"]["namespace"], each["metadata"]["name"]
        if namespace not in self.namespaces:
            told = f'Error from server (NotFound): error when creating "STDIN": namespaces "{namespace}" not found'
            raise MachineryFailed("kubectl ended with 1", detail=told)
        if name in self.there:
            raise MachineryFailed("kubectl ended with 1", detail="Error from server (AlreadyExists): it already exists")
        self.there[name] = each
