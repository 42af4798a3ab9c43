"""Whether a process was killed for memory, by what the system counts: folders as both versions of cgroups have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from j2k_dev.worker import memory

if TYPE_CHECKING:
    from pathlib import Path

FIRST = {
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    "memory/memory.limit_in_bytes": "314572800\n",
}
SECOND = {"memory.events": "low 0\noom 4\noom_kill 3\noom_group_kill 1\n", "memory.max": "314572800\n"}


def cgroup(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize("files", [FIRST, SECOND])
def test_a_process_that_was_killed_for_memory_is_told_with_the_limit(tmp_path: Path, files: dict[str, str]) -> None:
    told = memory.explained("killed by SIGKILL", 2, cgroup(tmp_path, files))
    assert told == "killed by SIGKILL (OOMKilled: needed more memory than its limit of 300Mi)"


def test_one_that_somebody_else_killed_is_not(tmp_path: Path) -> None:
    assert memory.explained("killed by SIGKILL", 3, cgroup(tmp_path, SECOND)) == "killed by SIGKILL"
    assert memory.explained("exited with status 1", 2, cgroup(tmp_path, SECOND)) == "exited with status 1"


@pytest.mark.parametrize("unlimited", ["max", "9223372036854771712"])
def test_where_nothing_limits_it_memory_ran_out(tmp_path: Path, unlimited: str) -> None:
    folder = cgroup(tmp_path, SECOND | {"memory.max": unlimited})
    assert memory.limit(folder) is None
    assert memory.explained("killed by SIGKILL", 0, folder).endswith("(OOMKilled: memory ran out)")


def test_where_nothing_counts_nothing_is_said(tmp_path: Path) -> None:
    assert memory.kills(tmp_path) == 0
    assert memory.explained("killed by SIGKILL", 0, tmp_path) == "killed by SIGKILL"
