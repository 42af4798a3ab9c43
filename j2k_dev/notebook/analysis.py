"""What the text of a cell says about names. Travels into the notebook's interpreter: Python 3.10, standard library.

Correct rather than clever: a name that some code in the cell could load is always among ``reads``, even where it is a
local variable; where the text can't tell which names the code uses, ``dynamic`` says so, rather once too often. The
planner prunes a variable only where nobody mentions its name and no cell is dynamic.

Nothing here touches the state of the interpreter it runs in: warnings about the code are suppressed without going
through ``warnings.catch_warnings``, which makes every module forget which warnings it has already shown.
"""

from __future__ import annotations

import ast
import keyword
import re
import sys
import unicodedata
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from j2k_dev.model.recording import CellAnalysis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_MOST_WORDS = 5000
_UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)

# Names that reach the namespace without naming what they take from it.
_NAMESPACE_WITHOUT_ARGUMENT = _names("vars dir")
_NAMESPACE_NAMES = _NAMESPACE_WITHOUT_ARGUMENT | _names(
    "exec eval compile globals locals __builtins__ __import__ execfile InteractiveShell get_ipython"
)

# The same as attributes (or as the text that getattr is given).
_NAMESPACE_ATTRIBUTES = _names(
    "user_ns user_global_ns user_module user_ns_hidden __globals__ func_globals __builtins__ __main__ f_globals "
    "f_locals f_builtins f_back tb_frame gi_frame cr_frame ag_frame _getframe _current_frames currentframe "
    "getouterframes getinnerframes settrace setprofile get_objects get_referrers get_referents modules reload "
    "register_globals read_pickle ast_node_interactivity exec_module run_module run_path"
)

# Modules whose purpose is to look into __main__, at frames, or at objects without naming them.
_NAMESPACE_MODULES = _names(
    "__main__ builtins pickle cPickle _pickle dill cloudpickle joblib shelve multiprocessing doctest unittest cProfile "
    "profile pdb ipdb bdb code codeop runpy trace gc weakref ctypes duckdb pandasql ipytest nbimporter"
)
_FRAME_FUNCTIONS = _names("stack trace currentframe getouterframes getinnerframes")
_EVALUATING = _names("query eval evaluate sql sqldf import_module")

# What may be asked of get_ipython() without reaching the namespace in ways that the text does not show.
_SHELL_TEXT = _names("system getoutput getoutput_oneline magic run_line_magic run_cell_magic")
_PYTHON_MAGICS = _names("time timeit prun capture memit mprun lprun")
_HARMLESS_MAGICS = _PYTHON_MAGICS | _names(
    "matplotlib load_ext reload_ext unload_ext config pip conda mamba micromamba uv cd pwd ls ll mkdir rmdir cat env "
    "set_env precision autoreload aimport bash sh script cmd html HTML javascript js latex markdown svg SVG writefile "
    "file perl ruby python python2 python3 pypy pinfo pinfo2 psource pdoc pdef pfile system sx "
    "colors tensorboard lsmagic quickref"
)
_BINDING_OPTIONS = re.compile(r"--(?:out|err|proc)\b|-o\b")


def analyse_cell(transformed_source: str) -> CellAnalysis:
    """Say what a cell reads, binds and mentions; the source is Python, as IPython's input transformer made it."""
    try:
        with _no_warnings():
            tree = ast.parse(transformed_source)
        visitor = _Visitor()
        visitor.visit(tree)
    except _UNPARSABLE as error:
        return CellAnalysis(
            words=_bounded(set(_words(transformed_source))),
            dynamic=(f"the text can't be analysed ({type(error).__name__})",),
        )
    visitor.shown.update(_shown(tree))
    if len(visitor.words) > _MOST_WORDS:
        visitor.dynamic["more words in its strings than can be kept track of"] = None
    return CellAnalysis(
        reads=tuple(sorted(visitor.reads)),
        binds=tuple(sorted(visitor.binds)),
        words=_bounded(visitor.words),
        dynamic=tuple(visitor.dynamic),
        nested=tuple(sorted(visitor.nested)),
        shown=tuple(sorted(visitor.shown)),
    )


