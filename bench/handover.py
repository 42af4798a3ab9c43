"""Handing a large value to another process through the disk: j2k's snapshot beside pickle, joblib and Arrow."""

from __future__ import annotations

import functools
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.handover_data import ARRAY_BYTES
from bench.handover_ways import WAYS
from bench.measure import Aim, Result, Series, Setting, WrongResult, in_turns, of, run

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[1]
LEAST = 5.0

_HOW = """\
An array of 256 MiB (float64), and a table of two million rows and seven columns (integers, floats, booleans, times, \
categories, text). One process makes the value and writes it, another loads it, uses all of it once (a sum over \
every column), and hands it on unchanged. What was loaded is checked by that sum. Everybody flushes what was written \
to the disk (fsync of the file and of its folder), nobody compresses, and what is loaded is still in the cache. \
j2k writes and reads the whole state of a shell with the value in it, and hashes what it writes (SHA-256); the others \
write the value alone, without a checksum. “joblib, mmap_mode” and Arrow map the file as j2k does. Only j2k knows that \
a value has not changed since it was mapped; the others write it again."""

_FIRST_WRITE = """\
Writing for the first time goes at the pace of the disk (the others, which do not hash, are in the same table), or of \
SHA-256 on one core, whichever is slower. A faster hash that several cores can share (BLAKE3) would lift the second \
bound, and no flush to the disk the first; the one costs a compiled dependency, the other the promise that a finished \
stage survives a power cut."""
_READ = (
    "Reading is mapping; using it the first time takes the page faults, 4 KiB each: larger pages would make them fewer."
)
_UNCHANGED = "The page table is read (8 bytes per 4 KiB of data), and the skeleton of the state is written and flushed."


def measure(setting: Setting) -> Result:
    """Measure array and table."""
    array = _rates(_measure(setting, "array"))
    table = _measure(setting, "table")
    return Result("handover", "Handing over 256 MiB, and two million rows", _HOW, (*array, *table), tuple(_aims(array)))


def _aims(series: tuple[Series, ...]) -> list[Aim]:
    rows = (("first write", _FIRST_WRITE), ("load and first use", _READ), ("unchanged", _UNCHANGED))
    aims = []
    for what, takes in rows:
        rate = of(series, "j2k", f"256 MiB array: {what}").median
        best = max(one.median for one in series if one.what == f"256 MiB array: {what}" and one.contender != "j2k")
        told = f"{rate:.1f} GB/s (best of the others: {best:.1f})"
        aims.append(Aim(f"256 MiB array, {what}: 5 GB/s or more", told, rate >= LEAST, takes))
    written = max(of(series, "j2k", "256 MiB array: written when unchanged").values)
    told = f"{written / 1000:.0f} kB, all of it the skeleton of the state"
    aims.append(Aim("256 MiB array, unchanged: nothing of it is written", told, written < 1e6, ""))
    return aims


def _rates(series: tuple[Series, ...]) -> tuple[Series, ...]:
    def rate(one: Series) -> Series:
        if one.unit != "s":
            return one
        return Series(one.contender, one.what, "GB/s", tuple(ARRAY_BYTES / 1e9 / value for value in one.values))

    return tuple(map(rate, series))


def _measure(setting: Setting, kind: str) -> tuple[Series, ...]:
    named = {"array": "256 MiB array", "table": "2 M rows"}[kind]
    folder = setting.fresh(f"handover-{kind}")
    units = {
        f"{named}: first write": "s",
        f"{named}: load": "s",
        f"{named}: load and first use": "s",
        f"{named}: unchanged": "s",
        f"{named}: one number changed": "s",
        f"{named}: written when unchanged": "bytes",
    }
    contenders = {way: functools.partial(_hand_over, folder, way, kind, named) for way in WAYS}
    return in_turns(contenders, setting.repetitions(5), units)


def _hand_over(folder: Path, way: str, kind: str, named: str, repetition: int) -> Mapping[str, float]:
    own = folder / f"{way}-{repetition}"
    own.mkdir()
    saved, loaded = (_side(way, action, kind, own) for action in ("save", "load"))
    shutil.rmtree(own)
    if saved["sum"] != loaded["sum"]:
        raise WrongResult(f"{way}: the {kind} that was loaded is not the one that was saved")
    found = {
        "first write": saved["write"],
        "load": loaded["load"],
        "load and first use": loaded["load"] + loaded["first use"],
        "unchanged": loaded["unchanged"],
        "written when unchanged": loaded["written unchanged"],
    }
    if "changed" in loaded:
        found["one number changed"] = loaded["changed"]
    return {f"{named}: {what}": value for what, value in found.items()}


def _side(way: str, action: str, kind: str, own: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.handover_side", way, action, kind, str(own)]
    numbers: dict[str, float] = json.loads(run(command, own, {"PYTHONPATH": str(ROOT)}).output)
    return numbers
