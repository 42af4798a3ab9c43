"""Release records: one ConfigMap a release, which people read with kubectl alone, and which is the lock. Pure."""

from __future__ import annotations

import base64
import gzip
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from j2k_dev.model.codec import CodecError, from_plain, to_plain
from j2k_dev.model.errors import Refused
from j2k_dev.promote.model import Release

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from j2k_dev.promote.model import Object

RECORD = "j2k.dev/record"
STATE = "j2k.dev/state"
NUMBER = "j2k.dev/number"
# On the namespace while what was promoted without evidence is in it: the reason.
WITHOUT_EVIDENCE = "j2k.dev/without-evidence"
UNFINISHED = ("applying", "testing")

_RELEASE = "release.json"
_EVIDENCE = "evidence.json"
_OBJECTS = "objects.json.gz"
# A ConfigMap holds 1 MiB; the rest is for its metadata.
_MOST_BYTES = (1 << 20) - (1 << 14)
_STALE_SECONDS = 600.0


def selector(pipeline: str) -> str:
    """Select the records of a pipeline."""
    return f"{RECORD}=release,j2k.dev/pipeline={pipeline}"


def record_name(number: int) -> str:
    """Name the ConfigMap of a release."""
    return f"j2k-release-{number}"


def to_config_map(release: Release, namespace: str) -> Object:
    """Write a record; Refused where what was applied is too much for a ConfigMap."""
    objects = gzip.compress(json.dumps(list(release.objects), separators=(",", ":")).encode(), mtime=0)
    found = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": record_name(release.number), "namespace": namespace, "labels": labels(release)},
        "data": data(release),
        "binaryData": {_OBJECTS: base64.b64encode(objects).decode()},
    }
    size = len(json.dumps(found))
    if size > _MOST_BYTES:
        told = f"the record of release {release.number} would take {size} bytes, and a ConfigMap holds {_MOST_BYTES}"
        raise Refused(told, "split the notebook into fewer stages")
    return found


def labels(release: Release) -> dict[str, str]:
    """Label a record, so that ``kubectl get configmaps -L`` shows the history."""
    return {
        "app.kubernetes.io/part-of": release.pipeline,
        "app.kubernetes.io/managed-by": "j2k",
        "j2k.dev/pipeline": release.pipeline,
        RECORD: "release",
        STATE: release.state,
        NUMBER: str(release.number),
    }


def data(release: Release) -> dict[str, str]:
    """Write what of a record is read by people and programs: single facts as texts, all of it as JSON."""
    plain = to_plain(replace(release, objects=(), evidence=()))
    facts = {
        "state": release.state,
        "by": release.by,
        "at": moment(release.at),
        "notebook": release.notebook,
        "plan": release.digest,
        "previous": str(release.previous or ""),
        "run": release.run,
        "reason": release.reason,
        "without-evidence": release.without_evidence,
    }
    return {
        **facts,
        _RELEASE: _json({name: it for name, it in plain.items() if name not in ("objects", "evidence")}),
        _EVIDENCE: _json(list(release.evidence)),
    }


def from_config_map(found: Object) -> Release | None:
    """Read a record whole; None for one that this version of j2k can't read."""
    told, packed = found.get("data", {}), found.get("binaryData", {}).get(_OBJECTS, "")
    try:
        objects = json.loads(gzip.decompress(base64.b64decode(packed))) if packed else []
        evidence = json.loads(told.get(_EVIDENCE, "[]"))
        plain = {**json.loads(told[_RELEASE]), "objects": objects, "evidence": evidence}
        return from_plain(Release, plain)
    except (KeyError, ValueError, OSError, EOFError, CodecError):
        return None


def read_records(found: Iterable[Object]) -> tuple[Release, ...]:
    """Read records, the earliest first; what can't be read is left out."""
    releases = [release for each in found if (release := from_config_map(each)) is not None]
    return tuple(sorted(releases, key=lambda release: release.number))


def next_number(found: Iterable[Object]) -> int:
    """Return a number that no record has, also of those that can't be read."""
    numbers = [_number(each) for each in found]
    return max(numbers, default=0) + 1


def live(releases: Sequence[Release]) -> Release | None:
    """Return the release that is in use: the latest one, where superseding an earlier one was cut off."""
    return next((release for release in reversed(releases) if release.state == "live"), None)


def before(releases: Sequence[Release], release: Release) -> Release | None:
    """Return the release that was in use before this one, to go back to."""
    fitting = [each for each in releases if each.number < release.number and each.state in ("live", "superseded")]
    named = [each for each in fitting if each.number == release.previous]
    return next(reversed(named or fitting), None)


def unfinished(releases: Sequence[Release]) -> Release | None:
    """Return the release that is being applied or tried, or was when its j2k ended."""
    return next((release for release in reversed(releases) if release.state in UNFINISHED), None)


def goes_on(release: Release, by: str, workspace: str) -> bool:
    """Tell whether an unfinished release is one's own: nobody else promotes from this workspace now."""
    return (release.by, release.workspace) == (by, workspace)


def may_take_over(release: Release, now: float) -> bool:
    """Tell whether nothing was done for a release for so long that somebody else may take over."""
    return now - release.touched > _STALE_SECONDS


def moment(at: float) -> str:
    """Write a time as people and programs read it: ``2026-11-29T09:30:00Z``."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _number(found: Object) -> int:
    last = str(found["metadata"]["name"]).rpartition("-")[2]
    return int(last) if last.isdigit() else 0


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)
