"""Modules that the notebook made by hand and put into ``sys.modules``.

They are there, empty, before the namespace is loaded, so that whatever refers to them by name finds them; what they
hold follows.
"""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

from j2k_dev.model.errors import Refused
from j2k_dev.worker.hidden.carrier import Carrier, start_of

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_OWN = frozenset({"__name__", "__loader__", "__spec__", "__package__", "__builtins__"})


def _made_by_hand(shell: InteractiveShell) -> dict[str, types.ModuleType]:
    start = start_of(shell, "made modules")
    mine = {id(value) for value in shell.user_ns.values() if isinstance(value, types.ModuleType)}
    return {
        name: module
        for name, module in list(sys.modules.items())
        if name not in start
        and module is not sys.modules["__main__"]  # multiprocessing gives it a second name
        and type(module) is types.ModuleType
        and vars(module).get("__spec__") is None
        and "__file__" not in vars(module)
        and (id(module) in mine or _holds_notebooks(module))
    }


def _holds_notebooks(module: types.ModuleType) -> bool:
    return any(getattr(value, "__module__", None) == "__main__" for value in vars(module).values())


def _capture(shell: InteractiveShell) -> Any:
    return [(name, module.__name__, module.__doc__) for name, module in _made_by_hand(shell).items()] or None


def _restore(_shell: InteractiveShell, carried: list[tuple[str, str, str | None]]) -> None:
    for key, name, doc in carried:
        sys.modules.setdefault(key, types.ModuleType(name, doc))


def _capture_contents(shell: InteractiveShell) -> Any:
    contents = {}
    for name, module in _made_by_hand(shell).items():
        contents[name] = {key: value for key, value in vars(module).items() if key not in _OWN}
        for key, value in contents[name].items():
            if getattr(value, "__module__", None) == module.__name__:
                raise Refused(
                    f"{name}.{key} was made by running code inside the module {name!r}, which has no file",
                    f"put the code of {name} into a file {name}.py beside the notebook and import it",
                )
    return contents or None


def _restore_contents(_shell: InteractiveShell, carried: dict[str, dict[str, Any]]) -> None:
    for name, contents in carried.items():
        vars(sys.modules[name]).update(contents)


CARRIERS = (
    Carrier("made modules", _capture, _restore, "before", lambda _shell: frozenset(sys.modules)),
    Carrier("contents of made modules", _capture_contents, _restore_contents),
)
