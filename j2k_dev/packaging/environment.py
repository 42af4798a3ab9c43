"""The environment image: what the notebook ran in, on its own, and the worker's support beside it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from j2k_dev.engine.scrub import SCRUBBED
from j2k_dev.engine.workspace import read_json, write_json
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.packaging.files import SECRET, is_below
from j2k_dev.packaging.oci import Settings
from j2k_dev.packaging.store import Store, Wanted
from j2k_dev.packaging.system import OWN_FILES, USER
from j2k_dev.packaging.tree import collect, compiled, folder, hashed, identity, text_file
from j2k_dev.worker.files.memo import Memo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from j2k_dev.packaging.base import Base
    from j2k_dev.packaging.files import Selection
    from j2k_dev.packaging.oci import Image
    from j2k_dev.packaging.python import Python
    from j2k_dev.packaging.tree import Entry

SUPPORT = "/j2k/support"
EXCHANGE = "/exchange"
SCRATCH_LABEL = "j2k.dev/scratch"
"""Names the folder that has to be writable: where something empty is mounted."""

_START = "start.py"
_KEY_LENGTH = 16
_TMP = "/tmp"  # noqa: S108 - the container's own
_SCRATCH = "/scratch"

_PATH = "/usr/local/bin:/usr/bin:/bin"
_CARRIED = re.compile(
    r"LANG|LANGUAGE|LC_[A-Z]+|TZ|LD_LIBRARY_PATH|PYTHONPATH|PYTHONHASHSEED|(?:OMP|MKL|OPENBLAS|NUMEXPR)_NUM_THREADS"
    r"|TERM|CLICOLOR|FORCE_COLOR|CLICOLOR_FORCE|PAGER|GIT_PAGER|PYDEVD_USE_FRAME_EVAL|JPY_PARENT_PID|MPLBACKEND"
)
_MEMO = "contents.json"
_DECIDED = "decided.json"


@dataclass(frozen=True)
class Request:
    """An environment to have; the same ``token`` on unchanged files means the same environment.

    ``choose`` says what goes in; it is asked only where that is not known. ``base`` is what it stands on, if anything,
    and ``entries`` are put in besides.
    """

    token: str
    choose: Callable[[], Selection]
    cache_tag: str
    settings: Settings
    support: Path
    base: Base | None = None
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Environment:
    """The environment image; ``left_out`` is what was seen but is not in it, with the reason."""

    key: str
    image: Image
    left_out: Mapping[str, str]


def make_environment(store: Store, request: Request) -> Environment:
    """Give the environment image, made now only if something in it changed."""
    key = decided(store, request.token)
    image = store.load(key) if key else None
    left_out = (read_json(store.root / _DECIDED) or {}).get("left_out", {})
    return Environment(key, image, left_out) if key and image else _made(store, request)


def decided(store: Store, token: str) -> str:
    """Name the environment that was made for this token, if none of its files has changed since."""
    known = read_json(store.root / _DECIDED) or {}
    if known.get("token") != token or known.get("stamps") != _stamps(known["paths"]):
        return ""
    return str(known["key"])


def _made(store: Store, request: Request) -> Environment:
    selection = request.choose()
    tree = collect(selection.files, selection.moved)
    memo = Memo(store.root / _MEMO)
    store.root.mkdir(parents=True, exist_ok=True)
    files = hashed(tree.entries, memo)
    memo.keep_only({entry.source for entry in files})
    memo.save()
    entries = [*(entry for entry in files if entry.path not in OWN_FILES), *_own_entries(), *request.entries]
    support = _support_entries(request.support)
    of_files, of_support = identity(entries), identity(support)
    base, tag = (request.base.key, request.base.reference) if request.base else (None, "scratch")
    key = key_of("environment", of_files, of_support, repr(request.settings), base or "")
    layers = (
        Wanted("environment.tar", of_files, lambda: [*entries, *compiled(entries, request.cache_tag)]),
        Wanted("support.tar", of_support, lambda: support),
    )
    image = store.make(key, layers, request.settings, base, tag)
    paths = _watched(files)
    left_out = {**selection.left_out, **dict.fromkeys(tree.secret, SECRET)}
    decision = {"token": request.token, "key": key, "stamps": _stamps(paths), "paths": paths, "left_out": left_out}
    write_json(store.root / _DECIDED, decision)
    return Environment(key, image, left_out)


def key_of(kind: str, *parts: str) -> str:
    """Name an image by its kind and all that it is made from."""
    return f"{kind}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:_KEY_LENGTH]}"


def _own_entries() -> list[Entry]:
    return [
        folder(_TMP, 0o1777),
        folder(_SCRATCH, 0o1777),
        folder(EXCHANGE),
        *(text_file(path, text.encode()) for path, text in OWN_FILES.items()),
    ]


def _support_entries(support: Path) -> list[Entry]:
    """Put the worker's modules where images have them, and what talks to the bus."""
    spec = importlib.util.find_spec("kafka")
    if spec is None or spec.origin is None:
        raise MachineryFailed("kafka-python is not installed beside j2k", "pip install kafka-python")
    kafka = Path(spec.origin).parent
    files = {f"{SUPPORT}/{file.relative_to(support)}": file for file in sorted(support.rglob("*.py"))}
    files |= {f"{SUPPORT}/{_START}": Path(__file__).with_name(_START)}
    files |= {f"{SUPPORT}/kafka/{file.relative_to(kafka)}": file for file in sorted(kafka.rglob("*")) if _is_code(file)}
    return [text_file(path, file.read_bytes()) for path, file in files.items()]


def _is_code(file: Path) -> bool:
    return file.is_file() and file.suffix != ".pyc"


# --- is it still the same? --------------------------------------------------------------------------------------------


def _watched(entries: list[Entry]) -> list[str]:
    """List the files, and the folders of packages, where another module may appear."""
    files = [entry.source or entry.path for entry in entries if entry.kind != "dir"]
    return sorted({*files, *(path.removesuffix("/__init__.py") for path in files if path.endswith("/__init__.py"))})


def _stamps(paths: list[str]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        try:
            status = os.lstat(path)
        except OSError:
            return ""
        digest.update(b"%d %d %d %d\n" % (status.st_size, status.st_mtime_ns, status.st_ino, status.st_mode))
    return digest.hexdigest()


# --- how it starts ----------------------------------------------------------------------------------------------------


def settings_of(
    python: Python,
    options: tuple[str, ...],
    recorded: Mapping[str, str],
    kernel: Iterable[str] = (),
    labels: Mapping[str, str] | None = None,
) -> Settings:
    """Say how a worker starts in the image: as the local engine starts it, in an environment of its own.

    Scratch is /tmp, unless the interpreter itself lies there, which would be hidden by it.

    ``recorded`` is the environment of the recording without its secrets; of it, only what Jupyter and the kernel (by
    the names in ``kernel``) set goes along, and what says how to write and where libraries are.
    """
    names = set(kernel)
    scratch = _SCRATCH if any(is_below(path, _TMP) for path in python.prefixes) else _TMP
    carried = {name: value for name, value in recorded.items() if name in names or _CARRIED.fullmatch(name)}
    environment = {
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        **{name: value for name, value in carried.items() if SCRUBBED not in value},
        "PATH": f"{os.path.dirname(python.executable)}:{_PATH}",  # noqa: PTH120 - a string
        "HOME": scratch,
        **({} if scratch == _TMP else {"TMPDIR": scratch}),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    labels = {**(labels or {}), SCRATCH_LABEL: scratch}
    return Settings((python.executable, *options, f"{SUPPORT}/{_START}"), environment, labels, USER, scratch)
