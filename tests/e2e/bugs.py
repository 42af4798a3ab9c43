"""Bugs to be planted into a copy of j2k, each of the kind that loses or falsifies results, and what has to notice."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import j2k_dev
from j2k_dev.scenario.catalogue import shipped


@dataclass(frozen=True)
class Bug:
    """Changes to the source, by file, and the scenario that has to notice."""

    changes: tuple[tuple[str, str, str], ...]
    method: str
    expect: str = ""


BUGS = {
    "commits before it publishes": Bug(
        (
            ("worker/attempt.py", "        return None if self.beat() else ", "        return None if True else "),
            (
                "worker/parent.py",
                "        child.start(message)\n",
                "        child.start(message)\n        self._bus.forward(delivery, ())\n",
            ),
            (
                "worker/parent.py",
                "        self._bus.forward(delivery, kept)\n",
                "        for topic, following_message in kept:\n            self._bus.send(topic, following_message)\n",
            ),
        ),
        "{fault: kill, process: worker}",
    ),
    "publishes without a temporary name": Bug(
        (
            (
                "worker/exchange.py",
                """\
            _write(temporary, content, meanwhile, durable=durable)
            placed = _link(temporary, target)
""",
                "            _write(target, content, meanwhile, durable=durable)\n            placed = True\n",
            ),
        ),
        "{fault: kill, point: publication}",
    ),
    "publishes without flushing": Bug(
        (("worker/exchange.py", "            os.fsync(file.fileno())\n", "            pass\n"),),
        "{fault: power-cut, point: published}",
        "expect: {attempts: 1}",
    ),
    "hands over a snapshot without flushing": Bug(
        (("worker/atomic.py", "            os.fsync(file.fileno())\n", "            pass\n"),),
        "{fault: power-cut, point: published}",
        "expect: {attempts: 1}",
    ),
    "retries an exception": Bug(
        (
            (
                "worker/child.py",
                "            published = exchange.publish(",
                """\
            if result.error is not None:
                os._exit(3)
            published = exchange.publish(""",
            ),
        ),
        "{fault: interrupt}",
        "expect: {outcome: raised, attempts: 1}",
    ),
    "outlives its parent": Bug(
        (
            ("worker/processes.py", "    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)\n", ""),
            ("worker/zygote.py", "            processes.end_group(worker.child)\n", "            pass\n"),
            ("worker/zygote.py", "        processes.end_strays(keep=self._workers)\n", ""),
        ),
        "{fault: kill, process: worker}",
    ),
}


def planted(bug: Bug, folder: Path) -> Path:
    """Copy j2k, change it, and return what has to be on the path."""
    package = folder / "j2k_dev"
    shutil.copytree(Path(j2k_dev.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for data in ("scenarios", "sandbox", "manifests"):  # beside the package, where it looks for them
        shutil.copytree(shipped().parent / data, folder / data)
    for file, old, new in bug.changes:
        text = (package / file).read_text()
        assert text.count(old) == 1, f"{file} has changed: plant the bug anew"
        (package / file).write_text(text.replace(old, new))
    return folder
