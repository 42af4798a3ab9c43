"""The environment on a base is a virtual one of the base's interpreter, called as the notebook's is."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

from j2k_dev.packaging.base import Base, BasePython
from j2k_dev.packaging.oci import Image, Settings

MINOR = ".".join(map(str, sys.version_info[:2]))


def test_what_is_laid_out_starts_as_a_virtual_environment(tmp_path: Path) -> None:
    place = tmp_path.resolve() / "env"
    executable = sys._base_executable  # type: ignore[attr-defined]
    python = BasePython(executable, MINOR, sys.base_prefix, sysconfig.get_path("stdlib"), "", "2.36", str(place))
    base = Base("base-1", "python", Image((), Settings((), {}, {}, 0)), python)
    for entry in base.entries("/home/ada/env/bin/python9"):
        path = Path(entry.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(entry.link) if entry.kind == "link" else path.write_bytes(entry.data or b"")
    described = base.interpreter("/home/ada/env/bin/python9")
    assert described.executable == f"{place}/bin/python9"
    code = "import sys, site; print(sys.prefix, sys.base_prefix, sys.executable, *site.getsitepackages())"
    done = subprocess.run([described.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(place), sys.base_prefix, described.executable, *described.sites]
