"""What each cell reads, writes, starts and connects to, seen through Python's audit hooks (``--trace audit``).

The hook runs inside of every ``open``, so it only notes what it is given; what is worth telling (no libraries, no
files of the interpreter, paths relative to the working directory) is worked out after the cell. A hook can't be taken
away again: a stopped one does nothing.

Not seen: files that a C library opens by itself (the scan of the working directory sees those that it changes), and
what child processes do (their command line is noted).
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import shlex
import sys
import sysconfig
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

from j2k_dev.model.recording import FileOperation, FileUse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

Use = Literal["read", "written", "deleted"]
Operation = Literal["opened", "chowned", "locked", "mapped", "database"]
Things = tuple[tuple[str, Any], ...]
"""What happened, and to which path or thing."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_HERE = -1  # dir_fd when none is given
_NO_FILES = ("/proc/", "/sys/", "/dev/")
_SYSTEM = ("/usr/lib", "/usr/lib64", "/usr/share", "/lib", "/lib64", "/etc")
_USES: tuple[Use, ...] = ("read", "written", "deleted")
_NO_PATHS = {"programs", "connections", "libraries"}
_FIELDS = {"read", "written", "deleted", "listed", *_NO_PATHS}
# What is counted, and as what.
_OPERATIONS: dict[str, Operation] = {
    "read": "opened",
    "written": "opened",
    "chowned": "chowned",
    "locked": "locked",
    "mapped": "mapped",
    "database": "database",
}
_CACHES = (".cache", ".config/matplotlib", ".ipython", ".jupyter", ".local/share/jupyter")


@dataclass(frozen=True)
class TraceOfCell:
    """What one cell used; paths relative to the working directory below it, absolute elsewhere."""

    read: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    connections: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    operations: tuple[FileOperation, ...] = ()

    def uses(self, work: Path, changed: Iterable[FileUse]) -> tuple[FileUse, ...]:
        """Join it with what a scan of the working directory found changed, which is right where both speak.

        What was made and removed within the cell is told by neither.
        """
        found = {(use.path, use.kind): use for use in changed if "__pycache__" not in use.path.split("/")}
        for kind in _USES:
            for path in getattr(self, kind):
                known = (path, kind) in found or (kind == "deleted" and not path.startswith("/"))
                if not known and (kind == "deleted") != os.path.lexists(work / path) and not (work / path).is_dir():
                    found[path, kind] = FileUse(path, kind, _size(work / path))
        return tuple(found[key] for key in sorted(found))


class Tracer:
    """Notes what happens from ``start`` on, cell by cell."""

    def __init__(self, work: Path) -> None:
        self._work = str(work)
        self._notes: dict[tuple[str, str], int] = {}  # each once: opening one file a million times stays small
        self._listening = False
        self._installed = False
        self._hidden = _hidden_folders(self._work)

    def start(self) -> None:
        """Begin to listen."""
        self._notes.clear()
        self._listening = True
        if not self._installed:
            sys.addaudithook(_hook(self, _NOTERS))
            self._installed = True

    def stop(self) -> None:
        """Hear nothing any more."""
        self._listening = False

    def cell(self) -> TraceOfCell:
        """Give what was noted since the last call, and begin anew."""
        notes, self._notes = self._notes, {}
        told = _Told()
        for (what, thing), times in notes.items():
            self._tell(told, what, thing, times)
        return told.trace()

    def hear(self, noter: Callable[[tuple[Any, ...]], Things], args: tuple[Any, ...]) -> None:
        """Note one event; a hook that raises would break the notebook's own call, so nothing leaves here."""
        if not self._listening:
            return
        with contextlib.suppress(Exception):  # whatever an odd path object does when asked, the cell goes on
            for what, thing in noter(args):
                text = thing if type(thing) is str else _text(thing)
                if text is not None:
                    key = what, text if what in _NO_PATHS else _absolute(text)
                    self._notes[key] = self._notes.get(key, 0) + 1

    def _tell(self, told: _Told, what: str, thing: str, times: int) -> None:
        if what in _NO_PATHS:
            told.add(what, thing, times)
            return
        path = os.path.normpath(thing)
        path = _source_of(path) if what == "read" else path
        if "/__pycache__/" in path:
            return
        if path.startswith(self._work + "/"):
            told.add(what, path[len(self._work) + 1 :], times)
        elif path == self._work:
            told.add(what, ".", times)
        elif not path.startswith(self._hidden):
            told.add(what, path, times)


