"""The workspace, ``.j2k/`` beside the notebook: where everything j2k keeps lies, who may write it, how it is written.

Whose turn it is there is said by ``locks.py``; what may be removed, by ``removal.py``.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shlex
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from j2k_dev import __version__
from j2k_dev.model.errors import BadInput, J2kError, MachineryFailed, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = ".j2k"
# In it: what belongs to sandboxes, which outlive what notebooks leave.
SANDBOX = "sandbox"
EXCHANGE = "exchange"
# Which pipelines are on a cluster, or were: what they left on the exchange stays until it is purged.
CLUSTERS = "clusters.json"
FORMAT = 1

_MARKER = "workspace.json"
IGNORE = ".gitignore"
IGNORE_ALL = "*\n"
TEMPORARY = ".tmp-"
# With what SQLite, the bus and the memo of hashes put beside them.
OURS = frozenset({
    "recordings", EXCHANGE, "runs", "work", "pipeline.json", "plan.html", "lock", IGNORE, _MARKER,
    "images", "manifests", "pods", CLUSTERS, "trials", "inputs.json", "inputs.json.clock", "inputs.json.new",
    "scenarios", "scenarios.html", "promotions", "evidence.json", "evidence.lock", "evidence.damaged.json",
    "bus.sqlite", "bus.sqlite-wal", "bus.sqlite-shm", "bus.sqlite-journal", "bus.sqlite-bells",
})  # fmt: skip
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class RunPaths:
    """The results of one run: ``.j2k/runs/RUN/``."""

    root: Path

    @property
    def notebook(self) -> Path:
        """The executed notebook."""
        return self.root / "notebook.ipynb"

    @property
    def report(self) -> Path:
        """The page that shows the run."""
        return self.root / "report.html"

    @property
    def summary(self) -> Path:
        """``run.json``, the contract for tests from outside."""
        return self.root / "run.json"

    @property
    def request(self) -> Path:
        """What was asked for: by it a run that was cut off is known again."""
        return self.root / "request.json"

    @property
    def pipeline(self) -> Path:
        """The plan that was run."""
        return self.root / "pipeline.json"

    @property
    def files(self) -> Path:
        """The files that the notebook wrote."""
        return self.root / "files"

    @property
    def logs(self) -> Path:
        """What the workers wrote while they ran, one file per stage."""
        return self.root / "logs"


@dataclass(frozen=True)
class Workspace:
    """The paths of one workspace; nothing here touches the disk."""

    root: Path

    @property
    def marker(self) -> Path:
        """The file that says that this folder is j2k's."""
        return self.root / _MARKER

    @property
    def lock_file(self) -> Path:
        """The file whose lock says who records or runs."""
        return self.root / "lock"

    @property
    def work(self) -> Path:
        """Above the one working directory that the recording and every stage share."""
        return self.root / "work"

    def pods_lock(self, pipeline: str) -> Path:
        """Name the file that is locked by the runs that use a pipeline's pods; it says which pods these are."""
        return self.root / "pods" / pipeline

    @property
    def recordings(self) -> Path:
        """All recordings, each in a folder named by its key."""
        return self.root / "recordings"

    def recording(self, key: str) -> Path:
        """Where the recording with this key lies."""
        return self.recordings / key / "recording.json"

    @property
    def pipeline(self) -> Path:
        """The pipeline that was planned last."""
        return self.root / "pipeline.json"

    @property
    def plan_page(self) -> Path:
        """The page that shows that pipeline, if it was asked for."""
        return self.root / "plan.html"

    @property
    def inputs(self) -> Path:
        """Hashes of the notebook's input files, so that unchanged ones are not read again."""
        return self.root / "inputs.json"

    @property
    def bus(self) -> Path:
        """The embedded bus."""
        return self.root / "bus.sqlite"

    @property
    def exchange(self) -> Path:
        """The shared volume of the stages: blobs, snapshots, publications, events."""
        return self.root / EXCHANGE

    @property
    def runs(self) -> Path:
        """All results."""
        return self.root / "runs"

    def run(self, run: str) -> RunPaths:
        """Where the results of one run lie."""
        return RunPaths(self.runs / run)

    def run_names(self) -> tuple[str, ...]:
        """Name the runs, the latest first."""
        folders = [entry for entry in self.runs.iterdir() if entry.is_dir()] if self.runs.is_dir() else []
        return tuple(folder.name for folder in sorted(folders, key=_started, reverse=True))


def _started(run: Path) -> tuple[float, str]:
    """Order runs by when they began: run.json says it, the folder's own time stands in until it is written."""
    told = _parsed(run / "run.json")
    began = told.get("started") if isinstance(told, dict) else None
    return (float(began) if isinstance(began, (int, float)) and began else run.stat().st_mtime, run.name)


