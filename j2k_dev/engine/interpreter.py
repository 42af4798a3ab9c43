"""The notebook's own Python: which one it is, what it has, and how to start our modules in it.

Source of the environment and the path: ipykernel's ``kernelapp``, ``zmqshell`` and IPython's ``init_path``.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from j2k_dev.engine.foreign import find_foreign, foreign_interpreter
from j2k_dev.engine.support import LAUNCHER, cache_folder
from j2k_dev.engine.workspace import read_json, write_json
from j2k_dev.model.errors import BadInput, MachineryFailed, Refused
from j2k_dev.model.recording import Interpreter

if TYPE_CHECKING:
    from collections.abc import Mapping

OLDEST = (3, 10)
PROBE_SECONDS = 60.0

_MARK = "j2k-probe:"
# Readable by any Python since 2: an old one has to be able to say that it is old.
_BOOT = """import sys
if sys.version_info < (3, 10):
    sys.stdout.write('j2k-probe:{"version": "%d.%d.%d"}' % sys.version_info[:3])
else:
    import runpy
    sys.path[:] = [entry for entry in sys.path if entry]
    runpy.run_path(sys.argv[1], run_name="__main__")
"""
_AS_JUPYTER_HAS_IT = {
    "TERM": "xterm-color",
    "CLICOLOR": "1",
    "FORCE_COLOR": "1",
    "CLICOLOR_FORCE": "1",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    # ipykernel's debugger sets it when the kernel is imported.
    "PYDEVD_USE_FRAME_EVAL": "NO",
    # Libraries ask whether it is there; no process id, because outputs must not differ from run to run.
    "JPY_PARENT_PID": "0",
}
_INLINE_PLOTS = "module://matplotlib_inline.backend_inline"
_READ_BY_PYTHON = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONUSERBASE",
    "PYTHONNOUSERSITE",
    "PYTHONSAFEPATH",
    "PYTHONPLATLIBDIR",
)


@dataclass(frozen=True)
class Choice:
    """The Python that a notebook runs in: its options and environment as the kernelspec has them, and why it is it.

    For a kernel of another language, which ``foreign`` describes, it is the Python that speaks to the kernel.
    """

    python: Path
    kernel: str = "python3"
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    foreign: Interpreter | None = None

    @property
    def language(self) -> str:
        """Return the language of the kernel, in lower case."""
        return self.foreign.language if self.foreign else "python"


@dataclass(frozen=True)
class Launcher:
    """How to start one of our modules in the notebook's interpreter; ``support`` as ``support_folder`` gives it.

    ``recorder`` and ``stage`` are the modules that record the notebook and run its stages.
    """

    python: Path
    support: Path
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    recorder: str = "j2k_dev.recording.recorder"
    stage: str = "j2k_dev.worker.stage"

    def argv(self, module: str, *arguments: str) -> list[str]:
        """Give the command line that calls ``module.main(arguments)``."""
        return [str(self.python), *self.options, str(self.support / LAUNCHER), module, *arguments]

    def env(self) -> dict[str, str]:
        """Give the environment that Jupyter would give, with hashes that are the same in every process."""
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONEXECUTABLE"}
        theirs = {name: Template(text).safe_substitute(inherited) for name, text in self.environment.items()}
        env = {"MPLBACKEND": _INLINE_PLOTS, **_nonempty(inherited, "MPLBACKEND"), **theirs, **_AS_JUPYTER_HAS_IT}
        if not env.get("PYTHONHASHSEED", "").isdigit():
            env["PYTHONHASHSEED"] = "0"
        return env


@dataclass(frozen=True)
class ForeignLauncher(Launcher):
    """How to start what speaks to a kernel of another language, in j2k's own Python."""

    options: tuple[str, ...] = ("-P",)  # nothing in the notebook's folder gets into it
    recorder: str = "j2k_dev.recording.foreign"
    stage: str = "j2k_dev.worker.foreign_stage"

    def env(self) -> dict[str, str]:
        """Give the environment that Jupyter would give; kernels written in Python get the same hashes every time."""
        return {"PYTHONHASHSEED": "0", **os.environ}


def _nonempty(environment: Mapping[str, str], name: str) -> dict[str, str]:
    """Leave out a variable that is set to nothing: ipykernel takes it for unset."""
    return {key: value for key, value in environment.items() if key != name or value}


def launcher(choice: Choice, interpreter: Interpreter, support: Path) -> Launcher:
    """Make the launcher of a probed interpreter: the program itself, not a shim that may choose another tomorrow."""
    if choice.foreign is not None:
        return ForeignLauncher(choice.python, support)
    return Launcher(Path(interpreter.executable), support, choice.options, choice.environment)


# --- which one --------------------------------------------------------------------------------------------------------


def choose(kernel: str = "", language: str = "", python: Path | None = None) -> Choice:
    """Choose the interpreter of a notebook from ``--python`` or the kernel and language that its metadata names."""
    if language and language.lower() not in ("python", "ipython"):
        return _foreign(find_foreign(kernel, language), python)
    if python is not None:
        return Choice(_given(python), kernel or "python3")
    if kernel in ("", "python3", "python"):
        return _default(kernel or "python3")
    return _installed(kernel) or _substitute(kernel)