@dataclass
class _Told:
    kinds: dict[str, dict[str, None]] = field(default_factory=dict)
    times: dict[tuple[str, Operation], int] = field(default_factory=dict)

    def add(self, what: str, thing: str, times: int) -> None:
        kind = _OPERATIONS.get(what)
        if kind is not None:
            self.times[thing, kind] = self.times.get((thing, kind), 0) + times
        if what in _FIELDS:
            self.kinds.setdefault(what, {})[thing] = None

    def trace(self) -> TraceOfCell:
        told = {what: tuple(things) for what, things in self.kinds.items()}
        return replace(TraceOfCell(), **told, operations=tuple(self.operations()))

    def operations(self) -> Iterator[FileOperation]:
        """Give what was done that is worth telling: opening a file once is told by its use, a database by its own."""
        for (path, kind), times in self.times.items():
            if kind != "opened" or (times > 1 and (path, "database") not in self.times):
                yield FileOperation(path, kind, times)


def _hook(tracer: Tracer, noters: dict[str, Any]) -> Callable[[str, tuple[Any, ...]], None]:
    """Make the hook: for the many events that nobody asked for, one look into a dictionary."""
    wanted, hear = noters.get, tracer.hear

    def hook(event: str, args: tuple[Any, ...]) -> None:
        noter = wanted(event)
        if noter is not None:
            hear(noter, args)

    return hook


def _absolute(path: str) -> str:
    """Give the path as it is meant now: the cell may change the working directory later."""
    return path if path.startswith("/") else f"{os.getcwd()}/{path}"  # noqa: PTH109  # speed: this is inside of open()


def _text(thing: object) -> str | None:
    if isinstance(thing, (bytes, PurePath)) or hasattr(thing, "__fspath__"):
        return os.fsdecode(thing)
    return str(thing) if isinstance(thing, str) else None  # numbers are descriptors: opened, and noted, before


def _opened(args: tuple[Any, ...]) -> Things:
    path, mode, flags = args
    return (("written" if _writes(mode, flags) else "read", path),)


def _writes(mode: Any, flags: int) -> bool:
    return not {"w", "a", "x", "+"}.isdisjoint(mode) if isinstance(mode, str) else bool(flags & _WRITING)


def _renamed(args: tuple[Any, ...]) -> Things:
    source, target, source_fd, target_fd = args
    return (("deleted", source), ("written", target)) if source_fd == target_fd == _HERE else ()


def _removed(args: tuple[Any, ...]) -> Things:
    return (("deleted", args[0]),) if args[-1] == _HERE else ()  # shutil.rmtree's own event names the folder


def _made(args: tuple[Any, ...]) -> Things:
    return (("written", args[1]),) if args[-1] == _HERE else ()


def _database(args: tuple[Any, ...]) -> Things:
    name = os.fsdecode(args[0])
    name = name.removeprefix("file:").split("?", 1)[0] if name.startswith("file:") else name
    return (("read", name), ("written", name), ("database", name)) if name and name != ":memory:" else ()


def _owned(args: tuple[Any, ...]) -> Things:
    path, _, _, folder = args
    return (("chowned", _named(path)),) if folder == _HERE else ()


def _locked(args: tuple[Any, ...]) -> Things:
    descriptor, operation = args[:2]
    return () if operation & fcntl.LOCK_UN else (("locked", _named(descriptor)),)


