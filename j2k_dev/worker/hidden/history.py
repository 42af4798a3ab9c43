"""IPython's memory of what was typed and shown: ``In``, ``Out``, ``_``, ``_i3``, the prompt's number, directories.

What was shown has a carrier of its own, number by number, so that an object that can't travel is found and named.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from j2k_dev.worker.hidden.carrier import Carrier, start_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from IPython.core.interactiveshell import InteractiveShell

_TRAITS = ("_i00", "_i", "_ii", "_iii")
_INPUT_NAME = re.compile(r"_i\d*|_ii|_iii")
_OUTPUT_NAME = re.compile(r"_\d+")
OUTPUTS = "state of outputs"
_UNDERSCORES = ("_", "__", "___")
_PLACES_AT_START = 2 * len(_UNDERSCORES)  # the displayhook and the notebook; hidden once something was shown


def _capture_inputs(shell: InteractiveShell) -> Any:
    history = shell.history_manager
    return {
        "count": shell.execution_count,
        "parsed": list(history.input_hist_parsed),
        "raw": list(history.input_hist_raw),
        "directories": [str(folder) for folder in history.dir_hist],
        "stack": list(shell.dir_stack),
        "traits": {name: getattr(history, name) for name in _TRAITS},
        "names": _hidden(shell, _INPUT_NAME),
    }


def _hidden(shell: InteractiveShell, pattern: re.Pattern[str]) -> dict[str, Any]:
    """Return IPython's own names of a kind that still hold what IPython put there."""
    names, missing = shell.user_ns, object()
    return {
        name: value
        for name, value in shell.user_ns_hidden.items()
        if pattern.fullmatch(name) and names.get(name, missing) is value
    }


def _restore_inputs(shell: InteractiveShell, carried: dict[str, Any]) -> None:
    history = shell.history_manager
    shell.execution_count = carried["count"]
    history.input_hist_parsed[:] = carried["parsed"]
    history.input_hist_raw[:] = carried["raw"]
    kinds = [type(folder) for folder in history.dir_hist] or [str]
    history.dir_hist[:] = [kinds[0](folder) for folder in carried["directories"]]
    shell.dir_stack[:] = carried["stack"]
    for name, value in carried["traits"].items():
        setattr(history, name, value)
    shell.push(carried["names"], interactive=False)


def _capture_outputs(shell: InteractiveShell) -> Any:
    carried: dict[str, Any] = {
        "shown": dict(shell.history_manager.output_hist),
        "texts": dict(shell.history_manager.output_hist_reprs),
        "names": _hidden(shell, _OUTPUT_NAME),
        **_underscores(shell),
    }
    used = any(not _is_empty(value) for value in carried["values"].values())
    return carried if carried["shown"] or used or len(carried["places"]) != _PLACES_AT_START else None


def _underscores(shell: InteractiveShell) -> dict[str, dict[Any, Any]]:
    """Return what ``_``, ``__`` and ``___`` are to the displayhook, the notebook and its hidden names.

    IPython tells by identity whether the notebook has taken one for itself, and numbers don't keep theirs: so each
    value goes once, and the places by its number.
    """
    values: dict[int, Any] = {}
    numbers: dict[int, int] = {}
    places = {}
    for place, holder in enumerate((vars(shell.displayhook), shell.user_ns, shell.user_ns_hidden)):
        for name in _UNDERSCORES:
            if name in holder:
                number = numbers.setdefault(id(holder[name]), len(numbers))
                values[number] = holder[name]
                places[place, name] = number
    return {"values": values, "places": places}


class NotHandedOver:
    """Stands for something that was shown and can't travel: whoever uses it hears why."""

    def __init__(self, kind: str) -> None:
        object.__setattr__(self, "_kind", kind)

    def __getattribute__(self, name: str) -> Any:
        if name in {"__class__", "__reduce_ex__", "__reduce__", "__getstate__", "__dict__"}:
            return object.__getattribute__(self, name)
        raise RuntimeError(f"the {object.__getattribute__(self, '_kind')} shown earlier can't be handed over")

    def __repr__(self) -> str:
        return str(self.missing)

    def __reduce__(self) -> Any:
        return NotHandedOver, (object.__getattribute__(self, "_kind"),)


def guarded_outputs(carriers: Sequence[Carrier], can_travel: Callable[[Any], bool]) -> tuple[Carrier, ...]:
    """Return the carriers with one for outputs that replaces what can't travel."""

    def capture(shell: InteractiveShell) -> Any:
        carried = _capture_outputs(shell) or {}
        guards: dict[int, Any] = {}
        for held in carried.values():
            if isinstance(held, dict):
                held.update({key: _guarded(value, can_travel, guards) for key, value in held.items()})
        return carried or None

    return tuple(
        replace(carrier, capture=capture) if f"state of {carrier.name}" == OUTPUTS else carrier for carrier in carriers
    )


def _guarded(value: Any, can_travel: Callable[[Any], bool], guards: dict[int, Any]) -> Any:
    if id(value) not in guards:
        guards[id(value)] = value if can_travel(value) else NotHandedOver(type(value).__qualname__)
    return guards[id(value)]


def _is_empty(value: Any) -> bool:
    return isinstance(value, str) and not value


def _restore_outputs(shell: InteractiveShell, carried: dict[str, Any]) -> None:
    shell.history_manager.output_hist.update(carried["shown"])
    shell.history_manager.output_hist_reprs.update(carried["texts"])
    shell.push(carried["names"], interactive=False)
    holders = vars(shell.displayhook), shell.user_ns, shell.user_ns_hidden
    for place, holder in enumerate(holders):
        for name in _UNDERSCORES:
            if (place, name) in carried["places"]:
                holder[name] = carried["values"][carried["places"][place, name]]
            else:
                holder.pop(name, None)


def _start_names(shell: InteractiveShell) -> Any:
    return dict(shell.user_ns), set(shell.user_ns_hidden)


def _capture_names(shell: InteractiveShell) -> Any:
    """Capture names that IPython or Python put into the namespace and the notebook replaced, deleted or hid."""
    start, hidden = start_of(shell, "names")
    names, missing = shell.user_ns, object()
    own = {*start, "__annotations__"} - {*_UNDERSCORES, *_TRAITS}
    replaced = {
        name: names[name] for name in sorted(own) if name in names and names[name] is not start.get(name, missing)
    }
    gone = sorted(name for name in own & start.keys() if name not in names)
    other = [
        name
        for name in shell.user_ns_hidden
        if name not in hidden and name not in _UNDERSCORES and not _belongs_to_history(name)
    ]
    also = {name: (name in names, names.get(name), shell.user_ns_hidden[name]) for name in other}
    return (replaced, gone, also) if replaced or gone or also else None


def _belongs_to_history(name: str) -> bool:
    return bool(_INPUT_NAME.fullmatch(name) or _OUTPUT_NAME.fullmatch(name))


def _restore_names(shell: InteractiveShell, carried: Any) -> None:
    replaced, gone, also = carried
    shell.user_ns.update(replaced)
    for name in gone:
        shell.user_ns.pop(name, None)
    for name, (bound, value, hidden) in also.items():
        shell.user_ns_hidden[name] = hidden
        if bound:
            shell.user_ns[name] = value


CARRIERS = (
    Carrier("inputs", _capture_inputs, _restore_inputs),
    Carrier("outputs", _capture_outputs, _restore_outputs),
    Carrier("names", _capture_names, _restore_names, "after", _start_names),
)
