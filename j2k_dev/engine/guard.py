"""Runs a program so that nothing which it starts outlives it, or j2k: programs of a notebook leave others behind.

A process of its own, in j2k's Python: j2k itself may be killed at any moment. It reads what to run from standard input
and ends everything when that closes. Signals at the terminal are j2k's business.
"""

from __future__ import annotations

import json
import os
import select
import sys
from contextlib import suppress
from typing import Any, NoReturn

from j2k_dev.worker import processes


def command() -> list[str]:
    """Make the command that starts a guard, wherever j2k is installed and whatever is in the current folder."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120 - costs
    boot = "import sys; sys.path.append(sys.argv[1]); from j2k_dev.engine.guard import main; main()"
    return [sys.executable, "-I", "-S", "-c", boot, root]


def order(argv: list[str], environment: dict[str, str], report: int, lock: int) -> bytes:
    """Say what to run: ``report`` and ``lock`` are descriptors; the first hears of it, the second ends with it."""
    told = {"argv": argv, "environment": environment, "report": report, "lock": lock}
    return json.dumps(told).encode() + b"\n"


def main() -> None:
    """Run what standard input says, report its end, and leave nobody behind."""
    told = json.loads(os.fdopen(os.dup(0), "rb").readline())
    os.set_inheritable(told["lock"], False)  # noqa: FBT003 - the function's own way
    processes.adopt_orphans()
    signals = processes.ChildSignals()
    child = os.fork()
    if child == 0:
        _become(told)
    _report(told["report"], {"event": "process", "process": child})
    while not processes.is_over(child) and not signals.stop:
        readable = select.select([0, signals.descriptor], [], [])[0]
        signals.drain()
        if 0 in readable and not os.read(0, 4096):
            break
    processes.end_group(child)
    _, status, usage = os.wait4(child, 0)
    processes.end_strays(keep=())
    code = os.waitstatus_to_exitcode(status)
    _report(told["report"], {"event": "ended", "code": code, "peak_bytes": _bytes(usage.ru_maxrss)})


def _become(told: dict[str, Any]) -> NoReturn:
    """Turn this forked process into the program, with nothing on its standard input."""
    try:
        os.setsid()
        processes.ChildSignals.reset()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.execve(told["argv"][0], told["argv"], told["environment"])  # noqa: S606 - no shell is what is wanted
    except OSError as error:
        sys.stderr.write(f"{told['argv'][0]}: {error.strerror}\n")
        sys.stderr.flush()
    finally:
        os._exit(127)


def _report(descriptor: int, event: dict[str, Any]) -> None:
    """Tell j2k, on a line of its own: the program may have been killed in the middle of one."""
    with suppress(BrokenPipeError):  # j2k is gone
        os.write(descriptor, b"\n" + json.dumps(event).encode() + b"\n")


def _bytes(peak: int) -> int:
    return peak if sys.platform == "darwin" else peak * 1024
