"""What cells change in libraries is noticed in a real shell, carried, and in force in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.worker.hidden.asking import Processes, started_processes

if TYPE_CHECKING:
    from pathlib import Path

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with started_processes() as processes:
        yield processes


@pytest.fixture
def relay(processes: Processes, tmp_path: Path) -> Ask:
    """Return what the watcher noticed, {path: (kind, carried, refused)}, and what the probe printed afterwards."""

    def run(*cells: str, probe: str) -> tuple[dict[str, tuple[str, bool, bool]], str]:
        answer = processes({"cells": cells, "probe": [probe], "watch": True, "folder": str(tmp_path)})
        for part in ("watched", "first", "hop", "last"):
            assert "failed" not in answer[part], answer[part]["failed"]
        assert answer["watched"]["before"] == answer["first"]["before"], "watching changed what the cells show"
        assert answer["last"]["shown"] == answer["first"]["shown"]
        noticed = {path: (kind, carried, refused) for path, kind, carried, refused in answer["watched"]["changes"]}
        return noticed, "".join(output.get("text", "") for output in answer["last"]["shown"][0])

    return run


@pytest.fixture
def noticed(processes: Processes, tmp_path: Path) -> Ask:
    """Return what the watcher noticed as {path: (kind, carried, refused)}."""

    def run(*cells: str) -> dict[str, tuple[str, bool, bool]]:
        answer = processes({"cells": cells, "probe": ["print(0)"], "watch": True, "folder": str(tmp_path)})["watched"]
        assert "failed" not in answer, answer.get("failed")
        return {path: (kind, carried, refused) for path, kind, carried, refused in answer["changes"]}

    return run


def test_a_method_patched_onto_a_library_class_travels(relay: Ask) -> None:
    seen, shown = relay(
        "import pandas as pd\npd.DataFrame.double = lambda self: self * factor\nfactor = 2",
        probe="factor = 3; print(pd.DataFrame({'a': [1]}).double().a[0])",
    )
    assert [verdict for path, verdict in seen.items() if path.endswith(":DataFrame.double")] == [("added", True, False)]
    assert shown == "3\n"


def test_a_registered_accessor_travels(relay: Ask) -> None:
    cells = (
        "import pandas as pd\n@pd.api.extensions.register_dataframe_accessor('size2')\nclass Size:\n"
        "    def __init__(self, frame): self.frame = frame\n    def n(self): return len(self.frame)"
    )
    assert relay(cells, probe="print(pd.DataFrame({'a': [1, 2]}).size2.n())")[1] == "2\n"


def test_a_function_replaced_in_a_module_of_the_standard_library_travels(relay: Ask) -> None:
    cells = "import json\njson.JSONEncoder.default = lambda self, value: 'mine'\njson.marker = [1, 2]"
    seen, shown = relay(cells, probe="import json; print(json.dumps(object()), json.marker)")
    assert seen["json.encoder:JSONEncoder.default"] == ("rebound", True, False)
    assert seen["json:marker"][1:] == (True, False)
    assert shown == '"mine" [1, 2]\n'


@pytest.mark.parametrize(
    "cell",
    [
        "import builtins\nbuiltins.shout = lambda text: print(text.upper())",
        "import builtins\nsetattr(builtins, 'shout', lambda text: print(text.upper()))",
    ],
)
def test_machinery_is_watched_where_the_text_changes_it(relay: Ask, cell: str) -> None:
    assert relay(cell, probe="shout('hi')")[1] == "HI\n"


def test_a_deleted_attribute_stays_deleted(relay: Ask) -> None:
    seen, shown = relay(
        "import string\ndel string.hexdigits", probe="import string; print(hasattr(string, 'hexdigits'))"
    )
    assert seen["string:hexdigits"] == ("deleted", True, False)
    assert shown == "False\n"


def test_contents_of_containers_travel_in_place(relay: Ask, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "stock = {'a': 1}; order = []; seen = {1}\nalias = stock\ndef total(): return stock, order, seen\n"
    )
    cells = "import shop\nshop.stock['b'] = 2; del shop.stock['a']; shop.order.append('x'); shop.seen |= {5}"
    assert relay(cells, probe="print(shop.total(), shop.alias is shop.stock)")[1] == "({'b': 2}, ['x'], {1, 5}) True\n"


def test_globals_of_a_module_beside_the_notebook_travel_however_deep_they_changed(relay: Ask, tmp_path: Path) -> None:
    (tmp_path / "part.py").write_text(
        "count = 0\nclass Box:\n    made = []\n    def __init__(self): self.deep = {'x': [[1]]}\nbox = Box()\n"
        "def bump():\n    global count\n    count += 1\n"
        "    box.deep['x'][0].append(count)\n    Box.made.append(count)\n"
    )
    seen, shown = relay(
        "import part", "part.bump()", "part.bump()", probe="print(part.count, part.box.deep, part.Box.made)"
    )
    assert {path for path, verdict in seen.items() if verdict[1]} >= {"part:count", "part:box", "part:Box.made"}
    assert shown == "2 {'x': [[1, 1, 2]]} [1, 2]\n"


def test_what_can_not_travel_is_refused_by_name(noticed: Ask, tmp_path: Path) -> None:
    (tmp_path / "part.py").write_text(
        "import threading\nlocked = None\ndef go():\n    global locked\n    locked = (n for n in [1])\n"
    )
    seen = noticed("import part; part.go()", "import json\njson.stream = (n for n in [1])")
    assert seen["part:locked"] == ("rebound", False, True)
    assert seen["json:stream"][1:] == (False, True)


def test_a_refused_attribute_that_is_mended_later_is_carried(noticed: Ask) -> None:
    seen = noticed("import json\njson.stream = (n for n in [1])", "json.stream = 5")
    assert seen["json:stream"][1:] == (True, False)


def test_counters_of_libraries_go_on(relay: Ask) -> None:
    cells = "from sklearn.linear_model import LinearRegression\nLinearRegression()"
    seen, shown = relay(
        cells, probe="import re; print(re.findall('sk-container-id-[0-9]+', LinearRegression()._repr_html_())[0])"
    )
    assert any("COUNTER.count" in path and verdict[1] for path, verdict in seen.items())
    assert shown == "sk-container-id-2\n"


def test_entries_of_registries_travel_without_the_rest(relay: Ask) -> None:
    cells = "import matplotlib as mpl\nmpl.colormaps.register(mpl.colors.ListedColormap(['r', 'g'], name='traffic'))"
    seen, shown = relay(cells, probe="print(mpl.colormaps['traffic'].N)")
    assert [path for path in seen if path.endswith("['traffic']")]
    assert shown == "2\n"


def test_what_imports_change_is_no_change_by_the_cell(noticed: Ask) -> None:
    seen = noticed("import numpy as np, pandas as pd\nimport matplotlib.pyplot as plt\nimport sklearn.ensemble")
    assert not [path for path, verdict in seen.items() if verdict[1] and not path.startswith("matplotlib.backend")]


def test_a_change_in_the_cell_of_an_import_is_seen_on_either_side(noticed: Ask) -> None:
    seen = noticed("import string\ndef patch():\n    string.first = 1\npatch()\nimport numpy as np\nnp.second = 2")
    assert {"string:first", "numpy:second"} <= set(seen)


def test_caches_and_lazy_initialisation_are_left_alone(noticed: Ask) -> None:
    seen = noticed(
        "import mimetypes, datetime\nmimetypes.guess_type('a.png'); datetime.datetime.strptime('2020', '%Y');"
    )
    assert not [path for path, verdict in seen.items() if verdict[1]]


def test_a_failed_import_shows_the_traceback_it_always_shows(relay: Ask, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import absent_for_sure\n")
    (tmp_path / "raising.py").write_text("1 / 0\n")
    relay(
        "import absent_for_sure",
        "import broken",
        "import raising",
        "import importlib; importlib.import_module('raising')",
        probe="import broken",
    )


def test_an_assignment_to_the_notebooks_own_objects_is_none_of_its_business(noticed: Ask) -> None:
    cells = (
        "import pandas as pd\nclass Mine: pass\n"
        "m = Mine(); m.x = 1; Mine.y = 2; df = pd.DataFrame({'a': [1]}); df.columns = ['b']"
    )
    assert not [path for path, verdict in noticed(cells).items() if verdict[1] or verdict[2]]


def test_hooks_that_have_a_carrier_of_their_own_are_not_carried_twice(relay: Ask) -> None:
    cells = (
        "import sys\nsys.excepthook = lambda *error: None\nsys.tracebacklimit = 3\nsys.argv = ['a']\n"
        "sys.path = [*sys.path, '/late']\nsys.unraisablehook = lambda info: print('caught')"
    )
    seen, shown = relay(cells, probe="import sys; print(sys.tracebacklimit, sys.argv, '/late' in sys.path)")
    assert not [path for path in seen if path.startswith("sys:")]
    assert shown == "3 ['a'] True\n"


def test_looking_for_changes_does_not_make_objects_speak(relay: Ask, tmp_path: Path) -> None:
    """As ``torch.distributed.reduce_op`` does: it warns of being outdated whatever is asked of it."""
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "speaking.py").write_text(
        "class Outdated:\n    def __getattribute__(self, name):\n        print('asked for', name)\n"
        "        return object.__getattribute__(self, name)\nold = Outdated()\nheld = []"
    )
    cells = (
        "import sys; sys.path.insert(0, 'site-packages')\nimport speaking",
        "import colorsys; speaking.held.append(1)",
        "speaking.held.append(2)",
    )
    assert relay(*cells, probe="print(speaking.held)")[1] == "[1, 2]\n"


def test_looking_for_changes_loads_no_lazy_module(relay: Ask) -> None:
    cell = (
        "import importlib.util, sys\nspec = importlib.util.find_spec('this')\n"
        "loader = spec.loader = importlib.util.LazyLoader(spec.loader)\n"
        "sys.modules['this'] = importlib.util.module_from_spec(spec); loader.exec_module(sys.modules['this'])\n"
        "del spec, loader"
    )
    probe = "import this as zen; print(zen.__name__)"
    assert relay(cell, "import colorsys", probe=probe)[1].endswith("those!\nthis\n")
