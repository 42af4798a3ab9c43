"""pandas: who shares memory with whom is kept, so that copy-on-write goes on copying before it writes.

Frames made from each other share their values until one is changed; pandas keeps a list of who shares. Its own pickling
forgets that list, and a change of one frame would then show in the other. pandas is never imported here.
"""

from __future__ import annotations

import sys
from typing import Any

Reduced = tuple[Any, ...]


def frame_reducers() -> dict[type, Any]:
    """Return reducers for the types of a pandas that is loaded."""
    pandas = sys.modules.get("pandas")
    internals = sys.modules.get("pandas._libs.internals")
    if pandas is None or internals is None or not hasattr(internals, "BlockValuesRefs") or not hasattr(pandas, "Index"):
        return {}
    return {
        internals.BlockValuesRefs: reduce_references,
        **_arrow_reducers(),
        **dict.fromkeys(_subclasses(internals.Block), reduce_block),
        **dict.fromkeys(_subclasses(pandas.Index), reduce_index),
        **dict.fromkeys((pandas.DataFrame, pandas.Series), reduce_frame),
        sys.modules["pandas.core.internals.managers"].SingleBlockManager: reduce_column,
    }


def _arrow_reducers() -> dict[type, Any]:
    """Return reducers for pandas' arrays that Arrow holds: its own pickling copies them first."""
    arrow = sys.modules.get("pandas.core.arrays.arrow.array")
    strings = sys.modules.get("pandas.core.arrays.string_arrow")
    kinds = [*_subclasses(arrow.ArrowExtensionArray)] if arrow else []
    kinds += [kind for kind in _subclasses(strings.ArrowStringArray) if kind not in kinds] if strings else []
    return dict.fromkeys(kinds, reduce_arrow)


def reduce_arrow(array: Any) -> Any:
    """Reduce an array to the Arrow data that it shows."""
    state = vars(array)
    data = state.get("_pa_array")
    if data is None or set(state) - {"_pa_array", "_dtype", "_readonly", "_cache"}:
        return NotImplemented
    return make_arrow, (type(array), data, {name: value for name, value in state.items() if name != "_pa_array"})


def make_arrow(kind: Any, data: Any, state: dict[str, Any]) -> Any:
    """Make an array that shows Arrow data."""
    array = kind.__new__(kind)
    vars(array).update(state, _pa_array=data)
    return array


def _subclasses(kind: type) -> list[type]:
    found = [kind]
    direct: type
    for direct in kind.__subclasses__():
        found += _subclasses(direct)
    return found


def reduce_references(references: Any) -> Reduced:
    """Reduce the list of who shares a block's values to an empty one; blocks enter themselves when they are loaded."""
    return type(references), ()


def reduce_block(block: Any) -> Reduced:
    """Reduce a block of values together with the list of who shares them."""
    function, arguments = block.__reduce__()[:2]
    return make_block, (function, arguments, block.refs)


def make_block(function: Any, arguments: tuple[Any, ...], references: Any) -> Any:
    """Make a block that is entered in the list of who shares its values."""
    block = function(*arguments)
    if references is not None:
        block.refs = references
        references.add_reference(block)
    return block


def reduce_column(manager: Any) -> Reduced:
    """Reduce what a Series stands on to its one block and its axis."""
    return type(manager), (manager.blocks[0], manager.axes[0])


def reduce_index(index: Any) -> Any:
    """Reduce an index; one that shares its values with a column keeps saying so."""
    references = vars(index).get("_references")
    if references is None or not references.has_reference():
        return NotImplemented
    return (*index.__reduce__()[:2], references, None, None, share_index)


def share_index(index: Any, references: Any) -> None:
    """Enter an index in the list of who shares its values."""
    index._references = references  # noqa: SLF001 - pandas keeps it there
    references.add_index_reference(index)


def reduce_frame(frame: Any) -> Any:
    """Reduce a frame; before pandas 3, one that may be a copy of another keeps warning when it is written to."""
    parent = getattr(frame, "_is_copy", None)
    if parent is None:
        return NotImplemented
    function, arguments, state = frame.__reduce_ex__(2)[:3]
    return function, arguments, (state, parent), None, None, set_frame


def set_frame(frame: Any, state: tuple[Any, Any]) -> None:
    """Give a frame its values, and what it may be a copy of."""
    frame.__setstate__(state[0])
    frame._is_copy = state[1]  # noqa: SLF001 - pandas keeps it there
