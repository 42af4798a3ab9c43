"""Kernels of other languages: what is installed, and what tells a kernel from what it was before."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from j2k_dev.model.errors import BadInput, Refused
from j2k_dev.model.recording import Interpreter

if TYPE_CHECKING:
    from collections.abc import Iterable

_WAY_OUT = (
    "install a kernel for it (`jupyter kernelspec list` shows where Jupyter looks), "
    "or if it is Python after all, correct the notebook's metadata: kernelspec.language"
)


def find_foreign(kernel: str, language: str) -> Interpreter:
    """Find the kernel that a notebook of another language names; raise Refused where there is none."""
    # Imported here: it costs 0.1 s, and most notebooks are Python's.
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel  # noqa: PLC0415

    manager = KernelSpecManager()
    try:
        spec = manager.get_kernel_spec(kernel) if kernel else None
    except NoSuchKernel:
        spec = None
    except (ValueError, OSError) as error:
        raise BadInput(f"the kernelspec {kernel!r} can't be read: {error}", "install that kernel again") from error
    if spec is not None and spec.language.lower() != "python":
        return foreign_interpreter(kernel, spec)
    reason = f"its kernel {kernel!r} is {'Python' if spec else 'not installed'}" if kernel else "it names no kernel"
    installed = ", ".join(sorted(manager.find_kernel_specs()))
    raise Refused(f"the notebook's language is {language}, and {reason} (installed: {installed})", _WAY_OUT)


def foreign_interpreter(kernel: str, spec: Any) -> Interpreter:
    """Say what is known of a kernel: its program, and a stamp that changes when it is installed again."""
    program = _program(kernel, spec.argv, Path(spec.resource_dir))
    identity = [spec.argv, spec.env, spec.interrupt_mode, _stamps(_watched(program, Path(spec.resource_dir)))]
    stamp = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    return Interpreter(str(program), "", {f"kernel {kernel}": stamp}, kernel, spec.language.lower())


def _program(kernel: str, argv: list[str], resources: Path) -> Path:
    """Find the program as jupyter_client does, which takes a bare ``python`` for its own."""
    command = argv[0].replace("{prefix}", sys.prefix).replace("{resource_dir}", str(resources))
    own = ("python", f"python{sys.version_info[0]}", f"python{sys.version_info[0]}.{sys.version_info[1]}")
    found = sys.executable if command in own else shutil.which(Path(command).expanduser())
    if found is None:
        raise BadInput(
            f"the kernel {kernel!r} is started by {command}, which is not there", "install that program or the kernel"
        )
    return Path(found)


def _watched(program: Path, resources: Path) -> Iterable[Path]:
    """Name what changes with an installation; for kernels written in Python, their packages."""
    packages = sorted(program.parent.parent.glob("lib/python*/site-packages"))
    return (resources / "kernel.json", program, program.resolve(), *packages)


def _stamps(paths: Iterable[Path]) -> dict[str, list[int]]:
    return {str(path): [path.stat().st_mtime_ns, path.stat().st_size] for path in paths}
