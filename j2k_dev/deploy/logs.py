"""What the containers of a pipeline wrote: all of it at the end of a run, or line by line while it goes on."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import threading
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING

from j2k_dev.deploy.watch import watched
from j2k_dev.model.errors import MachineryFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from j2k_dev.deploy.kubectl import Kubectl
    from j2k_dev.deploy.trouble import PodView

    Write = Callable[[str, str], None]

_LINE = re.compile(r"\[pod/(?P<pod>[^/]+)/[^\]]+\] ?")
_MOST_PODS = 100
_LOOK_SECONDS = 0.5
_READ_SECONDS = 30.0
_LAST_LINES = 3


def collect(
    kubectl: Kubectl, namespace: str, selector: str, pods: Iterable[PodView], since: float
) -> Mapping[str, str]:
    """Return what was written since then (seconds since the epoch), by the name of the stage's objects.

    Containers that were restarted come first, with what the one before wrote.
    """
    every = ("--selector", selector, f"--max-log-requests={_MOST_PODS}", "--tail=-1", "--ignore-errors")
    calls = [(pod.name, "--previous") for pod in pods if pod.restarts]
    texts = [_read(kubectl, namespace, since, *call) for call in (*calls, every)]
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in "".join(texts).splitlines(keepends=True):
        if match := _LINE.match(line):
            found[stage_of(match["pod"])].append(line)
    return {stage: "".join(lines) for stage, lines in found.items()}


def last_words(kubectl: Kubectl, namespace: str, pod: PodView) -> str:
    """Return the last lines that the container before a pod's present one wrote, in one."""
    with suppress(MachineryFailed):
        call = ("logs", pod.name, "--namespace", namespace, "--previous", f"--tail={_LAST_LINES}")
        return " / ".join(filter(None, map(str.strip, kubectl.call(*call, timeout=_READ_SECONDS).splitlines())))
    return ""


def stage_of(pod: str) -> str:
    """Return the name of the Deployment that made a pod."""
    return pod.rsplit("-", 2)[0]


def follow(
    kubectl: Kubectl, namespace: str, selector: str, since: float, write: Write, over: Callable[[], bool]
) -> None:
    """Give ``write`` each stage's object name and each line, of pods that come later too, until it is ``over``."""
    followed: dict[tuple[str, int], subprocess.Popen[str]] = {}
    with watched(kubectl, namespace, selector) as watch:
        try:
            while not over():
                watch.changed.clear()
                for pod in watch.pods():
                    incarnation = (pod.name, pod.restarts)
                    if pod.phase in ("starting", "ready") and incarnation not in followed:
                        followed[incarnation] = _followed(kubectl, namespace, pod, since, write)
                watch.changed.wait(_LOOK_SECONDS)
        finally:
            for process in followed.values():
                process.kill()
                process.wait()


def _followed(kubectl: Kubectl, namespace: str, pod: PodView, since: float, write: Write) -> subprocess.Popen[str]:
    """Start a reader of one container's log; its thread ends with it."""
    process = subprocess.Popen(
        kubectl.cluster.arguments("logs", *_options(namespace, since), "--follow", pod.name),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    threading.Thread(target=_pass_on, args=(process, pod.stage, write), daemon=True).start()
    return process


def _pass_on(process: subprocess.Popen[str], stage: str, write: Write) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        write(stage, line)


def _read(kubectl: Kubectl, namespace: str, since: float, *call: str) -> str:
    """Read logs; a container whose log is gone has none."""
    with suppress(MachineryFailed):
        return kubectl.call("logs", *_options(namespace, since), *call, timeout=_READ_SECONDS)
    return ""


def _options(namespace: str, since: float) -> tuple[str, ...]:
    began = dt.datetime.fromtimestamp(int(since), dt.UTC)
    return "--namespace", namespace, "--prefix", f"--since-time={began:%Y-%m-%dT%H:%M:%SZ}"
