"""What the pods of a pipeline are doing now, followed from a thread."""

from __future__ import annotations

import codecs
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from j2k_dev.deploy.kubectl import documents
from j2k_dev.deploy.trouble import PodView, view

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from j2k_dev.deploy.kubectl import Kubectl
    from j2k_dev.deploy.manifests import Object

_AGAIN_SECONDS = 0.5


class PodWatch:
    """The latest view of every pod of a pipeline; ``changed`` is set when there is a new one."""

    def __init__(self) -> None:
        self.changed = threading.Event()
        self._views: dict[str, PodView] = {}
        self._lock = threading.Lock()

    def pods(self, stage: str | None = None) -> tuple[PodView, ...]:
        """Return the pods, of one stage's object name or of all."""
        with self._lock:
            found = sorted(self._views.values(), key=lambda pod: pod.name)
        return tuple(pod for pod in found if stage in (None, pod.stage))

    def heed(self, event: Object) -> None:
        """Take in what the cluster tells of a pod."""
        seen = view(event["object"])
        with self._lock:
            if event["type"] == "DELETED":
                self._views.pop(seen.name, None)
            else:
                self._views[seen.name] = seen
        self.changed.set()

    def follow(self, process: subprocess.Popen[bytes]) -> None:
        """Take in everything that a watch prints, until it ends."""
        assert process.stdout is not None
        rest, decoder = "", codecs.getincrementaldecoder("utf-8")("replace")
        while got := os.read(process.stdout.fileno(), 1 << 20):
            events, rest = documents(rest + decoder.decode(got))
            for event in events:
                self.heed(event)


@contextmanager
def watched(kubectl: Kubectl, namespace: str, selector: str) -> Iterator[PodWatch]:
    """Follow the pods while the block runs; a watch that breaks is begun again."""
    watch, stop = PodWatch(), threading.Event()
    thread = threading.Thread(target=_follow, args=(kubectl, namespace, selector, watch, stop), daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        stop.set()


def _follow(kubectl: Kubectl, namespace: str, selector: str, watch: PodWatch, stop: threading.Event) -> None:
    while not stop.is_set():
        with kubectl.watch("pods", namespace, selector) as process:
            threading.Thread(target=_end, args=(process, stop), daemon=True).start()
            watch.follow(process)
        stop.wait(_AGAIN_SECONDS)


def _end(process: subprocess.Popen[bytes], stop: threading.Event) -> None:
    stop.wait()
    process.kill()
