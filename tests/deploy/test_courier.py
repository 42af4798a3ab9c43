"""A real courier at the other end of a pipe, on a folder of its own: the volume that this machine does not see."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from j2k_dev.deploy import courier as courier_module
from j2k_dev.deploy.courier import Connection, Courier
from j2k_dev.deploy.reach import ByCourier
from j2k_dev.model.errors import MachineryFailed
from j2k_dev.model.run import StageResult
from j2k_dev.worker import events
from j2k_dev.worker.blobs import BlobStore
from j2k_dev.worker.exchange import Exchange
from j2k_dev.worker.files import FileEntry, manifest_to_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = "import sys; from j2k_dev.worker.courier import main; sys.exit(main(sys.argv[1:]))"
LARGE = 10 << 20

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="couriers are programs of pods")


class Ends:
    """Both ends: ``here`` is the workspace's exchange, ``there`` the volume's; ``connections`` are all there were."""

    def __init__(self, root: Path) -> None:
        self.here, self.there = root / "here", root / "there"
        self.there.mkdir()
        self.store, self.far_store = BlobStore(self.here / "blobs"), BlobStore(self.there / "blobs")
        self.connections: list[Connection] = []
        self.courier = Courier(self.connect, self.store)

    def connect(self) -> Connection:
        self.connections.append(Connection([sys.executable, "-c", START, "serve", str(self.there)]))
        return self.connections[-1]

    def cut(self) -> None:
        """Kill the courier that answers."""
        self.connections[-1]._process.kill()


@pytest.fixture
def ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ends]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    made = Ends(tmp_path)
    with closing(made.courier):
        yield made


def put(store: BlobStore, content: bytes) -> str:
    return store.put(memoryview(content)).sha256


def test_blobs_that_the_volume_lacks_are_sent_and_no_others(ends: Ends) -> None:
    contents = [b"", b"small", os.urandom(LARGE)]
    names = [put(ends.store, content) for content in contents]
    assert ends.courier.bring(names) == sum(map(len, contents))
    assert [ends.far_store.read(name) for name in names] == contents
    assert ends.courier.bring([*names, *names]) == 0


def test_a_courier_that_is_killed_in_mid_transfer_goes_on_where_it_was(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(LARGE)
    name = put(ends.store, content)
    asked: list[str] = []
    ask = Courier.ask

    def ask_and_cut(self: Courier, verb: str, given: object = None, data: bytes = b"") -> object:
        if verb == "take" and asked.count("take") == 1:
            ends.cut()
        asked.append(verb)
        return ask(self, verb, given, data)

    monkeypatch.setattr(Courier, "ask", ask_and_cut)
    assert ends.courier.bring([name]) == LARGE, "nothing was sent twice"
    assert ends.far_store.read(name) == content
    assert len(ends.connections) == 2


def test_what_an_earlier_command_had_sent_of_a_blob_is_not_sent_again(ends: Ends) -> None:
    content = os.urandom(LARGE)
    name = put(ends.store, content)
    (ends.there / "blobs").mkdir()
    (ends.there / "blobs" / f".new-courier-{name}").write_bytes(content[: 6 << 20])
    assert ends.courier.bring([name]) == LARGE - (6 << 20)
    assert ends.far_store.read(name) == content


def test_a_blob_that_arrives_with_another_content_never_counts(ends: Ends) -> None:
    content = os.urandom(LARGE)
    name = put(ends.store, content)
    (ends.there / "blobs").mkdir()
    (ends.there / "blobs" / f".new-courier-{name}").write_bytes(b"x" * (6 << 20))
    with pytest.raises(MachineryFailed, match="another content"):
        ends.courier.bring([name])
    assert not ends.far_store.has(name)
    assert ends.courier.bring([name]) == LARGE


def test_what_is_here_is_not_fetched(ends: Ends) -> None:
    contents = [os.urandom(LARGE), b"small", b""]
    names = [put(ends.far_store, content) for content in contents]
    (ends.here / "blobs").mkdir(parents=True)
    (ends.here / "blobs" / f".new-courier-{names[0]}").write_bytes(contents[0][: 1 << 20])
    assert ends.courier.fetch(names) == sum(map(len, contents)) - (1 << 20)
    assert [ends.store.read(name) for name in names] == contents
    assert ends.courier.fetch(names) == 0


def test_a_blob_that_the_volume_does_not_have_is_named(ends: Ends) -> None:
    missing = hashlib.sha256(b"?").hexdigest()
    with pytest.raises(MachineryFailed, match=f"blob {missing} is missing on the cluster's volume"):
        ends.courier.fetch([missing])


def test_a_courier_that_never_answers_is_given_up_with_what_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier_module, "_PATIENCE_SECONDS", 1.0)
    says = [sys.executable, "-c", "import sys; sys.exit('error: pods \"courier\" not found')"]
    courier = Courier(lambda: Connection(says), BlobStore(tmp_path))
    with pytest.raises(MachineryFailed, match=r'does not answer: error: pods "courier" not found') as caught:
        courier.purge()
    assert "goes on where it was" in caught.value.way_out


def test_nothing_is_written_but_files_of_runs(ends: Ends) -> None:
    with pytest.raises(MachineryFailed, match="no file of a run"):
        ends.courier.write("runs/../../elsewhere", b"")


def test_a_run_is_heard_as_it_goes_on_and_its_files_are_fetched(ends: Ends) -> None:
    reach, far, near = ByCourier(ends.courier, ends.here), Exchange(ends.there), Exchange(ends.here)
    entry = FileEntry("file", put(ends.store, b"1,2\n"), 4)
    near.inputs("r").parent.mkdir(parents=True)
    near.inputs("r").write_text(manifest_to_json({"in.csv": entry}))
    reach.bring("r", ["load", "fit"])
    assert far.inputs("r").read_bytes() == near.inputs("r").read_bytes()
    assert ends.far_store.read(entry.content) == b"1,2\n"

    history = events.History(far.events("r"), "pod-1")
    history.append(events.now("pod-1", "r", "load", 1, "started"))
    os.write(history.descriptor, b'{"torn')
    reach.hear("r", ["load", "fit"])
    assert [event.event for event in events.read_events(near.events("r"))] == ["started"]

    made = put(ends.far_store, b"plot")
    listed = put(ends.far_store, manifest_to_json({"plot.png": FileEntry("file", made, 4)}).encode())
    far.publish(StageResult("r", "load", 1, None, (), 0.1, files=listed))
    reach.hear("r", ["load", "fit"])
    assert near.read("r", "load") == far.read("r", "load")

    os.ftruncate(history.descriptor, (near.events("r") / "pod-1.jsonl").stat().st_size)
    history.append(events.now("pod-1", "r", "load", 1, "ended", {"outcome": "published"}))
    reach.hear("r", ["load", "fit"])
    reach.fetch("r", ["load", "fit"])
    assert ends.store.read(made) == b"plot"
    assert [event.event for event in events.read_events(near.events("r"))] == ["started", "ended"]
    history.close()


def test_a_result_whose_state_the_volume_lost_is_made_again(ends: Ends) -> None:
    reach, near = ByCourier(ends.courier, ends.here), Exchange(ends.here)
    near.inputs("r").parent.mkdir(parents=True)
    near.inputs("r").write_text(json.dumps({}))
    there = put(ends.far_store, manifest_to_json({}).encode())
    near.publish(StageResult("r", "load", 1, None, (), 0.1, files=there))
    near.publish(StageResult("r", "fit", 1, "0" * 64, (), 0.1, files=there))
    near.publish(StageResult("r", "plot", 1, None, (), 0.1, files=there))
    reach.bring("r", ["load", "fit", "plot"])
    assert [stage for stage in ("load", "fit", "plot") if near.read("r", stage)] == ["load"]
