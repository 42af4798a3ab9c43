from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

HandedOver = Callable[..., str]


def test_inputs_and_outputs_are_remembered_by_every_name(handed_over: HandedOver) -> None:
    probe = "print(_, __, _1, _i1, _i, Out, In[1], _ih[2], len(In)); print(Out[2] is _2)"
    assert handed_over("[1]", "x = {'a': 1}; x", probe=probe).startswith("{'a': 1} [1] [1] [1] x = ")


def test_the_output_is_the_variable_it_came_from(handed_over: HandedOver) -> None:
    assert handed_over("x = []\nx", probe=["_.append(1); print(x, Out[1] is x)", "print(_1)"]) == "[1] True\n[1]\n"


def test_the_prompt_goes_on_counting(handed_over: HandedOver) -> None:
    assert handed_over("1", "2", probe=["3", "print(sorted(Out), _)"]) == "[1, 2, 3] 3\n"


def test_an_underscore_of_the_notebook_is_left_alone(handed_over: HandedOver) -> None:
    assert handed_over("_ = 'mine'", "5", probe=["6", "print(_, _2)"]) == "mine 5\n"


def test_names_that_ipython_gave_and_the_notebook_replaced_travel(handed_over: HandedOver) -> None:
    cells = "open = 'shut'; del exit; x: int = 3; __doc__ = 'text'"
    assert (
        handed_over(cells, probe="print(open, 'exit' in globals(), __annotations__, __doc__)")
        == "shut False {'x': <class 'int'>} text\n"
    )


def test_directories_visited_are_remembered(handed_over: HandedOver) -> None:
    cells = "import os; os.makedirs('sub', exist_ok=True)\n%cd -q sub\n%cd -q .."
    assert handed_over(cells, probe="print([str(d).rsplit('/', 1)[-1] for d in _dh][1:2])") == "['sub']\n"


def test_names_hidden_by_pylab_are_there_and_hidden(handed_over: HandedOver) -> None:
    cells = "%pylab inline --no-import-all"
    handed_over(cells, probe="print(np.pi, 'np' in get_ipython().user_ns_hidden)\n%who")


def test_history_magics_see_the_earlier_cells(handed_over: HandedOver) -> None:
    assert handed_over("a = 1", "b = 2", probe="%history -n 1-2\n%recall 1").startswith("   1: a = 1\n   2: b = 2")


def test_a_number_that_was_shown_is_still_ipythons_own_underscore(handed_over: HandedOver) -> None:
    """Identity tells whether the notebook took ``_`` for itself, and numbers do not keep theirs."""
    probe = ["7.5", "print(_, __, ___, _ is _3)"]
    assert handed_over("1000.5", "2000.5", probe=probe).startswith("7.5 2000.5 1000.5 True")


def test_an_underscore_that_was_deleted_stays_deleted(handed_over: HandedOver) -> None:
    assert handed_over("del _", probe="print('_' in globals(), '__' in globals())") == "False True\n"


def test_nothing_shown_is_nothing_to_carry() -> None:
    code = (
        "import os\nerrors = os.dup(2)\nfrom j2k_dev.worker.hidden.history import CARRIERS\n"
        "from j2k_dev.worker.shell import start_shell\nshell = start_shell()\nshell.run('x = 1', 0)\n"
        "os.write(errors, str([c.capture(shell.ip) for c in CARRIERS if c.name == 'outputs']).encode())\nos._exit(0)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60).stderr == b"[None]"
