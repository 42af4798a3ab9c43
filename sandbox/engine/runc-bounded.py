"""An OCI runtime: runc, for an engine whose bounding set lacks capabilities that a container may ask for.

``docker run --privileged`` asks for every capability that the kernel knows, and runc fails on one that can't be had.
This leaves out of the bundle (``create``, ``run``) and of the process (``exec``) what the bounding set lacks, then
becomes runc. Standard library only: j2k copies it into its cache and puts an interpreter's line before it.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

# In the order of their numbers (capabilities(7)).
NAMES = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
)  # fmt: skip


def main(arguments: list[str]) -> None:
    """Bound what the arguments name, then become runc."""
    lacking = missing(Path("/proc/self/status").read_text(encoding="ascii"))
    for bundle in values(arguments, "--bundle", "-b"):
        rewrite(Path(bundle, "config.json"), lacking, within="process")
    if "exec" in arguments:
        for process in values(arguments, "--process", "-p"):
            rewrite(Path(process), lacking)
    os.execvp("runc", ["runc", *arguments])  # noqa: S606 - what a runtime that stands before another one is for


def missing(status: str) -> set[str]:
    """Name the capabilities that a /proc/PID/status says can't be had."""
    bounding = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd:")), 16)
    return {name for number, name in enumerate(NAMES) if not bounding >> number & 1}


def values(arguments: list[str], *names: str) -> Iterator[str]:
    """Give the values of an option, written ``--name value`` or ``--name=value``."""
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, value = argument.partition("=")
        if name in names:
            yield value if equals else following


def rewrite(file: Path, lacking: set[str], within: str = "") -> None:
    """Take the lacking capabilities out of the process that a JSON file describes."""
    document = json.loads(file.read_bytes())
    process = document.get(within) or {} if within else document
    capabilities = process.get("capabilities") or {}
    for kind, wanted in capabilities.items():
        capabilities[kind] = [name for name in wanted or () if name not in lacking]
    file.write_text(json.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
