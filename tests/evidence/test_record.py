"""The file of evidence: what was signed is read, what was changed is doubted, nothing is lost, nothing is raised."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from j2k_dev.engine.removal import remove
from j2k_dev.engine.workspace import Workspace
from j2k_dev.evidence.keys import SigningKey, trust
from j2k_dev.evidence.record import (
    DAMAGED,
    EVIDENCE,
    LOCK,
    SCHEMA,
    Doubt,
    Entry,
    Evidence,
    add,
    canonical,
    read,
    sign,
    stale,
)
from j2k_dev.model.codec import to_plain
from j2k_dev.model.errors import BadInput, Refused
from tests.evidence.processes import at_once, killed_at_each_line


def the_doubt(root: Path) -> Doubt:
    """Give the one doubt there is, and see that nothing is taken for evidence."""
    found = read(root)
    assert found.entries == ()
    (doubt,) = found.doubts
    return doubt


def put(root: Path, *plain: object) -> None:
    (root / EVIDENCE).write_text(json.dumps({"schema": SCHEMA, "entries": plain}))


def plain_entries(root: Path) -> list[dict[str, Any]]:
    return list(json.loads((root / EVIDENCE).read_bytes())["entries"])


class TestAdding:
    def test_what_was_added_is_read(self, root: Path, entry: Entry, key: SigningKey) -> None:
        added = add(root, entry, key)
        assert read(root) == Evidence((added,))
        assert added.key == key.public.fingerprint
        assert replace(added, key="", signature="") == replace(entry, started=1_767_268_800.123)

    def test_before_anything_is_added_there_is_nothing(self, root: Path) -> None:
        assert read(root) == Evidence()

    def test_it_takes_the_place_of_an_earlier_one_about_the_same(
        self, root: Path, entry: Entry, key: SigningKey
    ) -> None:
        other = [
            add(root, replace(entry, **{name: "other"}), key)  # type: ignore[arg-type]  # all three are texts
            for name in ("notebook", "scenario", "engine")
        ]
        add(root, entry, key)
        later = add(root, replace(entry, verdict="broken", started=entry.started + 1), key)
        assert read(root) == Evidence((*other, later))
        assert read(root).find(*entry.about) == later
        assert read(root).find("none", "none", "none") is None

    def test_a_plain_verification_is_evidence_too(self, root: Path, entry: Entry, key: SigningKey) -> None:
        plain = Entry("a.ipynb", "verify", "local", "Same results", "equal", "r1", started=1, seconds=2, of=entry.of)
        add(root, plain, key)
        (found,) = read(root).entries
        assert (found.verdict, found.seconds, found.recovery) == ("equal", 2.0, None)

    def test_names_in_any_writing_are_signed(self, root: Path, entry: Entry, key: SigningKey) -> None:
        odd = replace(entry, notebook="an\udce4lysis ☃.ipynb", title='"\\\n\x00\u2028\U0001f680')
        assert read(root).doubts == ()
        assert add(root, odd, key) == read(root).entries[0]

    @pytest.mark.parametrize("number", [float("nan"), float("inf")])
    def test_what_is_no_number_of_seconds_is_not_signed(self, entry: Entry, key: SigningKey, number: float) -> None:
        with pytest.raises(ValueError, match="not JSON compliant"):
            sign(replace(entry, recovery=number), key)

    def test_several_processes_at_once_lose_nothing(self, root: Path, entry: Entry, key: SigningKey) -> None:
        each = 10

        def add_some(number: int) -> None:
            for turn in range(each):
                add(root, replace(entry, scenario=f"{number}-{turn}"), key)

        at_once(add_some, 4)
        found = read(root)
        assert not found.doubts
        assert {it.scenario for it in found.entries} == {
            f"{number}-{turn}" for number in range(4) for turn in range(each)
        }

    def test_killed_at_any_moment_it_is_added_or_not(self, root: Path, entry: Entry, key: SigningKey) -> None:
        old = add(root, entry, key)
        before = (root / EVIDENCE).read_bytes()
        new = sign(replace(entry, scenario="new"), key)
        seen: list[tuple[Entry, ...]] = []

        def look(_line: int) -> None:
            found = read(root)
            assert not found.doubts
            seen.append(found.entries)
            (root / EVIDENCE).write_bytes(before)

        killed_at_each_line(lambda _line: add(root, new, key), look)
        assert seen[0] == (old,)
        assert seen[-1] == (old, new)
        assert all(entries in ((old,), (old, new)) for entries in seen)
        remove(Workspace(root))
        assert not root.exists()

    def test_a_folder_that_can_not_be_written_is_said(self, entry: Entry, key: SigningKey) -> None:
        with pytest.raises(BadInput, match="the workspace /proc/none can't be written") as caught:
            add(Path("/proc/none"), entry, key)
        assert "--workspace DIR" in caught.value.way_out

    def test_a_damaged_file_is_put_aside_and_said(self, root: Path, entry: Entry, key: SigningKey) -> None:
        (root / EVIDENCE).write_text("{")
        notes: list[str] = []
        added = add(root, entry, key, notes.append)
        assert read(root) == Evidence((added,))
        assert (root / DAMAGED).read_text() == "{"
        assert "it is kept as evidence.damaged.json, and begun anew" in notes[0]

    def test_a_file_of_another_version_is_not_touched(self, root: Path, entry: Entry, key: SigningKey) -> None:
        content = json.dumps({"schema": "j2k.dev/evidence/v2", "entries": {}})
        (root / EVIDENCE).write_text(content)
        with pytest.raises(Refused, match=r"written in j2k\.dev/evidence/v2, and this j2k reads j2k\.dev/evidence/v1"):
            add(root, entry, key)
        assert (root / EVIDENCE).read_text() == content

    def test_what_counts_for_nothing_now_is_kept_beside_it(
        self, root: Path, entry: Entry, key: SigningKey, theirs: SigningKey
    ) -> None:
        strange = add(root, replace(entry, engine="local"), theirs)
        own = add(root, entry, key)
        assert read(root).entries == (own,)
        trust(theirs.public_path)
        assert read(root).entries == (strange, own)

    def test_down_removes_it(self, root: Path, entry: Entry, key: SigningKey) -> None:
        (root / EVIDENCE).write_text("{")
        add(root, entry, key)
        assert {EVIDENCE, LOCK, DAMAGED} <= set(remove(Workspace(root)).names)
        assert not root.exists()


class TestDoubt:
    """Whatever is done to the file, what is read of it is what was signed, or nothing."""

    def test_a_file_that_is_cut_off_anywhere_is_no_evidence(self, root: Path, entry: Entry, key: SigningKey) -> None:
        add(root, entry, key)
        whole = (root / EVIDENCE).read_bytes()
        for length in range(len(whole)):
            (root / EVIDENCE).write_bytes(whole[:length])
            assert f"{EVIDENCE} is damaged" in the_doubt(root).why

    def test_any_byte_that_is_another_makes_it_no_evidence(self, root: Path, entry: Entry, key: SigningKey) -> None:
        add(root, entry, key)
        whole = (root / EVIDENCE).read_bytes()
        for place in range(len(whole)):
            edited = bytearray(whole)
            edited[place] ^= 1
            (root / EVIDENCE).write_bytes(edited)
            assert the_doubt(root).why

    EDITED = {  # noqa: RUF012 - the tests only read it
        "notebook": "analysis.ipync",
        "scenario": "kill-stage-3",
        "engine": "kine",
        "title": "Die Stufe fällt ans",
        "verdict": "invalid",
        "run": "20260101-120000-abce",
        "started": 1_767_268_800.124,
        "seconds": 42.126,
        "recovery": None,
        "of": {"notebook": "ab13", "image fit": "cd34", "manifests": "ef56"},
        "versions": {"j2k": "0.1.0"},
        "struck": [],
        "attempts": {"load": 1, "fit": 1},
        "key": "0000-0000-0000-0000-0000",
        "signature": 128 * "0",
    }

    @pytest.mark.parametrize("name", [each.name for each in fields(Entry)])
    def test_an_edited_field_is_noticed(self, root: Path, entry: Entry, key: SigningKey, name: str) -> None:
        plain = to_plain(add(root, entry, key))
        put(root, plain)
        assert len(read(root).entries) == 1
        put(root, plain | {name: self.EDITED[name]})
        doubt = the_doubt(root)
        noticed = (
            "0000-0000-0000-0000-0000, which is not known here" if name == "key" else "changed after it was signed"
        )
        assert noticed in doubt.why
        assert doubt.scenario == ("kill-stage-3" if name == "scenario" else "kill-stage-2")

    def test_the_doubt_is_about_one_entry_and_the_others_count(self, root: Path, entry: Entry, key: SigningKey) -> None:
        good = add(root, entry, key)
        put(root, to_plain(good), to_plain(good) | {"engine": "local"}, "odd", {}, None)
        found = read(root)
        assert found.entries == (good,)
        assert [doubt.engine for doubt in found.doubts] == ["local", "", "", ""]

    def test_a_new_verdict_clears_the_doubt(self, root: Path, entry: Entry, key: SigningKey) -> None:
        put(root, to_plain(sign(entry, key)) | {"verdict": "survived late"})
        assert the_doubt(root).why
        added = add(root, entry, key)
        assert read(root) == Evidence((added,))

    @pytest.mark.parametrize("name", ["key", "signature"])
    def test_what_is_not_signed_is_no_evidence(self, root: Path, entry: Entry, key: SigningKey, name: str) -> None:
        put(root, to_plain(sign(entry, key)) | {name: ""})
        assert the_doubt(root).why == "it is not signed"

    @pytest.mark.parametrize(
        ("name", "value"),
        [("started", 10**400), ("seconds", float("nan")), ("recovery", float("inf")), ("of", []), ("colour", "blue")],
    )
    def test_what_j2k_never_writes_is_no_evidence(
        self, root: Path, entry: Entry, key: SigningKey, name: str, value: object
    ) -> None:
        put(root, to_plain(sign(entry, key)) | {name: value})
        assert "it is no entry that j2k wrote" in the_doubt(root).why

    def test_it_counts_once_the_key_of_whoever_signed_it_is_trusted(
        self, root: Path, entry: Entry, key: SigningKey, theirs: SigningKey
    ) -> None:
        signed = add(root, entry, theirs)
        doubt = the_doubt(root)
        assert f"signed with the key {theirs.public.fingerprint}, which is not known here" in doubt.why
        assert "j2k key --trust FILE" in doubt.way_out
        trust(theirs.public_path)
        assert read(root) == Evidence((signed,))

    def test_a_trusted_name_on_the_signature_of_another_does_not_count(
        self, root: Path, entry: Entry, key: SigningKey, theirs: SigningKey
    ) -> None:
        put(root, to_plain(sign(entry, theirs)) | {"key": key.public.fingerprint})
        assert "changed after it was signed" in the_doubt(root).why

    def test_what_a_key_signed_that_others_can_read_does_not_count(
        self, root: Path, entry: Entry, key: SigningKey
    ) -> None:
        add(root, entry, key)
        key.path.chmod(0o644)
        assert "others can read" in the_doubt(root).why
        assert f"chmod 600 '{key.path}'" in the_doubt(root).why

    def test_an_earlier_verdict_that_was_put_back_does_not_count(
        self, root: Path, entry: Entry, key: SigningKey
    ) -> None:
        earlier = sign(entry, key)
        later = sign(replace(entry, verdict="broken", started=entry.started + 1), key)
        for order in ((earlier, later), (later, earlier)):
            put(root, *map(to_plain, order))
            found = read(root)
            assert found.entries == (later,)
            assert [doubt.why for doubt in found.doubts] == ["there is a later one"]

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            ("", "is damaged"),
            ("[]", "is damaged: it has no schema"),
            ('{"entries": []}', "is damaged: it has no schema"),
            (f'{{"schema": "{SCHEMA}"}}', "is damaged: it has no entries"),
            ("[" * 100_000, "is damaged: it is nested too deeply"),
            ('{"schema": "j2k.dev/evidence/v9"}', "it is written in j2k.dev/evidence/v9"),
        ],
    )
    def test_a_file_that_is_something_else_is_said(self, root: Path, content: str, why: str) -> None:
        (root / EVIDENCE).write_text(content)
        assert why in the_doubt(root).why

    def test_a_folder_in_its_place_is_said(self, root: Path) -> None:
        (root / EVIDENCE).mkdir()
        assert "can't be read: Is a directory" in the_doubt(root).why


class TestCanonicalForm:
    def test_it_is_the_same_for_the_same_entry(self, entry: Entry, key: SigningKey) -> None:
        signed = sign(entry, key)
        turned = replace(signed, of=dict(reversed(entry.of.items())), signature="")
        assert canonical(turned) == canonical(signed)

    def test_it_is_what_it_is_said_to_be(self, key: SigningKey) -> None:
        signed = sign(
            Entry("ä", "verify", "local", "t", "equal", "r", started=12, seconds=0.0004, of={"b": "1", "a": "2"}), key
        )
        assert canonical(signed).decode() == (
            'j2k.dev/evidence/v1\n{"attempts":{},"engine":"local","key":"' + key.public.fingerprint + '",'
            '"notebook":"\\u00e4","of":{"a":"2","b":"1"},"recovery":null,"run":"r","scenario":"verify",'
            '"seconds":0.0,"started":12.0,"struck":[],"title":"t","verdict":"equal","versions":{}}'
        )


class TestStale:
    def test_nothing_is_said_where_all_is_the_same(self, entry: Entry) -> None:
        assert stale(entry, dict(entry.of), dict(entry.versions)) == ()

    def test_what_changed_is_named(self, entry: Entry) -> None:
        assert stale(
            entry, entry.of | {"notebook": "n", "image fit": "i"}, entry.versions | {"kubernetes": "1.35.1"}
        ) == (
            "the notebook changed",
            "the image of fit changed",
            "kubernetes was 1.34.0 and is 1.35.1",
        )

    def test_what_came_and_what_went_is_named(self, entry: Entry) -> None:
        of_now = {"notebook": "ab12", "manifests": "ef56", "image load": "aa", "scenario file": "bb"}
        assert stale(entry, of_now, {"j2k": "0.1.0", "kafka": "4.1"}) == (
            "new since: image of load",
            "new since: scenario file",
            "gone: image of fit",
            "new since: kafka",
            "gone: kubernetes",
        )
