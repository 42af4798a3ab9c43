"""Widgets' channels (comms): the kernel knows them by number, so that what a front end sends reaches its widget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from j2k_dev.worker.hidden.carrier import Carrier

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def _capture(shell: InteractiveShell) -> Any:
    return dict(shell.kernel.comm_manager.comms) or None


def _restore(shell: InteractiveShell, carried: dict[str, Any]) -> None:
    shell.kernel.comm_manager.comms.update(carried)


CARRIERS = (Carrier("widgets' channels", _capture, _restore),)
