from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

HandedOver = Callable[..., str]


def test_environment_changes_and_deletions_travel(handed_over: HandedOver) -> None:
    cells = "import os; os.environ['J2K_NEW'] = 'x'; del os.environ['PATH']"
    assert handed_over(cells, probe="import os; print(os.environ.get('J2K_NEW'), os.environ.get('PATH'))") == "x None\n"


def test_a_changed_time_zone_is_in_force(handed_over: HandedOver) -> None:
    cells = "import os, time\nos.environ['TZ'] = 'Asia/Tokyo'\ntime.tzset()"
    assert handed_over(cells, probe="import time; print(time.localtime(0).tm_hour)") == "9\n"


def test_the_import_path_travels(handed_over: HandedOver) -> None:
    cells = "import sys; sys.path.insert(0, 'lib'); sys.path.append('/elsewhere')"
    assert "lib" in handed_over(cells, probe="import sys; print(sys.path)")


@pytest.mark.parametrize(
    ("cells", "probe", "expected"),
    [
        ("import sys; sys.setrecursionlimit(5555)", "import sys; print(sys.getrecursionlimit())", "5555\n"),
        ("import sys; sys.set_int_max_str_digits(0)", "print(len(str(10 ** 9000)))", "9001\n"),
        ("import sys; sys.setswitchinterval(0.25)", "import sys; print(sys.getswitchinterval())", "0.25\n"),
        ("import socket; socket.setdefaulttimeout(7)", "import socket; print(socket.getdefaulttimeout())", "7.0\n"),
        ("import os; _m = os.umask(0o077)", "import os; print(os.umask(0))", "63\n"),
        ("import gc; gc.disable()", "import gc; print(gc.isenabled())", "False\n"),
        ("import gc; gc.set_threshold(99, 8, 7)", "import gc; print(gc.get_threshold()[:2])", "(99, 8)\n"),
        ("import csv; _ = csv.field_size_limit(77)", "import csv; print(csv.field_size_limit())", "77\n"),
        ("import sys; sys.argv = ['prog', '-x']", "import sys; print(sys.argv)", "['prog', '-x']\n"),
        ("import sys; sys.tracebacklimit = 1", "import sys; print(sys.tracebacklimit)", "1\n"),
        (
            "import csv; csv.register_dialect('pipes', delimiter='|')",
            "import csv; print(next(csv.reader(['a|b'], 'pipes')))",
            "['a', 'b']\n",
        ),
        (
            "import locale; _ = locale.setlocale(locale.LC_NUMERIC, 'C.UTF-8')",
            "import locale; print(locale.setlocale(locale.LC_NUMERIC))",
            "C.UTF-8\n",
        ),
    ],
)
def test_settings_of_the_process_travel(handed_over: HandedOver, cells: str, probe: str, expected: str) -> None:
    assert handed_over(cells, probe=probe) == expected


def test_a_signal_handler_of_the_notebook_sees_its_globals(handed_over: HandedOver) -> None:
    cells = "import signal\nseen = []\ndef handler(number, frame):\n    seen.append(number)\n"
    arm = "_old = signal.signal(signal.SIGUSR1, handler)"
    assert handed_over(cells, arm, probe="import signal; signal.raise_signal(signal.SIGUSR1); print(seen)") == "[10]\n"


def test_hooks_and_streams_of_the_notebook_stay_installed(handed_over: HandedOver) -> None:
    cells = (
        "import sys\nclass Loud:\n    def __init__(self, stream): self.stream = stream\n"
        "    def write(self, text): return self.stream.write(text.upper())\n"
        "    def __getattr__(self, name): return getattr(self.stream, name)\n"
        "sys.stdout = Loud(sys.stdout)\nsys.unraisablehook = lambda info: print('caught', info.exc_value)"
    )
    probe = "class Bad:\n    def __del__(self): raise ValueError('late')\nb = Bad(); del b"
    assert handed_over(cells, probe=probe) == "CAUGHT LATE\n"


def test_an_import_finder_of_the_notebook_finds(handed_over: HandedOver) -> None:
    cells = (
        "import sys, importlib.util, importlib.abc\n"
        "class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        return importlib.util.spec_from_loader(name, self) if name == 'conjured' else None\n"
        "    def exec_module(self, module): module.answer = 42\n"
        "sys.meta_path.insert(0, Finder())"
    )
    assert handed_over(cells, probe="import conjured; print(conjured.answer)") == "42\n"


def test_a_callback_of_the_garbage_collector_is_called(handed_over: HandedOver) -> None:
    cells = "import gc\ncalls = []\ndef note(phase, info): calls.append(phase)\ngc.callbacks.append(note)"
    assert handed_over(cells, probe="calls.clear(); _n = gc.collect(); print(calls[:2])") == "['start', 'stop']\n"


def test_the_last_error_is_shown_again(relay: Callable[..., list[Any]]) -> None:
    shown = relay("def f(x):\n    return 1 / x", "f(0)", probe=["%tb", "import sys; print(sys.last_value)"])
    assert "ZeroDivisionError" in str(shown[0])


def test_an_error_that_can_not_be_made_again_stops_nothing(handed_over: HandedOver) -> None:
    cells = (
        "x = 1\nclass Odd(Exception):\n    def __init__(self, *, why): self.rows = (n for n in [1])",
        "raise Odd(why=1)",
    )
    assert handed_over(*cells, probe="print(x)") == "1\n"
