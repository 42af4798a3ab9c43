"""State that hides beside the namespace, and how it gets from the process of one stage into that of the next.

``note_start(shell, CARRIERS)`` when the shell is made; ``capture`` of every carrier when a stage ends; in the new
process ``restore`` of those that come "before", then the modules and the namespace, then those that come "after", in
this order. ``reduce_hidden`` is for the pickler: objects of such state that nothing else can pickle.
"""

from __future__ import annotations

import contextvars
import logging
from typing import Any

from j2k_dev.worker.hidden import (
    channels,
    configuration,
    contexts,
    extensions,
    history,
    logs,
    modules,
    options,
    plots,
    process,
    randomness,
    sources,
    warned,
)
from j2k_dev.worker.hidden.carrier import Carrier, note_start, start_of

__all__ = ["CARRIERS", "Carrier", "note_start", "reduce_hidden", "start_of"]

# Extensions come after what their import reads; warnings last, because restoring the others may touch their filters.
CARRIERS: tuple[Carrier, ...] = (
    *process.CARRIERS,
    *modules.CARRIERS,
    *extensions.CARRIERS,
    *configuration.CARRIERS,  # before plots and options: setting %precision sets an option of numpy too
    *plots.CARRIERS,
    *options.CARRIERS,
    *sources.CARRIERS,
    *history.CARRIERS,
    *logs.CARRIERS,
    *channels.CARRIERS,
    *contexts.CARRIERS,  # after all that may hold a token, for making one sets its variable
    *randomness.CARRIERS,
    *warned.CARRIERS,
)


def reduce_hidden(value: Any) -> Any:
    """Reduce handlers, context variables, magics and the shell's streams; NotImplemented for everything else."""
    if isinstance(value, logging.Handler):
        return logs.reduce_handler(value)
    if isinstance(value, contextvars.ContextVar):
        return contexts.reduce_variable(value)
    if isinstance(value, contextvars.Token):
        return contexts.reduce_token(value)
    from IPython import get_ipython  # noqa: PLC0415 - asked where the state is saved
    from IPython.core.magic import Magics  # noqa: PLC0415 - asked where the state is saved

    if isinstance(value, Magics):
        return extensions.reduce_magics(value)
    stream = process.name_of_stream(get_ipython(), value)
    return NotImplemented if stream is None else (process.start_stream, (stream,))
