"""What is the worker's in the environment: gone for the notebook, also from what the system shows of its process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FORGET = """
import os
from pathlib import Path
from j2k_dev.worker.environment import forget
forget(os.environ, lambda name: name.startswith("SECRET"))
if os.fork() == 0:
    print(sorted(name for name in os.environ if name.startswith(("SECRET", "PUBLIC"))), flush=True)
    shown = Path("/proc/self/environ").read_bytes()
    print(b"hidden" in shown, b"SECRET" in shown, b"PUBLIC=shown" in shown, flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="SKIPPED, looks into /proc")
def test_what_is_forgotten_is_in_no_view_of_the_process_and_its_forks() -> None:
    secret = {"SECRET_WORD": "hidden", "SECRET": "hidden=too", "PUBLIC": "shown", "NOT_SECRET": "x"}
    done = subprocess.run(
        [sys.executable, "-c", FORGET], env={**os.environ, **secret}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["['PUBLIC']", "False True True"]