def _given(python: Path) -> Path:
    """Find what ``--python`` names: a file, a command on the path, or the folder of an environment."""
    path = python.expanduser()
    if path.is_dir():
        path = path / "bin" / "python"
    if path.parent == Path() and not path.exists():
        path = Path(shutil.which(str(path)) or path)
    # Not resolved: the link is what makes a virtual environment's Python that environment's.
    return Path(os.path.normpath(Path.cwd() / path))


def _default(kernel: str) -> Choice:
    own = Path(sys.executable)
    if not _is_tool_environment() and importlib.util.find_spec("ipykernel"):
        return Choice(own, kernel, notes=_own_notes(own))
    return _active(kernel) or _installed(kernel) or Choice(own, kernel, notes=_own_notes(own))


def _is_tool_environment() -> bool:
    """Tell whether j2k stands in an environment of its own (pipx, uv tool), where no notebook's packages are."""
    return any(Path(sys.prefix, mark).exists() for mark in ("pipx_metadata.json", "uv-receipt.toml"))


def _active_python() -> Path | None:
    prefix = os.environ.get("VIRTUAL_ENV") or os.environ.get("CONDA_PREFIX")
    python = Path(prefix, "bin", "python") if prefix else None
    return python if python and python.exists() and not Path(python.parent.parent).samefile(sys.prefix) else None


def _active(kernel: str) -> Choice | None:
    python = _active_python()
    return Choice(python, kernel, notes=(f"the notebook runs in the active environment: {python}",)) if python else None


def _own_notes(own: Path) -> tuple[str, ...]:
    notes = [f"the notebook runs in j2k's own Python: {own}"]
    if active := _active_python():
        notes.append(f"another environment is active; to use it: --python {shlex.quote(str(active))}")
    return tuple(notes)


def _substitute(kernel: str) -> Choice:
    default = _default(kernel)
    return Choice(default.python, kernel, notes=(f"the kernel {kernel!r} is not installed", *default.notes))


def _installed(kernel: str) -> Choice | None:
    """Read the kernelspec; None where there is none of that name."""
    # Imported here: it costs 0.1 s, and most notebooks name the default kernel.
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel  # noqa: PLC0415

    try:
        spec = KernelSpecManager(ensure_native_kernel=not _is_tool_environment()).get_kernel_spec(kernel)
    except NoSuchKernel:
        return None
    except (ValueError, OSError) as error:
        raise BadInput(f"the kernelspec {kernel!r} can't be read: {error}", way_out=_NAME_PYTHON) from error
    if spec.language.lower() != "python":
        return _foreign(foreign_interpreter(kernel, spec))
    python, options = _command(kernel, spec.argv, Path(spec.resource_dir))
    return Choice(python, kernel, options, dict(spec.env), (f"the notebook runs in its kernel {kernel!r}: {python}",))


_NAME_PYTHON = "name the notebook's Python: --python PATH"


def _command(kernel: str, argv: list[str], resources: Path) -> tuple[Path, tuple[str, ...]]:
    """Split a kernel's command into its Python and the options before ``-m ipykernel``."""
    if not any(flag == "-m" and module.startswith("ipykernel") for flag, module in pairwise(argv[1:])):
        raise Refused(
            f"the kernel {kernel!r} is started by a program of its own: {shlex.join(argv)}",
            way_out=_NAME_PYTHON,
        )
    command = argv[0].replace("{prefix}", sys.prefix).replace("{resource_dir}", str(resources))
    return _kernel_python(command, resources), tuple(argv[1 : argv.index("-m")])


def _kernel_python(command: str, resources: Path) -> Path:
    """Find a kernel's Python: a bare name means the environment that the kernelspec is installed in."""
    path = Path(command).expanduser()
    if path.is_absolute():
        return path
    beside = resources.parents[3] / "bin" / command if len(resources.parents) > 3 else Path()  # noqa: PLR2004 - PREFIX/share/jupyter/kernels/NAME
    if beside.is_file():
        return beside
    return Path(shutil.which(command) or sys.executable)


def _foreign(found: Interpreter, python: Path | None = None) -> Choice:
    """Choose our own Python to speak to a kernel of another language."""
    if python is not None:
        raise BadInput(
            f"--python {python}, but the notebook's language is {found.language}: it runs in kernel {found.kernel!r}",
            "leave out --python",
        )
    notes = (f"the notebook runs in its kernel {found.kernel!r} ({found.language}): {found.executable}",)
    return Choice(Path(sys.executable), found.kernel, notes=notes, foreign=found)


# --- what it has ------------------------------------------------------------------------------------------------------


