"""Looking at objects without asking them: code of their classes may warn, print or import, which the notebook did not.

Modules that are loaded lazily load when they are asked anything, and some deprecated objects warn.
"""

from __future__ import annotations

import types
from typing import Any


def is_a(value: Any, kinds: type | tuple[type, ...]) -> bool:
    """Tell whether something is an instance; ``isinstance`` asks for its ``__class__``."""
    return issubclass(type(value), kinds)


def own_dict(value: Any) -> Any:
    """Return the dict of an object's attributes, or None if it has none; ``vars`` asks for its ``__dict__``."""
    own = object.__getattribute__(value, "__dict__") if type(value).__dictoffset__ else None
    return own if type(own) in (dict, types.MappingProxyType) else None
