"""What a carrier of hidden state is, and where a process's start is kept.

Much of what hides in an interpreter is only worth carrying where the notebook changed it. What it looked like before
is noted once per process, on the shell, because the shell is what the state of a notebook belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from IPython.core.interactiveshell import InteractiveShell

_START = "_j2k_start"


@dataclass(frozen=True)
class Carrier:
    """Takes one kind of hidden state out of a process and puts it into another.

    ``capture`` returns something to pickle together with the namespace, or None where there is nothing to carry.
    ``restore`` runs before modules are imported and the namespace is loaded, or after. ``start`` says what ``capture``
    compares with. All three have to run in the context (``contextvars``) and the thread that cells run in.
    """

    name: str
    capture: Callable[[InteractiveShell], Any]
    restore: Callable[[InteractiveShell, Any], None]
    when: Literal["before", "after"] = "after"
    start: Callable[[InteractiveShell], Any] | None = None


def note_start(shell: InteractiveShell, carriers: Iterable[Carrier]) -> None:
    """Note what the process looks like before anything of the notebook's is imported, run or restored."""
    setattr(shell, _START, {carrier.name: carrier.start(shell) for carrier in carriers if carrier.start})


def start_of(shell: InteractiveShell, name: str) -> Any:
    """Return what the carrier called ``name`` found when the process started."""
    try:
        return getattr(shell, _START)[name]
    except AttributeError:
        raise RuntimeError("note_start has to run when the shell is made") from None


@dataclass(frozen=True)
class Kept:
    """Stands in a carried list for the element that was there when the process started."""

    position: int


def list_changes(now: Sequence[Any], start: Sequence[Any]) -> list[Any] | None:
    """Describe a list by what was there at the start and what is new, or return None where it is as it was."""
    if len(now) == len(start) and all(a is b for a, b in zip(now, start, strict=True)):
        return None
    places = {id(item): position for position, item in reversed(list(enumerate(start)))}
    return [Kept(places[id(item)]) if id(item) in places else item for item in now]


def changed_list(changes: Sequence[Any], start: Sequence[Any]) -> list[Any]:
    """Build the list that ``list_changes`` described from what this process had at its start."""
    return [start[item.position] if isinstance(item, Kept) else item for item in changes]


def dict_changes(now: Mapping[Any, Any], start: Mapping[Any, Any]) -> tuple[dict[Any, Any], list[Any]] | None:
    """Return what is new or replaced (by identity) in a dict, and the keys that are gone, or None."""
    missing = object()
    changed = {key: value for key, value in now.items() if start.get(key, missing) is not value}
    gone = [key for key in start if key not in now]
    return (changed, gone) if changed or gone else None


def apply_changes(target: dict[Any, Any], changes: tuple[dict[Any, Any], list[Any]]) -> None:
    """Do to a dict what ``dict_changes`` found."""
    changed, gone = changes
    target.update(changed)
    for key in gone:
        target.pop(key, None)


def is_plain(value: Any) -> bool:
    """Tell values that can be compared and written down without running anybody's code."""
    return value is None or type(value) in (bool, int, float, complex, str, bytes)


def is_notebooks(value: Any) -> bool:
    """Tell whether a function, class or object was defined by the notebook itself."""
    return "__main__" in (getattr(value, "__module__", None), getattr(type(value), "__module__", None))
