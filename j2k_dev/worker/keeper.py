"""What stands between a container's first process and its worker: it forks the worker, and another one when asked.

The first process has threads, and so can't fork; a container that is started again takes the cluster some seconds. The
keeper has one thread, does all that is slow for the first time before it forks, and ends whatever a worker leaves.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from j2k_dev.worker import processes
from j2k_dev.worker.channel import Channel

if TYPE_CHECKING:
    from collections.abc import Callable

_NUMBER = struct.Struct("!i")
_CHANNELS = 2
_GO = b"+"
_KILLED = -signal.SIGKILL


@dataclass(frozen=True)
class Kept:
    """A worker at work: its process, what it tells, and what it asks."""

    process: int
    control: Channel
    questions: Channel


class Keeper:
    """The first process's side; one worker at a time, and ``asked_to_stop`` once ``stop`` was called.

    ``prepare`` is called once, before any worker; ``work`` in each worker, with its ends of the channels.
    """

    def __init__(self, prepare: Callable[[], object], work: Callable[[Channel, Channel], int]) -> None:
        first = os.getpid()
        ours, theirs = socket.socketpair()
        self.asked_to_stop = False
        self._worker: int | None = None
        if os.fork() == 0:
            ours.close()
            _keep(first, theirs, prepare, work)
        theirs.close()
        self._socket = ours

    def start(self) -> Kept | None:
        """Have a worker; None where the keeper is gone."""
        told, descriptors = b"", list[int]()
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(_GO)
            told, descriptors, _, _ = socket.recv_fds(self._socket, _NUMBER.size, _CHANNELS)
        if not told:
            return None
        (self._worker,) = _NUMBER.unpack(told)
        if self.asked_to_stop:
            self._signal(signal.SIGTERM)
        return Kept(self._worker, *map(Channel, descriptors))

    def ended(self) -> int:
        """Wait for the worker's end, and return its exit status: below zero the signal that killed it."""
        told = self._socket.recv(_NUMBER.size, socket.MSG_WAITALL)
        self._worker = None
        return int(_NUMBER.unpack(told)[0]) if told else _KILLED

    def stop(self) -> None:
        """Ask the worker to stop, also one that is only about to start."""
        self.asked_to_stop = True
        self._signal(signal.SIGTERM)

    def kill(self) -> bool:
        """Kill the worker; False where there is none, as before the first one is ready to begin."""
        return self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> bool:
        if self._worker is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(self._worker, number)
        return True


def _keep(
    first: int, asked: socket.socket, prepare: Callable[[], object], work: Callable[[Channel, Channel], int]
) -> NoReturn:
    """Be the keeper: fork a worker whenever the first process says so, one after the other."""
    status = 1
    try:
        processes.die_with(first)
        processes.adopt_orphans()
        prepare()
        while asked.recv(1) == _GO:
            asked.sendall(_NUMBER.pack(_worked(asked, work)))
        status = 0
    except BaseException:  # noqa: BLE001 - this frame never returns, so nobody else would print it
        processes.log(traceback.format_exc())
    finally:
        os._exit(status)


def _worked(asked: socket.socket, work: Callable[[Channel, Channel], int]) -> int:
    """Fork a worker, give the first process its ends of the channels, and return how the worker ended."""
    control, controlled = Channel.pair()
    answering, asking = Channel.pair()
    keeper = os.getpid()
    worker = os.fork()
    if worker == 0:
        asked.close()
        control.close()
        answering.close()
        _be_the_worker(keeper, lambda: work(controlled, asking))
    socket.send_fds(asked, [_NUMBER.pack(worker)], [control.descriptor, answering.descriptor])
    for channel in (control, controlled, answering, asking):
        channel.close()
    code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    processes.end_strays(())
    return code


def _be_the_worker(keeper: int, work: Callable[[], int]) -> NoReturn:
    status = 1
    try:
        processes.die_with(keeper)
        processes.adopt_orphans()
        status = work()
    except BaseException:  # noqa: BLE001 - as above
        processes.log(traceback.format_exc())
    finally:
        os._exit(status)
