"""A kernel of another language: what its cells give, and what becomes of the process that speaks to it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from j2k_dev.model.errors import MachineryFailed
from j2k_dev.worker.foreign import ASKED, ForeignKernel, running

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.filterwarnings("ignore")  # jupyter_client's own, in its event loop

ODD = Path(__file__).with_name("odd_kernel.py")


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Install the kernel where Jupyter looks."""
    share = tmp_path_factory.mktemp("share")
    folder = share / "kernels" / "odd"
    folder.mkdir(parents=True)
    argv = [sys.executable, str(ODD), "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "odd", "language": "odd"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(share))
        yield


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def kernel(work: Path) -> Iterator[ForeignKernel]:
    with running("odd", work, work.with_name("kernel.json")) as kernel:
        yield kernel


def is_alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def test_cells_share_one_kernel_and_give_their_outputs(kernel: ForeignKernel) -> None:
    assert kernel.run("say a\nsay b\nset 7", 0).outputs == (
        {"output_type": "stream", "name": "stdout", "text": "a\nb\n"},
    )
    run = kernel.run("get", 1)
    result = {"output_type": "execute_result", "data": {"text/plain": "7"}, "metadata": {}}
    assert run.outputs == ({**result, "execution_count": run.execution_count},)
    assert run.error is None
    assert run.wall_seconds > 0


def test_what_a_kernel_left_out_is_filled_in_and_what_nobody_knows_is_left_out(kernel: ForeignKernel) -> None:
    shown = {"output_type": "display_data", "data": {"text/plain": "first"}, "metadata": {}}
    assert kernel.run("show first", 2).outputs == (shown,)
    assert kernel.run("update second", 3).outputs == ()
    assert kernel.collector.finished(2) == ({**shown, "data": {"text/plain": "second"}},)


def test_what_comes_late_is_still_the_cells_that_it_is_of(kernel: ForeignKernel) -> None:
    assert kernel.run("late a\nsay b", 8).outputs == ({"output_type": "stream", "name": "stdout", "text": "b\n"},)
    kernel.run("late c", 9)
    kernel.settle()
    assert [kernel.collector.finished(cell)[-1]["text"] for cell in (8, 9)] == ["b\na\n", "c\n"]


def test_it_runs_in_the_working_directory(kernel: ForeignKernel, work: Path) -> None:
    kernel.run("write a.txt", 4)
    assert (work / "a.txt").read_text() == "odd"


def test_an_error_is_what_the_kernel_answers_and_the_next_cell_runs(kernel: ForeignKernel) -> None:
    run = kernel.run("say before\nfail no luck", 5)
    assert [output["output_type"] for output in run.outputs] == ["stream", "error"]
    assert run.outputs[1].keys() == {"output_type", "ename", "evalue", "traceback"}
    assert run.error is not None
    assert (run.error.ename, run.error.evalue, run.error.traceback) == ("Failure", "no luck", ("line 1",))
    assert kernel.run("get", 6).error is None


def test_an_answer_that_is_no_result_is_an_error(kernel: ForeignKernel) -> None:
    error = kernel.run("abort", 7).error
    assert error is not None
    assert (error.ename, error.evalue) == ("Error", "the kernel answers 'abort'")


def test_its_memory_is_known(kernel: ForeignKernel) -> None:
    kernel.reset_peak()
    assert kernel.peak_bytes() > 1 << 20


def test_a_cell_that_asks_is_told_that_nobody_answers(work: Path) -> None:
    with running("odd", work, work.with_name("asks.json")) as kernel:
        error = kernel.run("ask", 0).error
        process = kernel.process
    assert error is not None
    assert error.ename == ASKED
    assert "nobody is there to answer" in error.evalue
    assert not is_alive(process)
    assert not work.with_name("asks.json").exists()


def test_a_kernel_that_does_not_start_is_named(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODD_ENDS_AT_ONCE", "4")
    with (
        pytest.raises(MachineryFailed, match="the kernel 'odd' ended at once with exit status 4"),
        running("odd", work, work.with_name("never.json")),
    ):
        pass


SPEAK = """
import sys
from pathlib import Path
from j2k_dev.worker.foreign import running
with running("odd", Path.cwd(), Path("kernel.json")) as kernel:
    print(kernel.process, flush=True)
    print(kernel.run(sys.argv[1], 0))
"""


def speak(work: Path, order: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SPEAK, order], cwd=work, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(("order", "code"), [("exit 3", 3), ("exit 0", 0), ("die SIGKILL", -9), ("die SIGSEGV", -11)])
def test_who_speaks_to_it_ends_as_it_ends(work: Path, order: str, code: int) -> None:
    process = speak(work, order)
    said, log = process.communicate(timeout=60)
    assert process.returncode == code
    assert len(said.splitlines()) == 1
    assert "the kernel 'odd' has ended" in log


def test_it_ends_when_who_speaks_to_it_is_killed(work: Path) -> None:
    process = speak(work, "ask")
    assert process.stdout
    kernel = int(process.stdout.readline())
    ended = os.pidfd_open(kernel)
    process.kill()
    process.communicate()
    assert select.select([ended], [], [], 30)[0]
    os.close(ended)
