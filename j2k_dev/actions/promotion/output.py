"""Writing the tree that is promoted into a folder, for a repository that Argo CD or ``kubectl apply -k`` reads."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from j2k_dev.actions.promotion.images import missing_bytes, repository_path, source_of
from j2k_dev.deploy.target_tree import overlay_of
from j2k_dev.deploy.tree import write_tree
from j2k_dev.engine.workspace import read_json, write_text
from j2k_dev.evidence.hashes import images
from j2k_dev.model.codec import to_plain
from j2k_dev.model.errors import BadInput, Refused
from j2k_dev.packaging.copying import copy
from j2k_dev.report.units import human_bytes, plural

if TYPE_CHECKING:
    from j2k_dev.actions.promotion.context import Promotion

# What was proven, beside the tree; by it a folder is known to be of an earlier promotion.
MARKER = "promoted.json"
_SCHEMA = "j2k.dev/promoted-tree/v1"
_ASIDE = ".j2k-new-"


def write_output(promotion: Promotion, folder: Path) -> Path:
    """Copy the images, and have the tree in a folder, whole or not at all; return the overlay that is to be applied."""
    folder = Path.cwd() / folder.expanduser()
    refuse_what_is_there(folder)
    _copy_images(promotion)
    assert promotion.ready is not None
    told = {
        "schema": _SCHEMA,
        "notebook": promotion.ready.notebook.name,
        "of": dict(promotion.ready.of),
        "by": promotion.by,
        "without_evidence": promotion.options.reason,
        "evidence": to_plain(promotion.evidence),
    }
    replace_folder(folder, {**promotion.tree, MARKER: json.dumps(told, indent=1) + "\n"})
    return folder / overlay_of(promotion.to.target)


def replace_folder(folder: Path, texts: dict[str, str]) -> None:
    """Have a folder hold these files and no others: a reader sees all that was there before, or all of this."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f"{_ASIDE}{folder.name}-*"):  # of a command that was killed
        shutil.rmtree(left, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=f"{_ASIDE}{folder.name}-", dir=folder.parent))
    try:
        write_tree(new, {name: text for name, text in texts.items() if "/" in name})
        for name in (name for name in texts if "/" not in name):
            write_text(new / name, texts[name])
        new.chmod(0o755)
        _swap(new, folder)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def _swap(new: Path, folder: Path) -> None:
    if not folder.exists():
        new.rename(folder)
        return
    old = new.with_name(f"{new.name}-old")
    folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def refuse_what_is_there(folder: Path) -> None:
    """Refuse a folder that holds something else than an earlier tree."""
    if folder.is_file():
        raise BadInput(f"--output {folder}: a file, and a folder is needed")
    told = read_json(folder / MARKER)
    ours = isinstance(told, dict) and told.get("schema") == _SCHEMA
    if folder.exists() and any(folder.iterdir()) and not ours:
        raise Refused(f"--output {folder} holds something that j2k did not write there", "name a folder of its own")
    if ours and (more := _more(folder)):
        raise Refused(f"--output {folder} holds more than j2k wrote there: {', '.join(more)}", "move that away")


def _more(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.name not in (MARKER, "base", "overlays"))


def _copy_images(promotion: Promotion) -> None:
    assert promotion.ready is not None
    stages, registry = images(promotion.ready.base), promotion.to.registry
    absent = sum(missing_bytes(promotion, stages).values())
    if absent:
        with promotion.ui.step(f"copying {plural(len(stages), 'image')} to {registry.address}, {human_bytes(absent)}"):
            for reference in stages.values():
                copy(source_of(promotion, reference), registry, repository_path(promotion))
