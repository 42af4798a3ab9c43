"""What a notebook made in one process is the same thing in the next. Each case runs in real, separate processes."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.worker.state.conftest import HandOver

CASES = {
    "an alias is still the same object": (
        "a = [1]; b = a; c = {'a': a}",
        "b.append(2); print(a, c, a is b is c['a'])",
        "[1, 2] {'a': [1, 2]} True",
    ),
    "a cycle is still closed": (
        "a = []; a.append(a)",
        "print(a[0] is a)",
        "True",
    ),
    "globals() is the namespace, however deep": (
        "kept = {'deep': [globals()]}",
        "x = 5; print(kept['deep'][0]['x'], kept['deep'][0] is globals())",
        "5 True",
    ),
    "a function sees globals that are set later": (
        "def f(): return later",
        "later = 7; print(f())",
        "7",
    ),
    "a function sets globals": (
        "count = 0\ndef bump():\n    global count\n    count += 1",
        "bump(); bump(); print(count)",
        "2",
    ),
    "closures that share a variable go on sharing it": (
        """
        def counter():
            n = 0
            def up():
                nonlocal n
                n += 1
            def get(): return n
            return up, get
        up, get = counter(); up()
        """,
        "up(); print(get())",
        "2",
    ),
    "a function that calls itself through a closure still does": (
        "def outer():\n    def inner(k): return 0 if k == 0 else 1 + inner(k - 1)\n    return inner\ndepth = outer()",
        "print(depth(5))",
        "5",
    ),
    "defaults, keyword defaults, annotations and attributes of a function are kept": (
        "def f(a, b=[1], *, c=2) -> int: ...\nf.note = 'n'",
        "print(f.__defaults__, f.__kwdefaults__, f.__annotations__, f.note, f.__module__)",
        "([1],) {'c': 2} {'return': <class 'int'>} n __main__",
    ),
    "a cached function keeps its cache and its counters": (
        """
        import functools
        calls = []
        @functools.lru_cache(maxsize=3)
        def f(x, *, k=0):
            calls.append(x); return x + k
        f(1); f(2); f(1); f(3, k=5); f(4); f(4)
        """,
        "before = f.cache_info(); f(1); f(3, k=5); f(2); print(before, f.cache_info(), calls, sep='\\n')",
        """
        CacheInfo(hits=2, misses=4, maxsize=3, currsize=3)
        CacheInfo(hits=4, misses=5, maxsize=3, currsize=3)
        [1, 2, 3, 4, 2]
        """,
    ),
    "an unbounded cache of a recursive function survives, as deep as before": (
        "import functools\n@functools.cache\ndef fib(n): return n if n < 2 else fib(n-1) + fib(n-2)\nx = fib(300)",
        "print(fib.cache_info()[:2], fib(500) % 1000)",
        "(298, 301) 125",
    ),
    "a cache that tells types apart still does": (
        """
        import functools
        @functools.lru_cache(typed=True)
        def f(x, y=0): return type(x).__name__
        f(1); f(1.0); f((1, 2), y=3)
        """,
        "f(1); f(1.0); f((1, 2), y=3); print(f.cache_info())",
        "CacheInfo(hits=3, misses=3, maxsize=128, currsize=3)",
    ),
    "an instance is one of its class": (
        "class A:\n    def __init__(self): self.x = 1\na = A()",
        "print(isinstance(a, A), type(a) is A, A().x)",
        "True True 1",
    ),
    "super() and __class__ work in a restored class": (
        "class A:\n    def f(self): return 'A'\nclass B(A):\n    def f(self): return super().f() + __class__.__name__",
        "print(B().f())",
        "AB",
    ),
    "a class that was redefined keeps its old instances": (
        "class A: v = 1\nold = A()\nclass A: v = 2",
        "print(old.v, A().v, isinstance(old, A))",
        "1 2 False",
    ),
    "slots are still slots": (
        "class S:\n    __slots__ = ('a',)\ns = S(); s.a = 1",
        "try: s.b = 2\nexcept AttributeError as error: print(s.a, type(error).__name__)",
        "1 AttributeError",
    ),
    "a registry of subclasses is filled once": (
        "class R:\n    seen = []\n    def __init_subclass__(cls, **kw): R.seen.append(cls.__name__)\nclass X(R): ...",
        "class Y(R): ...\nprint(R.seen)",
        "['X', 'Y']",
    ),
    "a metaclass of the notebook is not asked twice": (
        """
        class Meta(type):
            made = []
            def __new__(m, n, b, ns): m.made.append(n); return super().__new__(m, n, b, ns)
        class M(metaclass=Meta): ...
        """,
        "class N(metaclass=Meta): ...\nprint(Meta.made, type(M) is Meta)",
        "['M', 'N'] True",
    ),
    "an attribute equal to the base's stays the subclass's own": (
        "class A: x = None\nclass B(A): x = None",
        "A.x = 5; print(B.x)",
        "None",
    ),
    "abstract classes, data classes, named tuples and enums are what they were": (
        """
        import abc, dataclasses, enum, typing
        class Base(abc.ABC):
            @abc.abstractmethod
            def m(self): ...
        @Base.register
        class Other: ...
        @dataclasses.dataclass
        class D:
            x: int = 3
        class NT(typing.NamedTuple):
            a: int
            b: str = 'z'
        class Color(enum.Enum):
            RED = 1
        red, nt, d = Color.RED, NT(1), D()
        """,
        """
        try: Base()
        except TypeError: print(issubclass(Other, Base), d == D(), nt, nt._fields, red is Color.RED is Color(1))
        """,
        "True True NT(a=1, b='z') ('a', 'b') True",
    ),
    "generic and typed classes are what they were": (
        """
        import typing
        T = typing.TypeVar('T')
        class G(typing.Generic[T]): ...
        class TD(typing.TypedDict):
            a: int
        class P(typing.Protocol):
            def f(self): ...
        g = G[int]
        """,
        "print(g.__origin__ is G, G.__parameters__ == (T,), TD(a=1), TD.__total__)",
        "True True {'a': 1} True",
    ),
    "an exception whose __init__ takes other arguments survives, with its cause": (
        """
        class E(Exception):
            def __init__(self, a, b): super().__init__(f'{a}-{b}'); self.a = a
        try:
            try: 1 / 0
            except ZeroDivisionError as zero: raise E(1, 2) from zero
        except E as error: kept = error
        """,
        "print(kept, kept.a, repr(kept.__cause__))",
        "1-2 1 ZeroDivisionError('division by zero')",
    ),
    "weak references point to the same objects, or to nothing": (
        """
        import weakref
        class N: ...
        n = N(); r = weakref.ref(n); d = weakref.WeakValueDictionary(n=n); gone = weakref.ref(N())
        """,
        "print(r() is n, d['n'] is n, gone())",
        "True True None",
    ),
    "locks that nobody holds can be taken": (
        "import threading\nlock = threading.Lock(); event = threading.Event(); event.set()",
        "print(lock.acquire(timeout=1), event.is_set())",
        "True True",
    ),
    "a dict view goes on showing its dict": (
        "d = {'a': 1}; keys = d.keys()",
        "d['b'] = 2; print(list(keys))",
        "['a', 'b']",
    ),
    "iterators go on where they were": (
        "it = iter([1, 2, 3]); next(it); z = zip('ab', [1, 2]); next(z); e = enumerate('xy', 5)",
        "print(list(it), list(z), list(e))",
        "[2, 3] [('b', 2)] [(5, 'x'), (6, 'y')]",
    ),
    "a file that is being read goes on where it was": (
        "open('f.txt', 'w').write('one\\ntwo\\n'); f = open('f.txt'); first = f.readline()",
        "print(f.read(), f.name, f.mode, f.encoding)",
        "two\n f.txt r UTF-8",
    ),
    "a file that is being written goes on where it was": (
        "f = open('f.txt', 'w'); n = f.write('one')",
        "n = f.write('two'); f.close(); print(open('f.txt').read(), f.mode)",
        "onetwo w",
    ),
    "a csv writer goes on writing its file": (
        "import csv; f = open('f.csv', 'w', newline=''); w = csv.writer(f, delimiter=';'); n = w.writerow([1, 'a'])",
        "n = w.writerow([2, 'b']); f.close(); print(open('f.csv').read().split())",
        "['1;a', '2;b']",
    ),
    "a connection to a database in a file goes on": (
        """
        import sqlite3
        c = sqlite3.connect('d.db'); c.row_factory = sqlite3.Row
        c.execute('create table t (x)'); n = c.execute('insert into t values (1)').rowcount; c.commit()
        """,
        """
        n = c.execute('insert into t values (2)').rowcount; c.commit()
        print([row['x'] for row in c.execute('select x from t')])
        """,
        "[1, 2]",
    ),
    "a match of a regular expression is the same match": (
        "import re; m = re.search('(b)(c)?', 'abc'); ms = list(re.finditer('.', 'xyz'))",
        "print(m.groups(), m.span(), [n.group() for n in ms], ms[1].start())",
        "('b', 'c') (1, 3) ['x', 'y', 'z'] 1",
    ),
    "a class with __getattr__ of its own is loaded without being asked": (
        """
        class P:
            def __init__(self): self.inner = [1]
            def __getattr__(self, n): return getattr(self.inner, n)
        p = P()
        """,
        "p.append(2); print(p.inner)",
        "[1, 2]",
    ),
    "what was set in a context stays set": (
        "import decimal, numpy as np; decimal.getcontext().prec = 5; np.set_printoptions(precision=2)",
        "print(decimal.Decimal(1) / 3, np.array([1.23456]))",
        "0.33333 [1.23]",
    ),
    "what was shown and can't travel says so when it is used": (
        "(i for i in range(3))",
        "try: next(_1)\nexcept (RuntimeError, TypeError) as error: print(type(error).__name__, len(Out), Out[1] is _1)",
        "TypeError 1 True",
    ),
    "what was shown is still there": (
        "[1, 2]",
        "print(_1, Out[1] is _1 is _, In[1])",
        "[1, 2] True [1, 2]",
    ),
    "a closed file is closed": (
        "f = open('f.txt', 'w'); f.close()",
        "print(f.closed, f.name)",
        "True f.txt",
    ),
    "a small array owns its memory": (
        "import numpy as np\na = np.arange(5); a.resize(3)",
        "a.resize(6, refcheck=False); print(a, a.flags.owndata)",
        "[0 1 2 0 0 0] True",
    ),
    "a view of an array shows the array": (
        "import numpy as np\na = np.zeros(100_000); v = a[10:20]; t = a.reshape(100, 1000).T; r = a[::-1]",
        "v[0] = 1; t[5, 1] = 2; r[0] = 3; print(a[10], a[1005], a[-1], v.base is a or v.base is t.base)",
        "1.0 2.0 3.0 True",
    ),
    "a view of an array of objects shows the array": (
        "import numpy as np\na = np.array([[], {}, 'x'], dtype=object); v = a[1:]",
        "v[1] = 'y'; a[1]['k'] = 1; print(a, v)",
        "[list([]) {'k': 1} 'y'] [{'k': 1} 'y']",
    ),
    "an array over bytes stays read-only": (
        "import numpy as np\na = np.frombuffer(b'abcd', dtype=np.uint8)",
        "print(a, a.flags.writeable)",
        "[ 97  98  99 100] False",
    ),
    "an array that was read from a pickle stands over bytes and can be written all the same": (
        "import pickle, numpy as np\na = pickle.loads(pickle.dumps(np.arange(400), 4)); v = a[1:]",
        "v[0] = 7; print(a[:3], a.flags.writeable)",
        "[0 7 2] True",
    ),
    "an array of columns first stays one": (
        "import numpy as np\na = np.asfortranarray(np.arange(6.).reshape(2, 3))",
        "print(a.flags.f_contiguous, a.tolist())",
        "True [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]",
    ),
    "records, dates, masked and structured arrays are what they were": (
        """
        import numpy as np
        s = np.array([(1, 'a')], dtype=[('n', 'i4'), ('t', 'U3')]); d = np.array(['2020-01-01'], 'M8[D]')
        m = np.ma.array([1, 2], mask=[0, 1]); z = np.array(5); e = np.empty((0, 3))
        """,
        "print(s['t'], d, m, z, e.shape, s.dtype.names)",
        "['a'] ['2020-01-01'] [1 --] 5 (0, 3) ('n', 't')",
    ),
    "a memory map is a map of the same file": (
        "import numpy as np\nm = np.memmap('m.bin', dtype='f8', mode='w+', shape=(10,)); m[:] = 1; v = m[5:]",
        "m[6] = 9; m.flush(); print(v[1], np.fromfile('m.bin')[6], type(v).__name__)",
        "9.0 9.0 memmap",
    ),
    "numpy's own functions and generators keep their identity": (
        """
        import numpy as np
        np.random.seed(1); draw = np.random.rand; rng = np.random.default_rng(2); bits = rng.bit_generator
        """,
        "print(draw() == np.random.RandomState(1).rand(), rng.bit_generator is bits)",
        "True True",
    ),
    "frames that share values copy before one is written": (
        """
        import pandas as pd
        df = pd.DataFrame({'a': [1, 2]}); other = df.copy(deep=False); column = df['a']; index = pd.Index(column)
        """,
        "other.iloc[0, 0] = 50; column.iloc[1] = 70; print(df['a'].tolist(), other['a'].tolist(), index.tolist())",
        "[1, 2] [50, 2] [1, 2]",
    ),
    "a frame is what it was": (
        """
        import pandas as pd
        df = pd.DataFrame({'t': pd.to_datetime(['2020-01-01', None]), 'c': pd.Categorical(['x', 'y']), 's': ['a', 'b']},
                          index=pd.MultiIndex.from_tuples([(1, 'p'), (2, 'q')], names=['i', 'j']))
        df.attrs['k'] = 'v'
        """,
        "print(df.dtypes['c'], df.index.names, df.attrs, df.isna().sum().sum())",
        "category ['i', 'j'] {'k': 'v'} 1",
    ),
    "a module that the notebook imported under another name is that module": (
        "import json as j; from os import path; import xml.etree.ElementTree as ET",
        "import json; print(j is json, path.join('a', 'b'), ET.fromstring('<a/>').tag)",
        "True a/b a",
    ),
    "a module made by hand travels": (
        "import types; m = types.ModuleType('handmade'); m.x = 1\nexec('def f(): return x', m.__dict__)",
        "m.x = 2; print(m.f())",
        "2",
    ),
    "code run by exec in a dict of its own keeps that dict": (
        "ns = {}\nexec('n = 1\\ndef f(): return n', ns); f = ns['f']",
        "ns['n'] = 5; print(f())",
        "5",
    ),
    "the order of names is kept": (
        "b = 1; a = 2\ndef c(): ...\nd = 3",
        "print([name for name in globals() if len(name) == 1 and name != '_'])",
        "['b', 'a', 'c', 'd']",
    ),
    "get_ipython() and what a notebook kept of it is the new shell": (
        "ip = get_ipython(); run = ip.run_line_magic",
        "print(ip is get_ipython(), run.__self__ is ip)",
        "True True",
    ),
    "sys.stdout is the new process's own": (
        "import sys; out = sys.stdout",
        "print(out is sys.stdout)",
        "True",
    ),
    "an attribute cached on an instance stays cached": (
        """
        import functools
        class A:
            n = 0
            @functools.cached_property
            def x(self): A.n += 1; return A.n
        a = A(); a.x
        """,
        "print(a.x, A.n, A().x)",
        "1 1 2",
    ),
    "single dispatch still dispatches": (
        "import functools\n@functools.singledispatch\ndef f(x): return 'any'\n@f.register\ndef _(x: int): return 'int'",
        "print(f(1), f('s'))",
        "int any",
    ),
    "pickle works on the notebook's own classes": (
        "import pickle\nclass A: ...\ndata = pickle.dumps(A())",
        "print(type(pickle.loads(data)) is A, isinstance(pickle.loads(pickle.dumps(A())), A))",
        "True True",
    ),
    "inspect finds the source of a function of an earlier stage": (
        "def f():\n    return 'here'",
        "import inspect; print(inspect.getsource(f))",
        "def f():\n    return 'here'",
    ),
}


@pytest.mark.parametrize(("before", "after", "expected"), CASES.values(), ids=CASES.keys())
def test_it_travels_through_two_boundaries(hand_over: HandOver, before: str, after: str, expected: str) -> None:
    """The second boundary shows what was restored in a way that can't be written down again."""
    assert hand_over(dedent(before), "pass", dedent(after)) == dedent(expected).strip()


