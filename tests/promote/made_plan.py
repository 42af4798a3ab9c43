"""A plan and releases, made here for the tests that print or keep them."""

from __future__ import annotations

from j2k_dev.promote.model import (
    Advice,
    Change,
    FieldChange,
    Finding,
    ImageCopy,
    Lack,
    PromotionPlan,
    Proof,
    Release,
    Right,
)
from j2k_dev.promote.plan import digest_of

NOW = 1_800_000_000.0
DIGEST = "sha256:" + "0123456789abcdef" * 4
OLD = f"registry.example.org/science/weather@sha256:{'a' * 64}"
NEW = f"registry.example.org/science/weather@{DIGEST}"
KEY = "3f2a-91c0-d4e5-8b17-22ab"
OBJECTS = (
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "j2k-weather"}},
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kafka", "namespace": "j2k-weather"}, "data": {}},
)
PROOFS = (
    Proof("verify", "equal", "20270115-080000-aaaaaa", NOW - 7200, KEY),
    Proof("kill-stage-2", "survived", "20270115-081000-bbbbbb", NOW - 6600, KEY),
    Proof("restart-broker", "survived late", "20270115-082000-cccccc", NOW - 6000, KEY),
)
CHANGES = (
    Change("Namespace", "j2k-weather", "", "same", seen="1" * 64),
    Change("ConfigMap", "kafka", "j2k-weather", "create"),
    Change(
        "Deployment",
        "stage-2-fit",
        "j2k-weather",
        "change",
        (
            FieldChange("spec.template.spec.containers[worker].image", OLD, NEW),
            FieldChange('metadata.labels["j2k.dev/release"]', None, "00112233"),
        ),
        "2" * 64,
    ),
    Change(
        "Deployment",
        "stage-1-load",
        "j2k-weather",
        "conflict",
        (FieldChange("spec.replicas", 5, 2, "kubectl-edit"),),
        "3" * 64,
    ),
    Change("Service", "stage-4-old", "j2k-weather", "delete", seen="4" * 64),
    Change(
        "PersistentVolumeClaim",
        "exchange",
        "j2k-weather",
        "refused",
        seen="5" * 64,
        told="spec is immutable after creation",
    ),
)
RIGHTS = (
    Right("get", "deployments", "apps", "j2k-weather"),
    Right("create", "pods/exec", "", "j2k-weather", allowed=False),
    Right("patch", "storageclasses", "storage.k8s.io", name="efs", allowed=False),
)


def plan(**changed: object) -> PromotionPlan:
    values: dict[str, object] = {
        "pipeline": "weather",
        "notebook": "weather.ipynb",
        "context": "prod",
        "namespace": "j2k-weather",
        "cluster": "c" * 32,
        "release": 3,
        "previous": 2,
        "digest": digest_of(OBJECTS),
        "of": {"notebook": "d" * 64, "image fit": DIGEST},
        "objects": OBJECTS,
        "changes": CHANGES,
        "images": (
            ImageCopy("weather-load", OLD, "registry.example.org/science/weather", "sha256:" + "a" * 64, 0),
            ImageCopy("weather-fit", OLD, "registry.example.org/science/weather", DIGEST, 1_534_000),
        ),
        "findings": (
            Finding(
                "digest",
                "Deployment/stage-1-load",
                "names its image by a tag, which may be another image tomorrow",
                "name it by its digest",
            ),
        ),
        "rights": RIGHTS,
        "lacks": (Lack("there is no StorageClass efs (there are: gp2)", "name one that is there, or make it"),),
        "advice": (
            Advice(
                "exchange",
                "EFS",
                "every stage writes it, on any node",
                ("fit: 1,204 operations, about 3.6 s more than here",),
            ),
        ),
        "proofs": PROOFS,
        "made": NOW,
    }
    return PromotionPlan(**{**values, **changed})  # type: ignore[arg-type]  # values by name, as the tests need them


def release(number: int, **changed: object) -> Release:
    values: dict[str, object] = {
        "number": number,
        "pipeline": "weather",
        "notebook": "weather.ipynb",
        "state": "live",
        "by": "ada@laptop",
        "at": NOW - 3600,
        "digest": "e" * 64,
        "of": {},
        "proofs": PROOFS,
        "run": "20270115-090000-dddddd",
        "previous": number - 1 or None,
    }
    return Release(**{**values, **changed})  # type: ignore[arg-type]  # see above
