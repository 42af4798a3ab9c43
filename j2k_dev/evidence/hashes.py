"""What evidence is about, hashed: the notebook, its plan and recording and, for pods, manifests and images. Pure.

Whoever checks hashes and then uses what was hashed reads it once, and hashes and uses what was read.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from j2k_dev.model.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from j2k_dev.model.pipeline import Pipeline

# The files of a kustomize base by their names in it.
Texts = dict[str, str]

# A label that is a hash of the manifests together with the overlay, so that it differs with replicas and nodes.
_RELEASE = re.compile(r"^( *)j2k\.dev/release: '?[0-9a-f]{16}'?$", re.MULTILINE)


def read_base(folder: Path) -> Texts:
    """Read the manifests of a base, as they are hashed and promoted; none where there are none.

    Raises BadInput where one is no text.
    """
    return {path.relative_to(folder).as_posix(): _text(path) for path in sorted(folder.rglob("*.yaml"))}


def hashes(notebook: bytes, pipeline: Pipeline, recording: str, base: Mapping[str, str] | None) -> dict[str, str]:
    """Hash what a run verified, by the names that evidence has for it; ``base`` is None where there are no pods.

    ``recording`` is the key of the recording, which is a hash already.
    """
    plan = [[stage.name, list(stage.cells), list(stage.pruned)] for stage in pipeline.stages]
    found = {"notebook": sha256(notebook), "pipeline": sha256(json.dumps(plan).encode()), "recording": recording}
    return found if base is None else {**found, **of_base(base)}


def of_base(base: Mapping[str, str]) -> dict[str, str]:
    """Hash manifests, and name the digests of the images that are in them."""
    digests = {f"image {stage}": image.rpartition("@")[2] for stage, image in images(base).items()}
    return {"manifests": sha256(b"\0".join(_contents(base))), **digests}


def images(base: Mapping[str, str]) -> dict[str, str]:
    """Read the image of each stage, as the manifests name it, in the order of the stages' files."""
    import yaml  # noqa: PLC0415 - only for a cluster

    found = {}
    for name in sorted(base):
        if name.startswith("stage-"):
            for each in yaml.safe_load_all(base[name]):
                if isinstance(each, dict) and each.get("kind") == "Deployment":
                    container: Any = each["spec"]["template"]["spec"]["containers"][0]
                    values = {one["name"]: one.get("value", "") for one in container["env"]}
                    found[values["J2K_STAGE"]] = container["image"]
    return found


def sha256(content: bytes) -> str:
    """Hash a content: 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _contents(base: Mapping[str, str]) -> Iterable[bytes]:
    for name in sorted(base):
        yield name.encode()
        yield _RELEASE.sub(r"\1j2k.dev/release: of this", base[name]).encode()


def _text(path: Path) -> str:
    """Read a file with the ends of its lines as they are."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is no text in UTF-8", "j2k render NOTEBOOK writes the manifests anew") from error
