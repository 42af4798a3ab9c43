"""What the text of a cell says: nothing that the code could load is missed, nothing in the interpreter is touched."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from j2k_dev.notebook.analysis import analyse_cell, syntax_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from j2k_dev.model.recording import CellAnalysis


def analysed(cell: str) -> CellAnalysis:
    """Analyse a cell as written in a notebook."""
    return analyse_cell(TransformerManager().transform_cell(textwrap.dedent(cell)))


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("y = x", {"x"}),
        ("x += 1", {"x"}),
        ("del x", {"x"}),
        ("x.attribute[i] = z", {"x", "i", "z"}),
        ("def f(a=x): return y", {"x", "y"}),
        ("g = lambda: x", {"x"}),
        ("class C(Base):\n    def m(self): return x", {"Base", "x"}),
        ("[x for i in y if z]", {"x", "y", "z"}),
        ("f'{x:{width}}'", {"x", "width"}),
        ("def f(a: Kind) -> Other: ...", {"Kind", "Other"}),
        ("a: Kind", {"Kind"}),
        ("class C:\n    def m(self): return __hidden", {"_C__hidden"}),
        ("match x:\n    case Point(): pass", {"x", "Point"}),
        ("await x", {"x"}),
        ("%time f(x)", {"f", "x"}),
        ("%timeit -n 10 -r 2 f(x)", {"f", "x"}),
        ("%%time\ny = f(x)", {"f", "x"}),
        ("%%time\n%timeit f(x)", {"f", "x"}),
    ],
)
def test_a_name_that_code_may_load_is_read(cell: str, names: set[str]) -> None:
    assert names <= set(analysed(cell).reads)


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("a, (b, *c) = x", {"a", "b", "c"}),
        ("import os.path, numpy as np", {"os", "np"}),
        ("from a.b import c as d, e", {"d", "e"}),
        ("for i, j in x: pass", {"i", "j"}),
        ("with f() as (a, b): pass", {"a", "b"}),
        ("try: pass\nexcept E as error: pass", {"error"}),
        ("[y := i for i in x]", {"y"}),
        ("match x:\n    case [a, *b]: pass\n    case {'k': c, **d}: pass\n    case _ as e: pass", set("abcde")),
        ("del a", {"a"}),
        ("def f():\n    global a\n    a = 1", {"f", "a"}),
        ("class C:\n    inside = 1", {"C"}),
        ("x += 1", {"x"}),
        ("class C:\n    def m(self):\n        global __a\n        __a = 1", {"C", "__a", "_C__a"}),
        ("async def f(): inside = 1", {"f"}),
        ("%%time\nx = 1", {"x"}),
    ],
)
def test_names_bound_at_the_top_level_are_bound_and_no_others(cell: str, names: set[str]) -> None:
    assert set(analysed(cell).binds) == names


def test_code_that_may_run_later_is_told_from_code_that_runs_now() -> None:
    cell = """
        now = [a for a in b]
        def f(default=c): return d
        later = (e for e in g)
        h = lambda: i
        class C:
            j = k
            def m(self) -> l: return n
    """
    assert set(analysed(cell).nested) == {"d", "e", "g", "i", "l", "n"}


def test_names_in_a_top_level_expression_are_shown() -> None:
    assert analysed("y = x\ng\nf(z)").shown == ("f", "g", "z")


@pytest.mark.parametrize(
    "cell",
    [
        "df.query('a > @limit')",
        "smf.ols('y ~ limit', df)",
        "!echo {limit} $limit",
        "%%bash\necho $limit",
        "f'{1} limit'",
        "b'limit'",
        "x: 'limit'",
        "%unknown limit",
    ],
)
def test_identifiers_in_texts_are_words(cell: str) -> None:
    assert "limit" in analysed(cell).words


def test_words_are_normalised_as_python_normalises_names() -> None:
    assert "file" in analysed("df.query('@\ufb01le > 1')").words


@pytest.mark.parametrize(
    "cell",
    [
        "exec(x)",
        "run = eval",
        "compile(x, 'a', 'exec')",
        "globals()['x']",
        "locals()",
        "vars()",
        "dir()",
        "names = dir",
        "from numpy import *",
        "import __main__",
        "from __main__ import x",
        "import builtins",
        "__builtins__.eval('x')",
        "import sys; sys.modules[name]",
        "from sys import modules",
        "inspect.stack()",
        "from inspect import stack",
        "import inspect as i",
        "inspect.currentframe()",
        "sys._getframe(1)",
        "getattr(sys, '_get' + 'frame')",
        "getattr(f, '__globals__')",
        "f.__globals__['x']",
        "error.__traceback__.tb_frame",
        "get_ipython().user_ns['x']",
        "ip = get_ipython()",
        "get_ipython().ev('x')",
        "get_ipython().push({'x': 1})",
        "get_ipython().run_line_magic(name, '')",
        "InteractiveShell.instance().ex('x')",
        "importlib.reload(module)",
        "pd.read_pickle(path)",
        "import_module(name)",
        "import pickle",
        "from multiprocessing import Pool",
        "timeit.timeit('f()', 'from __main__ import f')",
        "df.query(condition)",
        "df.query(f'a > {b}')",
        "pd.eval(expr=expression)",
        "smf.ols('y ~ ' + name, df)",
        "smf.ols(f'y ~ {name}', df)",
        "'y ~ {}'.format(name)",
        "%run other.ipynb",
        "%load other.py",
        "%store x",
        "%who",
        "%whos",
        "%reset -f",
        "%pylab",
        "%xmode Verbose",
        "%unheard_of",
        "%%unheard_of\nx",
        "%%capture output\nprint(1)",
        "%%bash --out listing\nls",
        "%%time\nexec(x)",
        "%time eval('x')",
        "%%time\nif not python",
        "this does not parse",
        "x = '\0'",
    ],
)
def test_what_may_reach_any_name_is_dynamic(cell: str) -> None:
    assert analysed(cell).dynamic


@pytest.mark.parametrize(
    "cell",
    [
        "x = f(y)",
        "%matplotlib inline",
        "!pip list",
        "%%time\nx = 1",
        "%%capture\nprint(1)",
        "%%capture --no-display\nprint(1)",
        "%%html\n<b>x</b>",
        "vars(module)",
        "re.compile('x')",
        "np.stack([a, b])",
        "if __name__ == '__main__': f()",
        "model.eval()",
        "df.query('a > @b')",
        "getattr(model, name)",
        "inspect.getsource(f)",
        "x = 'y ~ z'",
        "f?",
        "await x",
        "def f[T](x: T) -> T: return x" if sys.version_info >= (3, 12) else "def f(x): return x",
        "type Pair[T] = tuple[T, T]" if sys.version_info >= (3, 12) else "Pair = tuple",
    ],
)
def test_ordinary_code_is_not_dynamic(cell: str) -> None:
    assert analysed(cell).dynamic == ()


def test_a_dynamic_reason_names_construct_and_line() -> None:
    assert analysed("x = 1\n\ny = globals()").dynamic == ("globals (line 3)",)


def test_a_cell_nested_too_deeply_is_dynamic_instead_of_an_error() -> None:
    assert analyse_cell("+".join(["x"] * 5000)).dynamic


def test_a_cell_with_more_words_than_can_be_kept_is_dynamic() -> None:
    analysis = analyse_cell(repr(" ".join(f"w{number}" for number in range(6000))))
    assert analysis.dynamic
    assert len(analysis.words) == 5000


def test_analysing_neither_warns_nor_makes_modules_forget_what_they_warned_about() -> None:
    script = """
        import sys, warnings, IPython
        from j2k_dev.notebook.analysis import analyse_cell, syntax_error
        def warn(): warnings.warn("once only")
        warn()
        for source in (r"'\\d'", "x is 1", r"%time '\\d'"):
            analyse_cell(source), syntax_error(source)
        warn()
    """
    shown = subprocess.run(
        [sys.executable, "-W", "default", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stderr
    assert shown.count("Warning") == 1, shown


@pytest.mark.parametrize(
    ("cell", "error"),
    [
        ("x = 1\ny = = 2", (2, 5)),
        ("for x in", (1, 9)),
        ("return 1", (1, 1)),
        ("def f(:\n    pass", (1, 7)),
        ("x = 1\n print(x)", (2, 1)),
        ("x = (1,\ny = 2", (1, 5)),
        ("print 'hello'", (1, 1)),
    ],
)
def test_a_syntax_error_is_found_with_line_and_column(cell: str, error: tuple[int, int]) -> None:
    found = syntax_error(cell)
    assert found
    assert found[:2] == error
    assert found[2]


@pytest.mark.parametrize(
    "cell",
    ["", "# nothing", "%matplotlib inline", "!ls | head", "x = !ls", "f?", "await f()", "cd ..", "pip install numpy",
     "async with a as b:\n    pass", "%%bash\nfor x in", "[await x async for x in y]", "x = 1;"],
)  # fmt: skip
def test_what_jupyter_accepts_is_no_syntax_error(cell: str) -> None:
    assert syntax_error(cell) is None


# No read and no binding of a generated program is missed --------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c", "d", "e", "__p"])


class Spy(dict[str, Any]):
    """A namespace that remembers which names were loaded from it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.loaded: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.loaded.add(name)
        return super().__getitem__(name)


