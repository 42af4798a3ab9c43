from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Relay = Callable[..., list[Any]]
HandedOver = Callable[..., str]


def test_future_flags_stay_in_force(handed_over: HandedOver) -> None:
    cells = "from __future__ import annotations"
    assert handed_over(cells, probe="def f(x: Missing): pass\nprint(f.__annotations__)") == "{'x': 'Missing'}\n"


def test_the_source_of_an_earlier_function_can_be_read(handed_over: HandedOver) -> None:
    cells = "# first\ndef f(x):\n    return x + 1"
    assert handed_over(cells, probe="import inspect; print(inspect.getsource(f))") == "def f(x):\n    return x + 1\n\n"


def test_a_traceback_names_the_earlier_cell_and_shows_its_line(relay: Relay) -> None:
    (error,) = relay("def divide(x):\n    return 1 / x", probe="divide(0)")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error["traceback"]))
    assert "Cell In[1], line 2, in divide(x)" in plain
    assert "----> 2     return 1 / x" in plain
