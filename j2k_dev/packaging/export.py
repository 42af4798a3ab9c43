"""ReproZip's own pack (``.rpz``) of a traced recording, without what an image would not take either."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from j2k_dev.engine import reprozip
from j2k_dev.model.errors import MachineryFailed

if TYPE_CHECKING:
    from collections.abc import Collection

_MAIN = "from reprozip.main import main; main()"


def export_rpz(python: Path, trace: Path, keep: Collection[str], target: Path) -> None:
    """Pack what ``keep`` names of a trace by ``reprozip pack``; ``python`` is an interpreter that has it."""
    target.unlink(missing_ok=True)  # reprozip does not overwrite
    with tempfile.TemporaryDirectory(dir=trace.parent) as folder:
        copy = Path(shutil.copytree(trace, Path(folder) / "trace"))
        config = json.loads((copy / "config.yml").read_bytes())
        config["other_files"] = sorted(path for path in config["other_files"] if path in keep)
        (copy / "config.yml").write_text(json.dumps(config, indent=1), encoding="ascii")
        command = [str(python), "-c", _MAIN, "pack", "-d", str(copy), str(target.absolute())]
        environment = {**os.environ, **reprozip.ENVIRONMENT}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode or not target.is_file():
        raise MachineryFailed("reprozip pack failed", "see what it said: -v", done.stderr[-3000:])
