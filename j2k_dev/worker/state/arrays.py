"""numpy arrays: views stay views of their base, large ones are buffers outside the pickle, memory maps stay maps.

numpy is never imported here: these reducers are used only where the notebook loaded it.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any

Reduced = tuple[Any, ...]


def array_reducers() -> dict[type, Any]:
    """Return reducers for the array types of a numpy that is loaded."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "ndarray"):
        return {}
    return {numpy.ndarray: reduce_array, numpy.memmap: reduce_memmap}


def reduce_array(array: Any) -> Any:
    """Reduce an array: a view by its base, memory of its own by its bytes; anything else as numpy does."""
    base = _base(array)
    if base is not None:
        return reduce_view(array, base)
    if array.dtype.hasobject or not (array.flags.c_contiguous or array.flags.f_contiguous) or not _plain(array.dtype):
        return NotImplemented
    order = "C" if array.flags.c_contiguous else "F"
    # Python's buffers know no dates: they go as the integers that they are.
    buffer = pickle.PickleBuffer(array.view("i8") if array.dtype.kind in "mM" else array)
    return make_array, (buffer, array.dtype, array.shape, order, array.flags.writeable, array.flags.owndata)


def _plain(dtype: Any) -> bool:
    return dtype.kind in "biufcSUVmM?" and dtype.metadata is None


def make_array(buffer: Any, dtype: Any, shape: tuple[int, ...], order: Any, writeable: bool, own: bool) -> Any:  # noqa: FBT001 - a pickle passes them by place
    """Make an array: over a buffer outside the pickle, or with memory of its own where that was in the pickle."""
    numpy = sys.modules.get("numpy") or __import__("numpy")
    array = numpy.ndarray(shape, dtype, buffer, order=order)
    if own and isinstance(buffer, (bytes, bytearray)):
        array = array.copy(order)
    if array.flags.writeable != writeable:
        array.flags.writeable = writeable
    return array


def _base(array: Any) -> Any:
    """Return the array whose memory ``array`` shows, or another owner of memory, or None if it is its own."""
    numpy = sys.modules["numpy"]
    base = _below(array)
    while type(base) is numpy.ndarray and type(below := _below(base)) is numpy.ndarray:
        base = below
    if isinstance(base, bytes) and array.flags.writeable:  # read from a pickle: numpy writes to bytes that it has alone
        return None
    if isinstance(base, (bytes, bytearray)) or type(base) is numpy.ndarray:
        return base
    return None


def _below(array: Any) -> Any:
    """Return what an array stands on; numpy's as_strided puts an object of its own between."""
    base = array.base
    return base.base if type(base).__name__ == "DummyArray" else base


def reduce_view(array: Any, base: Any) -> Any:
    """Reduce an array to its place in the memory of another, or of bytes."""
    numpy = sys.modules["numpy"]
    root = base if type(base) is numpy.ndarray else numpy.frombuffer(base, numpy.uint8)
    if not (root.flags.c_contiguous or root.flags.f_contiguous):
        return NotImplemented
    offset = _address(array) - _address(root)
    details = (array.dtype, array.shape, array.strides, array.flags.writeable)
    return make_view, (base, offset, *details)


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def make_view(base: Any, offset: int, dtype: Any, shape: Any, strides: Any, writeable: bool) -> Any:  # noqa: FBT001 - a pickle passes it by place
    """Make an array that shows memory of ``base``."""
    numpy = sys.modules["numpy"]
    if dtype.hasobject:
        flat = base.reshape(-1, order="A")
        view = numpy.lib.stride_tricks.as_strided(flat[offset // base.itemsize :], shape, strides)
    else:
        view = _over(base, offset, dtype, shape, strides)
    if view.flags.writeable != writeable:
        view.flags.writeable = writeable
    return view


def _over(base: Any, offset: int, dtype: Any, shape: Any, strides: Any) -> Any:
    numpy = sys.modules["numpy"]
    if 0 in shape:
        return numpy.ndarray(shape, dtype, buffer=base, offset=0 if offset < 0 else min(offset, _size(base)))
    memory: Any = base
    if isinstance(base, numpy.ndarray) and not base.flags.writeable:
        memory = memoryview(base).cast("B") if base.flags.c_contiguous else memoryview(base.T).cast("B")
        view = numpy.ndarray(shape, dtype, buffer=memory, offset=offset, strides=strides)
    elif isinstance(base, numpy.ndarray) and not base.flags.c_contiguous:
        view = numpy.ndarray(shape, dtype, buffer=base.T, offset=offset, strides=strides)
    else:
        view = numpy.ndarray(shape, dtype, buffer=base, offset=offset, strides=strides)
    return view


def _size(base: Any) -> int:
    return len(base) if isinstance(base, (bytes, bytearray)) else int(base.nbytes)


def reduce_memmap(array: Any) -> Any:
    """Reduce a memory-mapped array to its file, which is part of the working directory."""
    numpy = sys.modules["numpy"]
    if array.filename is None:
        return NotImplemented
    if array.mode == "c":
        raise pickle.PicklingError("cannot hand over a copy-on-write memory map (mode 'c'): copy it with numpy.array")
    root = array
    while isinstance(root.base, numpy.memmap):
        root = root.base
    if root is not array:
        return make_memmap_view, (root, _address(array) - _address(root), array.dtype, array.shape, array.strides)
    array.flush()
    mode = "r+" if array.mode == "w+" else array.mode
    order = "C" if array.flags.c_contiguous else "F"
    return open_memmap, (str(array.filename), array.dtype, mode, array.offset, array.shape, order)


def open_memmap(filename: str, dtype: Any, mode: str, offset: int, shape: tuple[int, ...], order: Any) -> Any:
    """Map a file into memory again."""
    numpy = sys.modules.get("numpy") or __import__("numpy")
    return numpy.memmap(filename, dtype=dtype, mode=mode, offset=offset, shape=shape, order=order)


def make_memmap_view(root: Any, offset: int, dtype: Any, shape: Any, strides: Any) -> Any:
    """Make a part of a memory map."""
    numpy = sys.modules["numpy"]
    memory = root if root.flags.c_contiguous else root.T
    view = numpy.ndarray.__new__(numpy.memmap, shape, dtype, memory, offset, strides)
    view.__array_finalize__(root)
    return view
