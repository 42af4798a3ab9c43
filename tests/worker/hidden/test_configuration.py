from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Relay = Callable[..., list[Any]]


@pytest.mark.parametrize(
    ("cells", "probe"),
    [
        ("%config InteractiveShell.ast_node_interactivity = 'all'", "1\n2"),
        (
            (
                "from IPython.core.interactiveshell import InteractiveShell\n"
                "InteractiveShell.ast_node_interactivity = 'all'"
            ),
            "3;\n4",
        ),
        ("get_ipython().ast_node_interactivity = 'none'", "1\nprint('only')"),
        ("%precision 2", "3.14159"),
        ("%precision 3\nimport numpy as np", "print(np.array([3.14159])); 2.0"),
        ("%pprint", "list(range(40))"),
        ("%xmode Plain", "1 / 0"),
        ("%xmode Minimal", "1 / 0"),
        ("%config InteractiveShell.colors = 'nocolor'", "1 / 0"),
        ("%automagic off", "print(get_ipython().magics_manager.auto_magic)"),
        ("get_ipython().display_formatter.formatters['text/html'].for_type(int, lambda n: f'<b>{n}</b>');", "7"),
        (
            (
                "class P: pass\nget_ipython().display_formatter.formatters['text/plain'].for_type(P, "
                "lambda p, pp, c: pp.text('a P'));"
            ),
            "P()",
        ),
        (
            (
                "get_ipython().display_formatter.formatters['text/html'].for_type_by_name('fractions', "
                "'Fraction', lambda f: '<i>f</i>');"
            ),
            "import fractions; fractions.Fraction(1, 2)",
        ),
        ("get_ipython().showtraceback = lambda *a, **k: print('hidden')", "1 / 0"),
        ("get_ipython().meta.mine = 5", "print(get_ipython().meta.mine)"),
    ],
)
def test_what_was_set_on_ipython_stays_set(relay: Relay, cells: str, probe: str) -> None:
    relay(cells, probe=probe)


def test_an_int_is_shown_as_the_notebook_asked(relay: Relay) -> None:
    cells = "get_ipython().display_formatter.formatters['text/html'].for_type(int, lambda n: f'<b>{n}</b>');"
    assert relay(cells, probe="7")[0]["data"]["text/html"] == "<b>7</b>"
