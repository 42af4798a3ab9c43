"""The pickler of a notebook's state: one memo for everything, so that what is shared stays shared.

cloudpickle's pickler with other reducers in front: functions on the one live namespace, library objects by name, views
of their base, files by position. Each value is a record of its own in one stream; when it is loaded, what came before
is already in place.
"""

from __future__ import annotations

import builtins
import contextvars
import io
import logging
import pickle
import sys
import types
from typing import TYPE_CHECKING, Any

import cloudpickle
from IPython.core.magic import Magics

from j2k_dev.worker.hidden import reduce_hidden
from j2k_dev.worker.state import exceptions, natives, open_files, tensors
from j2k_dev.worker.state.arrays import array_reducers
from j2k_dev.worker.state.caches import lru_cache_type, reduce_lru_cache
from j2k_dev.worker.state.classes import reduce_class
from j2k_dev.worker.state.databases import database_reducers
from j2k_dev.worker.state.frames import frame_reducers
from j2k_dev.worker.state.functions import (
    NamespaceOf,
    reduce_cell,
    reduce_code,
    reduce_function,
    reduce_module,
    reduce_namespace,
)
from j2k_dev.worker.state.jobs import job_reducers
from j2k_dev.worker.state.library import library_attribute, library_index, shell_attribute, shell_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed import SupportsWrite

PROTOCOL = 5
_REDUCERS: dict[type, Any] = {
    types.CellType: reduce_cell,
    types.CodeType: reduce_code,
    lru_cache_type: reduce_lru_cache,
    NamespaceOf: reduce_namespace,
    types.ModuleType: reduce_module,
    **natives.REDUCERS,
    **open_files.REDUCERS,
    **exceptions.REDUCERS,
}


_HIDDEN = (logging.Handler, contextvars.ContextVar, contextvars.Token, Magics, io.TextIOBase)


def notebook_namespace() -> dict[str, Any]:
    """Return the one live namespace: the notebook's globals."""
    return vars(sys.modules["__main__"])


def builtin_namespace() -> dict[str, Any]:
    """Return what is found where no global is."""
    return vars(builtins)


# A pickle that puts the two namespaces into the memo, as numbers 0 and 1: calls of the functions above, memoized. The
# pickler has them under these numbers from the start, so that a reference to globals(), however deep, is just that.
_PRELUDE = (
    b"\x80\x05"
    + b"0".join(
        b"c" + __name__.encode() + b"\n" + name + b"\n)R\x94" for name in (b"notebook_namespace", b"builtin_namespace")
    )
    + b"."
)


class StatePickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    """Writes one record per ``dump``; buffers that ``buffer_callback`` keeps are left out of the stream.

    Who makes many picklers at one moment refreshes the library index and asks for the ``shell``'s parts only once.
    """

    def __init__(
        self,
        file: SupportsWrite[bytes],
        buffer_callback: Callable[[pickle.PickleBuffer], Any],
        shell: dict[int, str] | None = None,
    ) -> None:
        super().__init__(file, protocol=PROTOCOL, buffer_callback=buffer_callback)
        known = (notebook_namespace(), builtin_namespace())
        self.memo = {id(value): (number, value) for number, value in enumerate(known)}
        file.write(_PRELUDE)
        self._index = library_index()
        if shell is None:
            self._index.refresh()
        self._shell = shell_parts() if shell is None else shell
        self._reducers = {
            **_REDUCERS,
            **array_reducers(),
            **frame_reducers(),
            **database_reducers(),
            **job_reducers(),
            **tensors.tensor_reducers(),  # after arrays, whose memory tensors may share
        }

    def reducer_override(self, obj: Any) -> Any:
        """Choose how to reduce ``obj``: by name if it is a library's, else by what it is, else as cloudpickle does."""
        kind = type(obj)
        if kind is types.FunctionType:
            return self._by_name(obj) or _reduce_function(obj)
        if issubclass(kind, type):
            return self._reduce_type(obj)
        by_name = self._by_name(obj)
        if by_name is not None:
            return by_name
        reducer = self._reducers.get(kind) or _reducer_of_family(kind)
        return NotImplemented if reducer is None else reducer(obj)

    def _reduce_type(self, kind: type) -> Any:
        reduced = reduce_class(kind)
        return reduced if reduced is NotImplemented else (self._by_name(kind) or reduced)

    def _by_name(self, obj: Any) -> Any:
        part = self._shell.get(id(obj))
        if part is not None:
            return shell_attribute, (part,)
        place = self._index.find(obj)
        return None if place is None else (library_attribute, place)


def _reducer_of_family(kind: type) -> Any:
    """Return the reducer for a type that is known by what it inherits or has."""
    if issubclass(kind, BaseException):
        return exceptions.reduce_exception
    optimizers = tensors.optimizer_kind()
    if optimizers is not None and issubclass(kind, optimizers):
        return tensors.reduce_optimizer
    if hasattr(kind, "__getattr__"):
        return natives.reduce_guarded
    return reduce_hidden if issubclass(kind, _HIDDEN) else None


def _reduce_function(function: types.FunctionType) -> Any:
    by_name = cloudpickle.cloudpickle._should_pickle_by_reference(function)  # noqa: SLF001 - cloudpickle has no public parts
    # What a library compiles while it runs is found by name here, and not in the next process.
    if by_name and not function.__code__.co_filename.startswith("<"):
        return NotImplemented
    return reduce_function(function)


class StateUnpickler(pickle.Unpickler):
    """Reads the records of a ``StatePickler``, one per ``load``, on this process's live namespace."""

    def __init__(self, file: Any, buffers: Iterable[Any]) -> None:
        super().__init__(file, buffers=buffers)
        self.load()