REFUSED = {
    "a generator": ("g = (i for i in range(3))", "variable g: cannot pickle 'generator' object"),
    "a held lock": ("import threading; k = threading.Lock(); k.acquire()", "held lock"),
    "a socket": ("import socket; s = socket.socket()", "variable s"),
    "a database connection in a transaction": (
        "import sqlite3; c = sqlite3.connect('d.db')\nfor x in ('create table t (x)', 'delete from t'): c.execute(x)",
        "in a transaction",
    ),
    "a database connection with a function of the notebook's": (
        "import sqlite3; c = sqlite3.connect('d.db'); c.create_function('mine', 0, int)",
        "'mine'",
    ),
    "a running program": ("import subprocess; p = subprocess.Popen(['sleep', '20'])", "running program"),
    "a program whose end nobody has seen": (
        "import os, subprocess; p = subprocess.Popen('true'); os.waitid(os.P_PID, p.pid, os.WEXITED | os.WNOWAIT)",
        "whose end was not seen",
    ),
    "a running thread": (
        "import threading, time; t = threading.Thread(target=time.sleep, args=(20,), daemon=True); t.start()",
        "running thread",
    ),
}


@pytest.mark.parametrize(("cell", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused_by_name(refusal: HandOver, cell: str, reason: str) -> None:
    assert reason in refusal(cell)
