"""``functools.lru_cache`` with its contents and its hit and miss counters, none of which Python code can set.

The contents are read through the garbage collector. They are put back by calling the wrapper while the function behind
it hands out the stored results: its code is exchanged for that long.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Call = tuple[tuple[Any, ...], tuple[tuple[str, Any], ...]]

lru_cache_type = type(functools.lru_cache(lambda: None))


def reduce_lru_cache(wrapper: Any) -> tuple[Any, ...]:
    """Reduce a function wrapped by ``functools.lru_cache`` with the contents of its cache and its counters."""
    parameters = wrapper.cache_parameters()
    function, keyword_mark, entries = _contents(wrapper)
    state = {
        "calls": [_call_of(key, keyword_mark, typed=parameters["typed"]) for key, _ in entries],
        "results": [result for _, result in entries],
        "counts": tuple(wrapper.cache_info())[:2],
        "__dict__": vars(wrapper),
    }
    arguments = (function, parameters["maxsize"], parameters["typed"])
    return make_lru_cache, arguments, state, None, None, set_lru_cache


def make_lru_cache(function: Any, maxsize: int | None, typed: bool) -> Any:  # noqa: FBT001 - a pickle passes it by place
    """Wrap ``function`` anew; one that has no code to exchange is wrapped with something that has."""
    if not isinstance(function, types.FunctionType):
        function = _with_code(function)
    return functools.lru_cache(maxsize, typed)(function)


def _with_code(function: Any) -> Any:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


def set_lru_cache(wrapper: Any, state: dict[str, Any]) -> None:
    """Fill the cache in the order it was filled, then bring the counters to where they were."""
    hits, misses = state["counts"]
    calls: list[Call] = state["calls"]
    with _answering(wrapper.__wrapped__) as answers:
        for _ in range(misses - len(calls)):
            with contextlib.suppress(IndexError):  # no answer: a miss that leaves nothing behind
                wrapper(object())
        for (args, kwargs), result in zip(calls, state["results"], strict=True):
            answers.append(result)
            wrapper(*args, **dict(kwargs))
    if calls:
        args, kwargs = calls[-1]
        for _ in range(hits):
            wrapper(*args, **dict(kwargs))
    wrapper.__dict__.update(state["__dict__"])


def _answer(*_args: Any, __answers: list[Any], **_kwargs: Any) -> Any:
    return __answers.pop()


@contextlib.contextmanager
def _answering(function: types.FunctionType) -> Iterator[list[Any]]:
    answers: list[Any] = []
    was = function.__code__, function.__defaults__, function.__kwdefaults__
    function.__code__ = _answer.__code__.replace(co_freevars=function.__code__.co_freevars)
    function.__defaults__, function.__kwdefaults__ = None, {"__answers": answers}
    try:
        yield answers
    finally:
        function.__code__, function.__defaults__, function.__kwdefaults__ = was


def _contents(wrapper: Any) -> tuple[Any, Any, list[tuple[Any, Any]]]:
    """Read function, keyword mark and (key, result) pairs, oldest first, from what the garbage collector may see.

    The order is that of ``lru_cache_tp_traverse`` in CPython's Modules/_functoolsmodule.c: key and result (and type)
    of every link, then the cache itself, the function, the keyword mark, two types and the dict.
    """
    seen = gc.get_referents(wrapper)
    position = max(i for i, value in enumerate(seen) if value is wrapper.__wrapped__)
    cache, function, mark = seen[position - 1], seen[position], seen[position + 1]
    if wrapper.cache_parameters()["maxsize"] is None:
        return function, mark, list(cache.items())
    places = {id(key): place for place, key in reversed(list(enumerate(seen[: position - 1])))}
    keys = sorted(cache, key=lambda key: places[id(key)])
    return function, mark, [(key, seen[places[id(key)] + 1]) for key in keys]


def _call_of(key: Any, keyword_mark: Any, *, typed: bool) -> Call:
    """Turn a cache's key back into the call that made it (CPython's ``lru_cache_make_key``)."""
    if not isinstance(key, tuple):
        return (key,), ()
    cut = next((i for i, part in enumerate(key) if part is keyword_mark), None)
    if cut is None:
        return (key[: len(key) // 2] if typed else key), ()
    args, rest = key[:cut], key[cut + 1 :]
    count = (len(rest) - len(args)) // 3 if typed else len(rest) // 2
    pairs = rest[: 2 * count]
    return args, tuple(zip(pairs[::2], pairs[1::2], strict=True))
