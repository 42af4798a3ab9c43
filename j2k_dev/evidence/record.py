"""``evidence.json`` of a workspace: the latest verdict on each notebook, scenario and engine, signed entry by entry.

What is signed is the canonical form of an entry: the line ``j2k.dev/evidence/v1``, then all of its fields but the
signature, as ASCII JSON with sorted keys and no spaces. Seconds are whole milliseconds written as decimal fractions
(Python's shortest form, ``12.0`` or ``12.345``), so that reading and writing them changes nothing; no other number is a
fraction, and none is infinite.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from j2k_dev.engine.workspace import unwritable, write_json
from j2k_dev.evidence.alone import alone
from j2k_dev.model.codec import CodecError, from_plain, to_plain
from j2k_dev.model.errors import Refused
from j2k_dev.model.scenario import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from j2k_dev.evidence.keys import Keyring, SigningKey

EVIDENCE = "evidence.json"
LOCK = "evidence.lock"
DAMAGED = "evidence.damaged.json"
SCHEMA = "j2k.dev/evidence/v1"
# The plain verification of a run, without a fault: its scenario and its verdict.
VERIFY = "verify"
EQUAL: Final = "equal"
Proven = Literal[Verdict, "equal"]
# What is wrong with what claims to be evidence; ``earlier``: there is a later entry about the same.
Doubtful = Literal["damaged", "unsigned", "unknown key", "edited", "earlier"]

_MILLISECONDS = 3  # digits
_AGAIN = "verify it again"


@dataclass(frozen=True)
class Entry:
    """A verdict and all that it holds for. Times in seconds since the epoch, and in seconds, to the millisecond.

    ``of`` maps the name of each thing that was verified (``notebook``, ``image fit``, ``manifests``, …) to its hash,
    ``versions`` what it was verified with (j2k, python, kubernetes, …) to its version. ``struck`` tells of each fault
    in words, ``attempts`` has the number of each stage. ``key`` is the fingerprint of whose ``signature`` it is.
    """

    notebook: str
    scenario: str
    engine: str
    title: str
    verdict: Proven
    run: str
    started: float
    seconds: float
    recovery: float | None = None
    of: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    struck: tuple[str, ...] = ()
    attempts: dict[str, int] = field(default_factory=dict)
    key: str = ""
    signature: str = ""

    @property
    def about(self) -> tuple[str, str, str]:
        """What there is one entry for: notebook, scenario, engine."""
        return self.notebook, self.scenario, self.engine


@dataclass(frozen=True)
class Doubt:
    """What claims to be evidence and is none: what it says that it is about, why it counts for nothing, what to do.

    ``notebook``, ``scenario`` and ``engine`` are empty where that can't be read; nothing in them is verified.
    """

    why: str
    way_out: str
    notebook: str = ""
    scenario: str = ""
    engine: str = ""
    kind: Doubtful = "damaged"


@dataclass(frozen=True)
class Evidence:
    """What a workspace has: entries whose signatures were verified, and what counts for nothing."""

    entries: tuple[Entry, ...] = ()
    doubts: tuple[Doubt, ...] = ()

    def find(self, notebook: str, scenario: str, engine: str) -> Entry | None:
        """Return the entry about this, or None."""
        return next((entry for entry in self.entries if entry.about == (notebook, scenario, engine)), None)


def add(workspace_root: Path, entry: Entry, key: SigningKey, note: Callable[[str], None] = lambda _text: None) -> Entry:
    """Sign an entry and put it in the place of an earlier one about the same; return it as it was signed.

    A damaged file is put aside, with a note; Refused where another version of j2k wrote it.
    """
    signed = sign(entry, key)
    path = workspace_root / EVIDENCE
    try:
        with alone(workspace_root / LOCK):
            others = [plain for plain in _kept(path, note) if _claimed(plain) != signed.about]
            write_json(path, {"schema": SCHEMA, "entries": [*others, to_plain(signed)]})
    except OSError as error:
        raise unwritable(error, workspace_root) from error
    return signed


def read(workspace_root: Path, keys: Keyring | None = None) -> Evidence:
    """Read the evidence of a workspace and verify each entry, by default with all keys that are known here.

    Whatever does not verify is a Doubt: nothing of it is evidence, and nothing is raised.
    """
    path = workspace_root / EVIDENCE
    try:
        plain = _entries(path)
    except (OSError, ValueError) as error:
        return Evidence(doubts=(_doubt_of_file(path, error),))
    if keys is None:
        from j2k_dev.evidence.keys import keyring  # noqa: PLC0415 - what it needs takes 0.1 s to import

        keys = keyring()
    judged = [_judged(each, keys) for each in plain]
    doubts = [each for each in judged if isinstance(each, Doubt)]
    entries, earlier = _latest([each for each in judged if isinstance(each, Entry)])
    return Evidence(tuple(entries), (*doubts, *earlier))


def claims(workspace_root: Path, about: tuple[str, str, str]) -> str:
    """Name the run that an entry about this (notebook, scenario, engine) says that it is of; nothing is verified."""
    with suppress(OSError, ValueError):
        return next(
            (str(plain.get("run")) for plain in _entries(workspace_root / EVIDENCE) if _claimed(plain) == about), ""
        )
    return ""


def sign(entry: Entry, key: SigningKey) -> Entry:
    """Sign an entry: its seconds are rounded to milliseconds before, and whole ones become fractions."""
    recovery = None if entry.recovery is None else round(entry.recovery, _MILLISECONDS)
    started, seconds = round(entry.started, _MILLISECONDS), round(entry.seconds, _MILLISECONDS)
    named = replace(entry, started=started, seconds=seconds, recovery=recovery, key=key.public.fingerprint)
    same = from_plain(Entry, to_plain(named))
    return replace(same, signature=key.sign(canonical(same)))


def canonical(entry: Entry) -> bytes:
    """Write down what is signed of an entry; ValueError where a number is infinite."""
    plain = to_plain(entry)
    del plain["signature"]
    told = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return f"{SCHEMA}\n{told}".encode("ascii")


def stale(entry: Entry, of_now: Mapping[str, str], versions_now: Mapping[str, str]) -> tuple[str, ...]:
    """Say in words what is not as it was when this was verified; nothing is said where all is the same."""
    return (*_changes(entry.of, of_now, _changed), *_changes(entry.versions, versions_now, _moved))


def _changes(then: Mapping[str, str], now: Mapping[str, str], told: Callable[[str, str, str], str]) -> Iterator[str]:
    yield from (told(name, then[name], now[name]) for name in then if name in now and then[name] != now[name])
    yield from (f"new since: {_thing(name)}" for name in now if name not in then)
    yield from (f"gone: {_thing(name)}" for name in then if name not in now)


def _changed(name: str, _then: str, _now: str) -> str:
    return f"the {_thing(name)} changed"


def _moved(name: str, then: str, now: str) -> str:
    return f"{name} was {then} and is {now}"


def _thing(name: str) -> str:
    kind, _, whose = name.partition(" ")
    return f"image of {whose}" if kind == "image" and whose else name


# --- the file ---------------------------------------------------------------------------------------------------------


class _OtherSchemaError(ValueError):
    """The file was written by another version of j2k."""


def _entries(path: Path) -> list[Any]:
    """Read the entries as they are, nothing verified; ValueError where the file is damaged."""
    try:
        plain = json.loads(path.read_bytes())
    except FileNotFoundError:
        return []
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(plain, dict) or not isinstance(plain.get("schema"), str):
        raise ValueError("it has no schema")  # noqa: TRY004 - a ValueError like those of json
    if plain["schema"] != SCHEMA:
        raise _OtherSchemaError(f"it is written in {plain['schema']:.80}, and this j2k reads {SCHEMA}")
    if not isinstance(plain.get("entries"), list):
        raise ValueError("it has no entries")  # noqa: TRY004 - see above
    return list(plain["entries"])


def _kept(path: Path, note: Callable[[str], None]) -> list[Any]:
    """Read what is kept beside a new entry, also what counts for nothing now: its key may be trusted later."""
    try:
        return _entries(path)
    except _OtherSchemaError as error:
        raise Refused(
            f"{path} can't be added to: {error}", way_out="update j2k, or use another folder: --workspace DIR"
        ) from error
    except ValueError as error:
        path.replace(path.with_name(DAMAGED))
        note(f"{path} is damaged ({error}): it is kept as {DAMAGED}, and begun anew")
        return []


def _doubt_of_file(path: Path, error: OSError | ValueError) -> Doubt:
    if isinstance(error, OSError):
        return Doubt(f"{path} can't be read: {error.strerror}", "make it readable")
    if isinstance(error, _OtherSchemaError):
        return Doubt(f"{path} can't be read: {error}", "update j2k")
    return Doubt(f"{path} is damaged: {error}", f"put it back from a copy, or {_AGAIN}, which begins it anew")


def _claimed(plain: Any) -> tuple[Any, ...]:
    """Tell what an entry says that it is about; nothing of it is verified."""
    told = plain if isinstance(plain, dict) else {}
    return tuple(told.get(name, "") for name in ("notebook", "scenario", "engine"))


def _judged(plain: Any, keys: Keyring) -> Entry | Doubt:
    """Take an entry for evidence if its signature says so."""
    try:
        entry = from_plain(Entry, plain)
        content = canonical(entry)
    except (ValueError, OverflowError) as error:
        problem = str(error) if isinstance(error, CodecError) else "a number in it is out of range"
        return _doubted(plain, f"it is no entry that j2k wrote: {problem}", _AGAIN)
    if not entry.signature or not entry.key:
        return _doubted(plain, "it is not signed", _AGAIN, "unsigned")
    key = keys.find(entry.key)
    if key is None:
        own = "".join(f"; {problem}" for problem in keys.problems)
        way_out = f"if you trust whoever signed it, get the public key: j2k key --trust FILE; else {_AGAIN}"
        told = f"it is signed with the key {entry.key:.40}, which is not known here{own}"
        return _doubted(plain, told, way_out, "unknown key")
    if not key.verifies(content, entry.signature):
        return _doubted(plain, "its signature does not fit: it was changed after it was signed", _AGAIN, "edited")
    return entry


def _doubted(plain: Any, why: str, way_out: str, kind: Doubtful = "damaged") -> Doubt:
    notebook, scenario, engine = (name if isinstance(name, str) else "" for name in _claimed(plain))
    return Doubt(why, way_out, notebook, scenario, engine, kind)


def _latest(entries: list[Entry]) -> tuple[list[Entry], list[Doubt]]:
    """Tell apart, of entries about the same, the latest: an earlier one that was put back counts for nothing."""
    found = {entry.about: entry for entry in sorted(entries, key=lambda entry: entry.started)}
    earlier = [entry for entry in entries if entry is not found[entry.about]]
    return list(found.values()), [_superseded(entry) for entry in earlier]


def _superseded(entry: Entry) -> Doubt:
    return Doubt("there is a later one", "leave it out", *entry.about, "earlier")
