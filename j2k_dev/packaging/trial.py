"""The whole notebook run once more inside an environment image: no network, nothing but scratch can be written.

What comes back is compared with the recording: then the image holds all that the notebook needs.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docker.errors import DockerException
from requests.exceptions import RequestException

from j2k_dev.engine.workspace import write_json, write_text
from j2k_dev.model.codec import from_plain, to_plain
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.recording import CellError
from j2k_dev.packaging.environment import SCRATCH_LABEL
from j2k_dev.recording.spec import RecorderSpec
from j2k_dev.worker.files import manifest_to_json, materialise
from j2k_dev.worker.files.tree import CONTROL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from docker import DockerClient

    from j2k_dev.engine.workdir import Inputs
    from j2k_dev.packaging.oci import Image
    from j2k_dev.worker.files import BlobStore
    from j2k_dev.worker.spec import CellSource

HERE = "/j2k/trial"
SECONDS = 3600.0
# The recorder reports to an open file: here one in the folder that is shared with the container.
_BOOT = (
    "import os, runpy, sys; "
    "sys.argv[-1] = str(os.open(sys.argv[-1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)); "
    "sys.argv = sys.argv[1:]; "
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)
_LABEL = {"j2k.dev/trial": "1"}


@dataclass(frozen=True)
class Tried:
    """What the notebook gave inside the container; ``failure`` is why it did not get to its end."""

    outputs: Mapping[int, Sequence[Mapping[str, Any]]]
    error: CellError | None = None
    failure: str = ""


def run_inside(
    client: DockerClient, image: Image, cells: tuple[CellSource, ...], inputs: Inputs, store: BlobStore, near: Path,
    recorder: str = "j2k_dev.recording.recorder", seconds: float = SECONDS,
) -> Tried:  # fmt: skip
    """Run cells inside an image that the engine has; ``near`` is where a scratch folder may be made."""
    with _prepared(inputs, store, near) as folder:
        spec = RecorderSpec(cells, str(inputs.work), f"{HERE}/exchange", f"{HERE}/inputs.json", trace=False)
        write_json(folder / "spec.json", to_plain(spec))
        user = _give_away(folder, image.settings.user)
        python, *options, launcher = image.settings.entrypoint
        command = [*options, "-c", _BOOT, launcher, recorder, f"{HERE}/spec.json", f"{HERE}/events"]
        mounts = {str(folder): HERE, str(folder / "work"): str(inputs.work.parent.parent)}
        said = _run(client, image, [python, *command], mounts, inputs.originals, user, seconds)
        return _told(folder / "events", said)


@contextmanager
def _prepared(inputs: Inputs, store: BlobStore, near: Path) -> Iterator[Path]:
    """Lay the working directory out once more, beside the notebook's own."""
    near.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="trial-", dir=near))
    try:
        work = folder / "work" / inputs.work.parent.name / inputs.work.name
        work.mkdir(parents=True)
        (folder / "work" / CONTROL).mkdir()
        materialise(inputs.manifest, work, store)
        (folder / "exchange").mkdir()
        write_text(folder / "inputs.json", manifest_to_json(inputs.manifest))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _give_away(folder: Path, user: int) -> int:
    """Let the container's user write: its own if files can be given to it, else ours."""
    if os.getuid() != 0:
        return os.getuid()
    for place, folders, names in os.walk(folder):
        for name in (".", *folders, *names):
            os.chown(f"{place}/{name}", user, user, follow_symlinks=False)
    return user


def _run(
    client: DockerClient, image: Image, command: list[str], mounts: Mapping[str, str], originals: Sequence[str],
    user: int, seconds: float,
) -> str:  # fmt: skip
    """Run the command to its end and return what it wrote on stderr."""
    volumes = {source: {"bind": target, "mode": "rw"} for source, target in mounts.items()}
    volumes |= {path: {"bind": path, "mode": "ro"} for path in originals}
    scratch = image.settings.labels[SCRATCH_LABEL]
    container = None
    try:
        container = client.containers.create(
            image.id, entrypoint=command[:1], command=command[1:], user=f"{user}:{user}", volumes=volumes,
            network_mode="none", read_only=True, cap_drop=["ALL"], security_opt=["no-new-privileges"],
            tmpfs={scratch: "mode=1777,exec"}, labels=_LABEL, working_dir=scratch,
        )  # fmt: skip
        container.start()
        ended = container.wait(timeout=seconds)
        said = container.logs(stdout=True, stderr=True).decode(errors="replace")[-4000:]
    except (DockerException, RequestException) as error:
        raise MachineryFailed(
            f"the container could not be run to its end: {error}", "see j2k doctor, or docker info"
        ) from error
    finally:
        if container is not None:
            container.remove(force=True, v=True)
    return f"it ended with {ended['StatusCode']}: {said}" if ended["StatusCode"] else ""


def _told(events: Path, said: str) -> Tried:
    lines = events.read_bytes().splitlines() if events.exists() else []
    told = [json.loads(line) for line in lines if line.endswith(b"}")]
    if not told or told[-1]["event"] != "end":
        cells = [event["record"] for event in told if event["event"] == "cell"]
        return Tried({cell["index"]: cell["outputs"] for cell in cells}, failure=said or "it said nothing")
    end = told[-1]
    error = from_plain(CellError, end["error"]) if end["error"] else None
    return Tried({int(index): outputs for index, outputs in end["outputs"].items()}, error)