def probe(choice: Choice, cache: Path | None = None, seconds: float = PROBE_SECONDS) -> Interpreter:
    """Ask the interpreter what it is; asked again only when it, or what is installed in it, has changed."""
    if choice.foreign is not None:
        return choice.foreign
    file = (cache or cache_folder()) / "interpreters" / f"{_identity(choice)}.json"
    facts = None if _is_script(choice.python) else _remembered(choice, file)
    if facts is None:
        facts = _ask(choice, seconds)
        _keep(file, {"facts": facts, "stamps": _stamps(choice.python, facts["watched"])})
    return Interpreter(facts["executable"], facts["version"], facts["packages"], choice.kernel)


def _is_script(python: Path) -> bool:
    """Tell a shim (pyenv, asdf) from a Python: what a shim starts depends on more than can be watched."""
    with contextlib.suppress(OSError), python.open("rb") as file:
        return file.read(2) == b"#!"
    return False


def _remembered(choice: Choice, file: Path) -> dict[str, Any] | None:
    known = None
    # A cache that can't be read is one that can't be written, which is told when that is tried.
    with contextlib.suppress(OSError):
        known = read_json(file)
    if not isinstance(known, dict) or known.keys() != {"facts", "stamps"}:
        return None
    facts: dict[str, Any] = known["facts"]
    return facts if known["stamps"] == _stamps(choice.python, facts["watched"]) else None


def _keep(file: Path, known: dict[str, Any]) -> None:
    try:
        write_json(file, known)
    except OSError as error:
        raise MachineryFailed(
            f"the cache {file.parent} can't be written: {error.strerror or error}",
            way_out="set J2K_CACHE to a folder that can",
        ) from error


def _identity(choice: Choice) -> str:
    """Name all that decides what the answer is, besides the files that are watched."""
    told = [str(choice.python), *choice.options, *(f"{name}={os.environ.get(name)}" for name in _READ_BY_PYTHON)]
    told += [f"{name}={text}" for name, text in sorted(choice.environment.items())]
    return hashlib.sha256("\0".join(told).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _stamps(python: Path, folders: list[str]) -> dict[str, list[int]]:
    """Take the times that change when the interpreter is replaced or something is installed or removed."""
    watched = [python, python.parent.parent / "pyvenv.cfg", *map(Path, folders)]
    return {str(path): _stamp(path) for path in watched}


def _stamp(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_mtime_ns, status.st_size, status.st_ino]


def _ask(choice: Choice, seconds: float) -> dict[str, Any]:
    # Not -I and not elsewhere: it has to see what the kernel would see.
    script = Path(__file__).with_name("probe.py")
    argv = [str(choice.python), *choice.options, "-c", _BOOT, str(script)]
    env = Launcher(choice.python, script.parent, choice.options, choice.environment).env()
    try:
        answer = subprocess.run(
            argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
    except FileNotFoundError as error:
        raise BadInput(f"there is no Python at {choice.python}", way_out=_NAME_PYTHON) from error
    except subprocess.TimeoutExpired as error:
        raise MachineryFailed(
            f"{choice.python} said nothing within {seconds:g} s", way_out=f"try `{choice.python} -V`, or {_NAME_PYTHON}"
        ) from error
    except OSError as error:
        raise BadInput(f"{choice.python} can't be run: {error.strerror}", way_out=_NAME_PYTHON) from error
    return _checked(choice, answer)


def _checked(choice: Choice, answer: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    said = answer.stdout.decode("utf-8", "replace").rpartition(_MARK)
    facts = _parsed(said[2])
    if facts is None:
        detail = (answer.stderr or answer.stdout).decode("utf-8", "replace").strip()
        why = detail.splitlines()[-1:] or [f"it ended with code {answer.returncode}"]
        raise BadInput(f"{choice.python} is not a working Python: {why[0]:.200}", _NAME_PYTHON, detail[-2000:])
    version = tuple(int(part) for part in facts["version"].split(".")[:2])
    if version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise BadInput(f"{choice.python} is Python {facts['version']}; j2k needs {oldest} or later", _NAME_PYTHON)
    _check_fitness(choice, facts)
    return facts


def _parsed(line: str) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError):
        facts, _end = json.JSONDecoder().raw_decode(line)
        return facts if isinstance(facts, dict) else None
    return None


def _check_fitness(choice: Choice, facts: dict[str, Any]) -> None:
    python = shlex.quote(str(choice.python))
    if facts["implementation"] != "cpython":
        raise Refused(f"{choice.python} is {facts['implementation']}; j2k runs notebooks in CPython", _NAME_PYTHON)
    if facts["missing"]:
        missing = " and ".join(facts["missing"])
        mend = f"{python} -m pip install ipykernel"
        if facts["managed"]:
            mend = f"{python} -m venv ENV && ENV/bin/pip install ipykernel, then --python ENV/bin/python"
        raise BadInput(
            f"{choice.python} has no {missing}, which Jupyter runs notebooks with",
            way_out=f"{mend} (or name another Python: --python PATH)",
        )
    if not facts["fixed_hashes"]:
        raise Refused(
            f"{choice.python} ignores PYTHONHASHSEED (options {shlex.join(choice.options)}): "
            "the order of sets would differ from process to process",
            way_out=_NAME_PYTHON,
        )
