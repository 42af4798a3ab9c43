"""The plan as a file: what people read, and exactly what is applied. It says its own hash, and is read strictly."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from j2k_dev.deploy.pods import dns_label
from j2k_dev.engine.workspace import write_json
from j2k_dev.model.codec import CodecError, from_plain, to_plain
from j2k_dev.model.errors import BadInput, Refused
from j2k_dev.promote.model import PromotionPlan

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from j2k_dev.promote.model import Object

SCHEMA = "j2k.dev/promotion-plan/v1"
FOLDER = "promotions"
_AGAIN = "j2k promote --plan makes a new one"


def plan_path(workspace_root: Path, context: str) -> Path:
    """Name the file of the latest plan for a cluster."""
    return workspace_root / FOLDER / dns_label(context) / "plan.json"


def digest_of(objects: Iterable[Object]) -> str:
    """Hash the objects that are applied."""
    return _hash(list(objects))


def write_plan(path: Path, plan: PromotionPlan) -> None:
    """Write a plan with its hash, whole or not at all."""
    plain = to_plain(plan)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"schema": SCHEMA, "hash": _hash(plain), "plan": plain})


def read_plan(path: Path) -> PromotionPlan:
    """Read a plan; BadInput where there is none that this j2k reads, Refused where it is not as it was written."""
    try:
        told = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise BadInput(f"there is no plan {path}", _AGAIN) from error
    except (OSError, ValueError) as error:
        raise BadInput(f"the plan {path} can't be read: {error}", _AGAIN) from error
    if not isinstance(told, dict) or told.get("schema") != SCHEMA or told.keys() != {"schema", "hash", "plan"}:
        raise BadInput(f"{path} is no plan that this j2k reads ({SCHEMA})", _AGAIN)
    if told["hash"] != _hash(told["plan"]):
        raise Refused(f"the plan {path} was changed after it was made: its hash does not fit", _AGAIN)
    try:
        plan = from_plain(PromotionPlan, told["plan"])
    except CodecError as error:
        raise BadInput(f"{path} is no plan that this j2k reads: {error}", _AGAIN) from error
    if plan.digest != digest_of(plan.objects):
        raise Refused(f"the plan {path} does not fit together: its objects have another hash", _AGAIN)
    return plan


def _hash(plain: Any) -> str:
    told = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(told.encode("ascii")).hexdigest()
