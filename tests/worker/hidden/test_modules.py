from __future__ import annotations

from collections.abc import Callable

HandedOver = Callable[..., str]


def test_a_module_made_by_hand_can_be_imported_later(handed_over: HandedOver) -> None:
    cells = (
        "import sys, types\nm = types.ModuleType('made', 'doc'); m.x = [1]; m.f = lambda: m.x; sys.modules['made'] = m"
    )
    assert (
        handed_over(cells, probe="import made; made.x.append(2); print(made is m, m.f(), made.__doc__)")
        == "True [1, 2] doc\n"
    )
