from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Relay = Callable[..., list[Any]]
HandedOver = Callable[..., str]

MAGICS = (
    "from IPython.core.magic import Magics, magics_class, line_magic, cell_magic, register_line_magic\n"
    "count = 0\n@register_line_magic\ndef hello(line):\n"
    "    global count\n    count += 1\n    print('hello', line, count)\n"
    "@magics_class\nclass Own(Magics):\n    @line_magic\n    def twice(self, line): self.last = line; print(line * 2)\n"
    "    @cell_magic\n    def shout(self, line, cell): print(cell.upper(), self.last, self.shell is get_ipython())\n"
    "get_ipython().register_magics(Own)\n"
)


def test_magics_of_the_notebook_travel_with_their_state(handed_over: HandedOver) -> None:
    shown = handed_over(MAGICS, "%hello a\n%twice xy", probe=["%hello b\nprint(count)", "%%shout\nabc"])
    assert shown == "hello b 2\n2\nABC\n xy True\n"


def test_aliases_and_macros_travel(handed_over: HandedOver) -> None:
    cells = ["%alias say echo said", "x = 41", "%macro -q bump 2", "%alias_magic t timeit"]
    probe = "print(x, 't' in get_ipython().magics_manager.magics['line'])\n%say it"
    assert handed_over(*cells, probe=["x = 1", "bump", probe]).split() == ["41", "True", "said", "it"]


def test_events_registered_by_the_notebook_go_on_firing(handed_over: HandedOver) -> None:
    cells = (
        "cells = []\ndef after(result): print('ran', result.info.raw_cell)\n"
        "get_ipython().events.register('post_run_cell', after)"
    )
    assert handed_over(cells, probe="1;").endswith("ran 1;\n")


def test_transformers_of_source_and_syntax_tree_go_on(relay: Relay) -> None:
    cells = (
        "import ast\nclass Double(ast.NodeTransformer):\n    def visit_Constant(self, node):\n"
        "        return ast.copy_location(ast.Constant(node.value * 2), "
        "node) if isinstance(node.value, int) else node\n"
        "get_ipython().ast_transformers.append(Double())\n"
        "def bang(lines): return [line.replace('BANG', 'print') for line in lines]\n"
        "get_ipython().input_transformers_cleanup.append(bang)"
    )
    assert relay(cells, probe="BANG(21)")[0]["text"] == "42\n"


def test_a_handler_of_exceptions_goes_on_handling(handed_over: HandedOver) -> None:
    cells = (
        "def handler(self, kind, value, tb, tb_offset=None): print('handled', value)\n"
        "get_ipython().set_custom_exc((ValueError,), handler)"
    )
    assert "handled x" in handed_over(cells, probe="raise ValueError('x')")


def test_autoreload_stays_on_and_sees_a_changed_file(handed_over: HandedOver, tmp_path: Path) -> None:
    (tmp_path / "part.py").write_text("def f(): return 1\n")
    probe = [
        (
            "import os, pathlib\n_n = pathlib.Path('part.py').write_text('def f(): return 22\\n"
            "')\nos.utime('part.py', (9e9, 9e9))"
        ),
        "print(part.f())\n_n = pathlib.Path('part.py').write_text('def f(): return 1\\n')",
    ]
    handed_over("%load_ext autoreload\n%autoreload 2\nimport part", probe=probe)


def test_an_extension_beside_the_notebook_is_loaded_again(handed_over: HandedOver, tmp_path: Path) -> None:
    (tmp_path / "extra.py").write_text(
        "def load_ipython_extension(ip):\n    print('loading')\n"
        "    ip.register_magic_function(magic, 'line', 'extra')\n"
        "def magic(line): print('extra', line)\n"
    )
    assert handed_over("%load_ext extra", probe="%extra x\n%load_ext extra").startswith(
        "extra x\nThe extra extension is already loaded"
    )