def open_workspace(notebook: Path, override: Path | None = None) -> Workspace:
    """Open the workspace of a notebook, making it where there is none."""
    workspace = workspace_at(notebook, override)
    _check_format(workspace)
    try:
        _create(workspace)
    except OSError as error:
        raise unwritable(error, workspace.root) from error
    return workspace


def find_workspace(place: Path | None = None, override: Path | None = None) -> Workspace:
    """Find the workspace that exists for a notebook or a folder (the current one by default); make nothing."""
    workspace = workspace_at(place, override)
    if not workspace.marker.is_file():
        nearby = _where_else(notebook_folder(place or Path()))
        raise BadInput(f"j2k has kept nothing in {workspace.root}", way_out=nearby)
    _check_format(workspace)
    return workspace


def workspace_at(place: Path | None = None, override: Path | None = None) -> Workspace:
    """Say where the workspace of a notebook or a folder (the current one by default) is, or would be."""
    return Workspace(_absolute(override) if override else notebook_folder(place or Path()) / FOLDER)


def notebook_folder(place: Path) -> Path:
    """Name the folder of a notebook, or the folder itself, as an absolute path; symbolic links to files are kept."""
    absolute = _absolute(place)
    return absolute if absolute.is_dir() else absolute.parent


def _absolute(path: Path) -> Path:
    return Path(os.path.normpath(Path.cwd() / path.expanduser()))


def _where_else(folder: Path) -> str:
    try:
        nearby = sorted(str(marker.parent) for marker in folder.glob(f"*/{FOLDER}/{_MARKER}"))
    except OSError:
        nearby = []
    choices = "".join(f" --workspace {shlex.quote(path)}" for path in nearby[:1])
    return f"name the notebook, or its workspace{':' + choices if choices else ' with --workspace DIR'}"


def _check_format(workspace: Workspace) -> None:
    marker = _parsed(workspace.marker)
    made = marker.get("format") if isinstance(marker, dict) else None
    if isinstance(made, int) and made > FORMAT:
        raise Refused(
            f"{workspace.root} was made by a newer j2k ({marker['j2k']}), this is {__version__}",
            way_out="update j2k, or use another folder: --workspace DIR",
        )


def _create(workspace: Workspace) -> None:
    workspace.root.mkdir(parents=True, exist_ok=True)
    if not os.access(workspace.root, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(workspace.root))
    if workspace.marker.exists():
        return
    names = [entry.name for entry in workspace.root.iterdir() if not entry.name.startswith(TEMPORARY)]
    taken = [name for name in names if name in OURS and name not in (IGNORE, _MARKER)]
    # Looked at again: another command may be making the workspace, and it writes the marker before what follows.
    if taken and not workspace.marker.exists():
        raise BadInput(
            f"{workspace.root} holds {', '.join(sorted(taken))}, which j2k did not make",
            way_out="give it a folder of its own: --workspace DIR",
        )
    if not names:
        write_text(workspace.root / IGNORE, IGNORE_ALL)
    write_json(workspace.marker, {"j2k": __version__, "format": FORMAT})


def unwritable(error: OSError, root: Path) -> J2kError:
    """Say that the workspace can't be written, and where it could be."""
    if error.errno in _DISK_FULL:
        return disk_full(root)
    reason = os.strerror(error.errno) if error.errno else str(error)
    return BadInput(
        f"the workspace {root} can't be written: {reason}",
        way_out="keep it in another folder: --workspace DIR",
    )


# --- writing ----------------------------------------------------------------------------------------------------------


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees the old or the new content, whatever is killed when."""
    write_text(path, json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def write_text(path: Path, text: str) -> None:
    """Write a file as a whole or not at all: temporary name, fsync, rename, fsync of the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise (disk_full(path) if error.errno in _DISK_FULL else error) from error
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def read_json(path: Path, note: Callable[[str], None] = lambda _text: None) -> Any:
    """Read JSON; None where there is none, and None with a note where it is cut off or damaged."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        note(f"{path} is damaged ({error}) and is made anew")
        return None


def disk_full(path: Path) -> MachineryFailed:
    """Say that the disk is full, and how much room is left."""
    place = next(parent for parent in (path, *path.parents) if parent.exists())
    free = shutil.disk_usage(place).free
    return MachineryFailed(
        f"disk full: {free:,} bytes free at {place}",
        way_out="make room (`j2k down` removes what j2k keeps), or use another disk: --workspace DIR; "
        "then run the same command again",
    )


def is_disk_full(error: BaseException) -> bool:
    """Tell whether an error says that a disk, or a quota, is full."""
    return isinstance(error, OSError) and error.errno in _DISK_FULL


def _parsed(path: Path) -> Any:
    with contextlib.suppress(OSError, ValueError):
        return json.loads(path.read_bytes())
    return None


def _umask() -> int:
    """Read the umask; the only way there is sets it for a moment, and we have no other thread that makes files."""
    current = os.umask(0o077)
    os.umask(current)
    return current


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