def expressions() -> st.SearchStrategy[str]:
    leaves = NAMES | st.just("1")

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        pair, triple = st.tuples(inner, inner), st.tuples(NAMES, inner, inner)
        shapes: list[Callable[..., str]] = [
            lambda n, x, y: f"[{x} for {n} in [{y}]]",
            lambda n, x, y: f"{{{x}: {n} for {n} in [{y}]}}",
            lambda n, x, y: f"list({n} for {n} in [1] if {x} or {y})",
            lambda n, x, y: f"(lambda {n}={x}: {y})()",
            lambda n, x, y: f"[({n} := {x}) for _ in [{y}]]",
            lambda n, x, y: f"f'{{{x}}} {{{y}!r}} {n}'",
            lambda n, x, y: f"({x} if {n} else {y})",
        ]
        return (
            pair.map(lambda p: f"({p[0]} or {p[1]})")
            | pair.map(lambda p: f"[{p[0]}, {p[1]}]")
            | st.tuples(st.sampled_from(shapes), triple).map(lambda t: t[0](*t[1]))
        )

    return st.recursive(leaves, grow, max_leaves=5)


def indented(body: str) -> str:
    return textwrap.indent(body, "    ")


def statements() -> st.SearchStrategy[str]:
    value = expressions()
    simple = (
        st.tuples(NAMES, value).map(lambda t: f"{t[0]} = {t[1]}")
        | st.tuples(NAMES, value).map(lambda t: f"{t[0]} += {t[1]}")
        | st.tuples(NAMES, value, value).map(lambda t: f"{t[0]}: {t[1]} = {t[2]}")
        | NAMES.map(lambda n: f"del {n}")
        | NAMES.map(lambda n: f"import math as {n}")
        | value
    )

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        body = st.lists(inner, min_size=1, max_size=3).map("\n".join)
        parts = st.tuples(NAMES, NAMES, value, body)
        shapes: list[Callable[..., str]] = [
            lambda n, m, x, b: f"def {n}({m}={x}):\n{indented(b)}\n{n}()",
            lambda n, m, x, b: f"def {n}(q: {x} = 1):\n    global {m}\n    {m} = {x}\n{indented(b)}\n{n}()",
            lambda n, m, x, b: f"class {n}:\n    {m} = {x}\n{indented(b)}",
            lambda n, m, x, b: f"class {n}:\n    def {m}(self):\n{indented(indented(b))}\n{n}().{m}()",
            lambda n, m, x, b: f"for {n} in [{x}]:\n{indented(b)}\nelse:\n    {m}",
            lambda n, m, x, b: f"try:\n    {m} / {x}\nexcept Exception as {n}:\n{indented(b)}",
            lambda n, m, x, b: f"match [{x}, {m}]:\n    case [{n}, *_]:\n{indented(indented(b))}",
            lambda n, m, x, b: f"if {x}:\n{indented(b)}\nelse:\n    {m} = {n}",
            lambda n, m, x, b: f"async def {n}(): return {m}\n{n}().close()",
        ]  # fmt: skip
        return st.tuples(st.sampled_from(shapes), parts).map(lambda t: t[0](*t[1]))

    return st.recursive(simple, grow, max_leaves=6)


def run(program: str) -> Spy:
    namespace = Spy({"a": 1, "b": 0, "c": [2], "d": "text", "__builtins__": __builtins__})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            code = compile(program, "<program>", "exec")
        except SyntaxError:  # a name both local and global, say: Python refuses it, so nothing runs
            return namespace
        namespace.loaded.clear()
        with suppress(Exception):  # whatever was loaded until then counts
            exec(code, namespace)
    return namespace


@settings(max_examples=400, deadline=None)
@given(st.lists(statements(), min_size=1, max_size=4).map("\n".join))
def test_every_global_that_a_program_loads_or_binds_is_known(program: str) -> None:
    analysis = analyse_cell(program)
    before = set(run("pass"))
    namespace = run(program)
    if analysis.dynamic:
        return
    assert namespace.loaded <= set(analysis.reads)
    assert set(namespace) - before - {"__annotations__", "__annotate__", "__conditional_annotations__"} <= set(
        analysis.binds
    )
