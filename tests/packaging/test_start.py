"""A container's home folder is laid out before the worker starts."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from j2k_dev.packaging import start

LAUNCH = "import sys; print(sys.argv[1:], sys.path[0])"


def test_it_lays_out_the_home_and_starts_what_launch_does(tmp_path: Path) -> None:
    support, home, given = (tmp_path / name for name in ("support", "home", "given"))
    for folder in (support, home, given / ".cache"):
        folder.mkdir(parents=True)
    (given / ".cache" / "fonts.json").write_text("{}")
    (support / "launch.py").write_text(LAUNCH)
    text = Path(start.__file__).read_text().replace(start.HOME, str(given))
    (support / "start.py").write_text(text)
    command = [sys.executable, str(support / "start.py"), "module", "argument"]
    done = subprocess.run(command, env={"HOME": str(home)}, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["['module',", "'argument']", str(support)]
    assert (home / ".cache" / "fonts.json").exists()


def test_a_home_that_cant_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "launch.py").write_text(LAUNCH)
    shutil.copy(start.__file__, tmp_path / "start.py")
    command = [sys.executable, str(tmp_path / "start.py"), "module"]
    done = subprocess.run(command, env={"HOME": "/proc/none"}, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("['module']")