def syntax_error(source: str) -> tuple[int, int, str] | None:
    """Return line, column (both from 1) and message of a syntax error in a cell as written, or None.

    None also where it can't be told from here: a lone line such as ``cd ..`` may be a magic without its percent sign.
    Transformations that the notebook itself registers are not known here.
    """
    try:
        with _no_warnings():
            transformed = _transformer().transform_cell(source)
            compile(transformed, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        if _may_be_bare_magic(source):
            return None
        return error.lineno or 1, error.offset or 1, error.msg
    except (ValueError, RecursionError, MemoryError) as error:
        return 1, 1, str(error) or type(error).__name__
    return None


def _shown(tree: ast.Module) -> Iterator[str]:
    """Yield the names in top-level expressions: their values may stay alive in IPython's ``Out``."""
    for statement in tree.body:
        if isinstance(statement, ast.Expr):
            yield from (node.id for node in ast.walk(statement) if isinstance(node, ast.Name))


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Silence the parser's warnings about the code without touching the version of the filters."""
    kept = warnings.filters
    warnings.filters = [("ignore", None, Warning, None, 0)]
    try:
        yield
    finally:
        warnings.filters = kept


def _transformer() -> Any:
    from IPython.core.inputtransformer2 import TransformerManager  # noqa: PLC0415 - slow, and only sometimes needed

    return TransformerManager()


def _may_be_bare_magic(source: str) -> bool:
    lines = source.strip().splitlines()
    command = re.match(r"([^\W\d]\w*)(?:\s+[^=\s]|$)", lines[0]) if len(lines) == 1 else None
    return command is not None and not keyword.iskeyword(command[1]) and command[1] != "print"


def _words(text: str) -> Iterator[str]:
    """Yield the identifiers in a text, in the form in which Python looks names up."""
    for word in _IDENTIFIER.findall(text):
        yield word if word.isascii() else unicodedata.normalize("NFKC", word)


def _bounded(words: set[str]) -> tuple[str, ...]:
    return tuple(sorted(words)[:_MOST_WORDS])


class _Visitor:
    """Collects names; ``_scopes`` counts functions and classes around a node, ``_lazy`` code that may run later."""

    def __init__(self) -> None:
        self.reads: set[str] = set()
        self.binds: set[str] = set()
        self.words: set[str] = set()
        self.nested: set[str] = set()
        self.shown: set[str] = set()
        self.dynamic: dict[str, None] = {}
        self._classes: list[str] = []
        self._scopes = 0
        self._lazy = 0
        self._handlers: dict[type[ast.AST], Callable[[Any], None]] = {
            ast.Name: self._name,
            ast.AugAssign: self._aug_assign,
            ast.AnnAssign: self._ann_assign,
            ast.Global: self._global,
            ast.ExceptHandler: self._captures,
            ast.MatchAs: self._captures,
            ast.MatchStar: self._captures,
            ast.MatchMapping: self._captures,
            ast.FunctionDef: self._function,
            ast.AsyncFunctionDef: self._function,
            ast.Lambda: self._lambda,
            ast.ClassDef: self._class,
            ast.GeneratorExp: self._generator_exp,
            ast.ListComp: self._comprehension,
            ast.SetComp: self._comprehension,
            ast.DictComp: self._comprehension,
            ast.Import: self._import,
            ast.ImportFrom: self._import_from,
            ast.Attribute: self._attribute,
            ast.Call: self._call,
            ast.Compare: self._compare,
            ast.Constant: self._constant,
            ast.JoinedStr: self._joined_str,
            ast.BinOp: self._bin_op,
        }
        if sys.version_info >= (3, 12):
            self._handlers[ast.TypeAlias] = self._type_alias

    def visit(self, node: ast.AST) -> None:
        """Collect what a node and everything below it says."""
        self._handlers.get(type(node), self._children)(node)

    def _children(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            self.visit(child)

    # Names

    def _name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._bind(node.id)
        if not isinstance(node.ctx, ast.Store):
            self._read(node.id)
        if node.id in _NAMESPACE_NAMES:
            self._is_dynamic(node.id, node)

    def _aug_assign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._read(node.target.id)
        self._children(node)

    def _ann_assign(self, node: ast.AnnAssign) -> None:
        self._read("__annotations__")
        self._annotation(node.annotation)
        self._visit_all(node.target, node.value)

    def _global(self, node: ast.Global) -> None:
        for name in node.names:
            self.binds |= self._spellings(name)

    def _captures(self, node: ast.ExceptHandler | ast.MatchAs | ast.MatchStar | ast.MatchMapping) -> None:
        self._bind(node.rest if isinstance(node, ast.MatchMapping) else node.name)
        self._children(node)

    def _read(self, name: str) -> None:
        spellings = self._spellings(name)
        self.reads |= spellings
        if self._lazy:
            self.nested |= spellings

    def _spellings(self, name: str) -> set[str]:
        """Return a name and what it is called inside classes if it begins with two underscores."""
        return {name, *(f"_{owner.lstrip('_')}{name}" for owner in self._classes if _is_mangled(name))}

    def _bind(self, name: str | None) -> None:
        if name and not self._scopes:
            self.binds.add(name)

    # Scopes

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._bind(node.name)
        self._visit_all(*node.decorator_list, *node.args.defaults, *node.args.kw_defaults)
        with self._scope(lazy=True):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            for argument in (*arguments, node.args.vararg, node.args.kwarg):
                self._annotation(argument.annotation if argument else None)
            self._annotation(node.returns)
            self._visit_all(*getattr(node, "type_params", ()), *node.body)

    def _lambda(self, node: ast.Lambda) -> None:
        self._visit_all(*node.args.defaults, *node.args.kw_defaults)
        with self._scope(lazy=True):
            self.visit(node.body)

    def _class(self, node: ast.ClassDef) -> None:
        self._bind(node.name)
        self._read("__name__")
        self._visit_all(*node.decorator_list, *node.bases, *node.keywords)
        self._classes.append(node.name)
        with self._scope(lazy=False):
            self._lazily(*getattr(node, "type_params", ()))
            self._visit_all(*node.body)
        self._classes.pop()

    def _generator_exp(self, node: ast.GeneratorExp) -> None:
        self._lazy += 1  # a generator runs when it is asked
        self._comprehension(node)
        self._lazy -= 1

    def _comprehension(self, node: ast.GeneratorExp | ast.ListComp | ast.SetComp | ast.DictComp) -> None:
        for generator in node.generators:
            with self._scope(lazy=False):  # loop variables stay inside; only a walrus in the rest binds outside
                self.visit(generator.target)
            self._visit_all(generator.iter, *generator.ifs)
        self._visit_all(*([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]))

    def _type_alias(self, node: Any) -> None:
        self.visit(node.name)
        with self._scope(lazy=True):
            self._visit_all(*node.type_params, node.value)

    def _annotation(self, node: ast.expr | None) -> None:
        if node:
            self._lazily(node)

    def _lazily(self, *nodes: ast.AST) -> None:
        self._lazy += 1
        self._visit_all(*nodes)
        self._lazy -= 1

    @contextmanager
    def _scope(self, *, lazy: bool) -> Iterator[None]:
        self._scopes += 1
        self._lazy += lazy
        yield
        self._lazy -= lazy
        self._scopes -= 1

    def _visit_all(self, *nodes: ast.AST | None) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    # Imports

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._bind(alias.asname or alias.name.partition(".")[0])
            self._imports(alias.name, node)
            if alias.name == "inspect" and alias.asname:
                self._is_dynamic(f"inspect imported as {alias.asname}", node)

    def _import_from(self, node: ast.ImportFrom) -> None:
        self._imports(node.module or "", node)
        for alias in node.names:
            if alias.name == "*":
                self._is_dynamic(f"from {node.module or '.'} import *", node)
            else:
                self._bind(alias.asname or alias.name)
                self._imports(alias.name, node)
            if alias.name in _NAMESPACE_ATTRIBUTES or (node.module == "inspect" and alias.name in _FRAME_FUNCTIONS):
                self._is_dynamic(f"from {node.module} import {alias.name}", node)

    def _imports(self, module: str, node: ast.AST) -> None:
        if module.partition(".")[0] in _NAMESPACE_MODULES:
            self._is_dynamic(f"import of {module}", node)

    # Attributes and calls

    def _attribute(self, node: ast.Attribute) -> None:
        owner = node.value.id if isinstance(node.value, ast.Name) else ""
        if node.attr in _NAMESPACE_ATTRIBUTES or (owner == "inspect" and node.attr in _FRAME_FUNCTIONS):
            self._is_dynamic(f".{node.attr}", node)
        self._children(node)

    def _call(self, node: ast.Call) -> None:
        if _is_shell_call(node):
            self._shell_call(node)
            return
        function = node.func
        name = function.id if isinstance(function, ast.Name) else ""
        self._evaluation(function.attr if isinstance(function, ast.Attribute) else name, node)
        if isinstance(function, ast.Attribute) and _is_text(function.value):
            self._formula(function)
        elif name in {"getattr", "setattr", "delattr", "hasattr", "attrgetter"}:
            self._attribute_by_name(node)
        if name in _NAMESPACE_WITHOUT_ARGUMENT and node.args:
            self._read(name)
            self._visit_all(*node.args, *node.keywords)
        else:
            self._children(node)

    def _evaluation(self, name: str, node: ast.Call) -> None:
        texts = [*node.args[:1], *(keyword.value for keyword in node.keywords)]
        if name in _EVALUATING and not all(map(_is_text, texts)):
            self._is_dynamic(f"{name}() of a text that is put together elsewhere", node)

    def _attribute_by_name(self, node: ast.Call) -> None:
        base = node.args[0] if node.args else None
        names = {word for argument in node.args if _is_text(argument) for word in _words(_text(argument))}
        if names & (_NAMESPACE_ATTRIBUTES | _FRAME_FUNCTIONS):
            self._is_dynamic(f"an attribute asked for by name: {', '.join(sorted(names))}", node)
        elif isinstance(base, ast.Name) and base.id in {"sys", "inspect"} and not names:
            self._is_dynamic(f"an attribute of {base.id} by a computed name", node)

    def _compare(self, node: ast.Compare) -> None:
        if isinstance(node.left, ast.Name) and node.left.id == "__name__":
            self._read("__name__")
            self._visit_all(*(item for item in node.comparators if not (_is_text(item) and _text(item) == "__main__")))
        else:
            self._children(node)

    # Strings

    def _constant(self, node: ast.Constant) -> None:
        if _is_text(node):
            self._mention(_text(node), node)

    def _joined_str(self, node: ast.JoinedStr) -> None:
        self._formula(node)
        self._children(node)

    def _bin_op(self, node: ast.BinOp) -> None:
        if isinstance(node.op, (ast.Add, ast.Mod)):
            self._formula(node)
        self._children(node)

    def _formula(self, node: ast.AST) -> None:
        parts = [part for part in ast.iter_child_nodes(node) if _is_text(part)]
        if any("~" in _text(part) for part in parts):
            self._is_dynamic("a formula that is put together", node)

    def _mention(self, text: str, node: ast.AST) -> None:
        found = set(_words(text))
        self.words |= found
        if "__main__" in found:
            self._is_dynamic("__main__", node)

    # What IPython makes of magics and shell commands

    def _shell_call(self, node: ast.Call) -> None:
        method = cast("ast.Attribute", node.func).attr
        self._read("get_ipython")
        if node.keywords or not node.args or not all(map(_is_text, node.args)):
            self._is_dynamic(f"get_ipython().{method}() of a computed text", node)
            self._visit_all(*node.args, *node.keywords)
            return
        texts = [_text(argument) for argument in node.args]
        for text in texts:
            self._mention(text, node)
        if method == "magic":
            name, _, rest = texts[0].lstrip("%").partition(" ")
            texts = [name, rest]
        if method in {"magic", "run_line_magic", "run_cell_magic"}:
            self._magic(texts[0], texts[1:], node)

    def _magic(self, name: str, texts: list[str], node: ast.AST) -> None:
        cell_magic = len(texts) > 1
        sign = "%%" if cell_magic else "%"
        if name not in _HARMLESS_MAGICS:
            self._is_dynamic(f"{sign}{name}", node)
        elif cell_magic and name not in {"time", "timeit"} and self._binds_outputs(name, texts[0]):
            self._is_dynamic(f"{sign}{name} {texts[0].strip()}", node)
        if name in _PYTHON_MAGICS:
            for text in texts:
                self._code_in_magic(text, f"{sign}{name}", node)

    def _binds_outputs(self, name: str, line: str) -> bool:
        """Say whether the first line of a cell magic names variables to put outputs into."""
        if name == "capture":
            targets = [word for word in line.split() if not word.startswith("-")]
            self.binds.update(targets)
            return bool(targets)
        return _BINDING_OPTIONS.search(line) is not None

    def _code_in_magic(self, text: str, magic: str, node: ast.AST) -> None:
        """Read the code that a magic runs; what does not parse, options included, may hold anything by name."""
        code = re.sub(r"^\s*(?:-\w+(?:[ \t]*\d+)?[ \t]+)+", "", text)
        inner = analyse_cell(_transformer().transform_cell(code)) if code.strip() else CellAnalysis()
        self.reads.update(inner.reads)
        self.nested.update(inner.nested, inner.reads if self._lazy else ())
        self.shown.update(inner.shown)
        self.words.update(inner.words)
        if not self._scopes:
            self.binds.update(inner.binds)
        for reason in inner.dynamic:
            self._is_dynamic(f"{magic}: {reason}", node)

    def _is_dynamic(self, construct: str, node: ast.AST) -> None:
        self.dynamic[f"{construct} (line {getattr(node, 'lineno', 1)})"] = None


def _is_mangled(name: str) -> bool:
    return name.startswith("__") and not name.endswith("__")


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))


def _text(node: ast.AST) -> str:
    value = cast("ast.Constant", node).value
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _is_shell_call(node: ast.Call) -> bool:
    """Say whether this is ``get_ipython().method(...)`` as IPython's transformer writes it."""
    function = node.func
    return (
        isinstance(function, ast.Attribute)
        and function.attr in _SHELL_TEXT
        and isinstance(function.value, ast.Call)
        and isinstance(function.value.func, ast.Name)
        and function.value.func.id == "get_ipython"
    )
