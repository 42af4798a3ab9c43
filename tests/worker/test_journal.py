from __future__ import annotations

from typing import TYPE_CHECKING

from j2k_dev.worker.journal import MOST_BYTES, Journal, Unfinished, stream_files, unfinished
from j2k_dev.worker.outputs import Collector

if TYPE_CHECKING:
    from pathlib import Path


def stream(text: str, name: str = "stdout") -> dict[str, str]:
    return {"name": name, "text": text}


def test_what_a_cell_put_out_is_read_back_as_the_collector_has_it(tmp_path: Path) -> None:
    collector = Collector()
    collector.journal = Journal(tmp_path)
    collector.start(3)
    collector.message("stream", stream("one\n"))
    collector.message("stream", stream("two\n"))
    collector.message("display_data", {"data": {"text/plain": "shown"}, "metadata": {}})
    collector.message("stream", stream("late", "stderr"), "another request")
    assert unfinished(tmp_path).outputs == collector.finished(3)
    assert unfinished(tmp_path).last_line == "two"


def test_a_cell_that_ended_leaves_nothing(tmp_path: Path) -> None:
    collector = Collector()
    collector.journal = Journal(tmp_path)
    collector.start(0)
    collector.message("stream", stream("one\n"))
    collector.stop()
    assert unfinished(tmp_path) == Unfinished()


def test_what_programs_wrote_comes_last(tmp_path: Path) -> None:
    Journal(tmp_path).note("stream", stream("printed\n"))
    stream_files(tmp_path)["stdout"].write_bytes(b"by a program\n\xff")
    (output,) = unfinished(tmp_path).outputs
    assert output["text"] == "printed\nby a program\n\ufffd"


def test_of_a_great_deal_the_latest_is_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in range(5):
        journal.note("stream", stream(f"{number}" * (MOST_BYTES // 2) + "\n"))
    journal.note("stream", stream("end\n"))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2 * MOST_BYTES
    assert unfinished(tmp_path).last_line == "end"


def test_a_line_that_a_kill_tore_is_left_out(tmp_path: Path) -> None:
    Journal(tmp_path).note("stream", stream("whole\n"))
    with (tmp_path / "messages").open("ab") as file:
        file.write(b'["stream", {"name": "std')
    assert unfinished(tmp_path).last_line == "whole"


def test_nothing_is_kept_where_nothing_began(tmp_path: Path) -> None:
    assert unfinished(tmp_path / "missing") == Unfinished()