def _mapped(args: tuple[Any, ...]) -> Things:
    return (("mapped", _named(args[0])),) if args[0] >= 0 else ()  # without a file it is memory alone


def _named(thing: Any) -> Any:
    """Give the path of an open file."""
    return os.readlink(f"/proc/self/fd/{thing}") if isinstance(thing, int) else thing  # noqa: PTH115  # strings: faster


def _started(args: tuple[Any, ...]) -> Things:
    command = args[1] if len(args) > 1 else args[0]
    return (("programs", _command(command)),)


def _command(command: Any) -> str:
    if isinstance(command, (str, bytes, PurePath)):
        return os.fsdecode(command)
    return shlex.join(os.fsdecode(part) for part in command)


def _connected(args: tuple[Any, ...]) -> Things:
    address = args[1]
    if isinstance(address, tuple):
        host, port = address[:2]
        return (("connections", f"{host}:{port}"),)
    return (("connections", os.fsdecode(address)),)


def _first(what: str) -> Callable[[tuple[Any, ...]], Things]:
    return lambda args: ((what, args[0]),)


# Who looks through the path for modules and installed distributions, the notebook's folder among the places.
_FINDERS = ("importlib/metadata/__init__.py", "importlib_metadata/__init__.py", "pkg_resources/__init__.py")


def _listed(args: tuple[Any, ...]) -> Things:
    caller = sys._getframe(3).f_code.co_filename  # noqa: SLF001 - who lists
    if caller.startswith("<frozen importlib") or caller.endswith(_FINDERS):
        return ()
    return (("listed", "." if args[0] is None else args[0]),)


_NOTERS: dict[str, Callable[[tuple[Any, ...]], Things]] = {
    "open": _opened,
    "os.rename": _renamed,
    "os.remove": _removed,
    "os.rmdir": _removed,
    "shutil.rmtree": _first("deleted"),
    "os.link": _made,
    "os.symlink": _made,
    "os.truncate": _first("written"),
    "os.mkdir": _first("listed"),
    "os.listdir": _listed,
    "os.scandir": _listed,
    "sqlite3.connect": _database,
    "os.chown": _owned,
    "fcntl.flock": _locked,
    "fcntl.lockf": _locked,
    "mmap.__new__": _mapped,
    "subprocess.Popen": _started,
    "os.posix_spawn": _started,
    "os.exec": _started,
    "os.system": _started,
    "socket.connect": _connected,
    "ctypes.dlopen": _first("libraries"),
}


def _source_of(path: str) -> str:
    """Give the module that a cached bytecode file stands for."""
    if path.endswith(".pyc") and "/__pycache__/" in path:
        with contextlib.suppress(ValueError):
            return importlib.util.source_from_cache(path)
    return path


def _hidden_folders(work: str) -> tuple[str, ...]:
    """Give what belongs to the interpreter, its libraries and the system: no data of the notebook's."""
    paths = sysconfig.get_paths()
    folders = [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")]
    folders += [path for path in sys.path if path.endswith(("site-packages", "dist-packages", ".zip"))]
    folders += [prefix for prefix in {sys.prefix, sys.base_prefix} if _is_only_python(prefix)]
    folders += [os.path.join(os.path.expanduser("~"), name) for name in _CACHES]  # noqa: PTH111, PTH118  # strings: faster
    folders += [path for name in ("MPLCONFIGDIR", "IPYTHONDIR", "XDG_CACHE_HOME") if (path := os.environ.get(name))]
    folders.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120  # this package
    kept = {os.path.abspath(folder).rstrip("/") for folder in folders} | set(_SYSTEM)  # noqa: PTH100  # strings: faster
    return (*_NO_FILES, *sorted(folder + "/" for folder in kept if not (work + "/").startswith(folder + "/")))


def _is_only_python(prefix: str) -> bool:
    """Tell a virtual or conda environment, or a Python built in a place of its own, from /usr."""
    return prefix not in {"/usr", "/usr/local", "/"}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
