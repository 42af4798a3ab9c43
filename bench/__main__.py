"""``python -m bench [NAME]…``: measure, print, and write docs/performance.md; nothing here fails for being slow."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import again, cluster, handover, images, overhead, planning, promotion, sandbox, scenarios, whole_run
from bench.machine import describe
from bench.measure import Result, Setting, WrongResult
from bench.page import page
from j2k_dev.model.codec import from_plain, to_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS: dict[str, Callable[[Setting], Result]] = {
    "run": whole_run.measure,
    "overhead": overhead.measure,
    "handover": handover.measure,
    "planning": planning.measure,
    "again": again.measure,
    "sandbox": sandbox.measure,
    "images": images.measure,
    "cluster": cluster.measure,
    "scenarios": scenarios.measure,
    "promotion": promotion.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for, everything by default."""
    options = _parser().parse_args(arguments)
    names = options.names or list(BENCHMARKS)
    results = {} if options.quick else _kept(options.results, names)
    with tempfile.TemporaryDirectory(prefix="j2k-bench-", dir=options.folder) as folder:
        setting = Setting(Path(folder), Path(sys.executable).parent, options.quick)
        _quiet_surroundings(setting)
        machine = describe(setting.folder)
        for name in names:
            if result := _measured(name, setting):
                results[name] = result
                _publish(options, results, machine)
    print(_page(results, machine))
    return 0 if set(names) <= set(results) else 1


def _publish(options: argparse.Namespace, results: dict[str, Result], machine: dict[str, str]) -> None:
    """Write what there is so far, so that nothing is lost where a later benchmark is interrupted."""
    if options.quick:
        return
    plain = {"machine": machine, "results": {name: to_plain(result) for name, result in results.items()}}
    options.results.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    options.page.write_text(_page(results, machine), encoding="utf-8")


def _page(results: dict[str, Result], machine: dict[str, str]) -> str:
    return page([results[name] for name in BENCHMARKS if name in results], machine)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument(
        "--quick", action="store_true", help="few repetitions, to see that it works; nothing is written"
    )
    parser.add_argument("--folder", type=Path, help="where to work (a disk, not memory); the system's temporary folder")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "performance.md", help="where the page goes")
    parser.add_argument(
        "--results", type=Path, default=ROOT / "bench" / "results.json", help="all values; those not measured now stay"
    )
    return parser


def _quiet_surroundings(setting: Setting) -> None:
    """Keep what peers write at home, and IPython's history, in our folder; nobody reports usage."""
    os.environ["J2K_ENGINE"] = "local"  # what runs on a cluster says so
    os.environ["IPYTHONDIR"] = str(setting.fresh("ipython"))
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    os.environ["DO_NOT_TRACK"] = "1"
    # Compiled modules are kept, as on most machines: else whoever has more modules would be measured compiling them.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def _measured(name: str, setting: Setting) -> Result | None:
    """Measure one benchmark; one whose commands fail, or give something wrong, has no numbers."""
    print(f"{name} …", file=sys.stderr, flush=True)
    started = time.monotonic()
    try:
        result = BENCHMARKS[name](setting)
    except WrongResult as error:
        print(f"{name} FAILED: {error}", file=sys.stderr, flush=True)
        return None
    return dataclasses.replace(result, seconds=time.monotonic() - started)


def _kept(path: Path, measured: Sequence[str]) -> dict[str, Result]:
    """Read what was measured before and not now, so that one benchmark can be run again by itself."""
    if not path.exists():
        return {}
    plain: dict[str, Any] = json.loads(path.read_bytes())
    return {
        name: from_plain(Result, result)
        for name, result in plain["results"].items()
        if name in BENCHMARKS and name not in measured
    }


if __name__ == "__main__":
    sys.exit(main())
