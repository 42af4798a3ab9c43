"""Bad input, each with its own message and exit code, no traceback, nothing half-written, nobody left behind."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.desk import Desk, Told

pytestmark = pytest.mark.e2e

V3 = {
    "nbformat": 3,
    "nbformat_minor": 0,
    "metadata": {"name": "old"},
    "worksheets": [
        {
            "cells": [
                {"cell_type": "code", "input": "x = 20", "language": "python", "collapsed": False, "outputs": []},
                {"cell_type": "code", "input": "print(x + 1)", "language": "python", "collapsed": False, "outputs": []},
            ]
        }
    ],
}
NO_NOTEBOOKS = {
    "missing": (None, "does not exist"),
    "nothing": ("", "is empty"),
    "no-json": ('{"cells": [', "is not JSON: line 1, column 12"),
    "no-notebook": ('{"a": 1}', "is JSON, but no notebook"),
    "no-cells": ('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}', "has no cells"),
    "odd-cell": (
        '{"cells": [{"cell_type": "frob"}], "nbformat": 4, "nbformat_minor": 4}',
        "cell 0: cell_type = 'frob'",
    ),
}


def executed(desk: Desk) -> list[str]:
    """Give what the latest run has of each cell: text, or the name of what it raised."""
    runs = sorted((desk.folder / ".j2k" / "runs").iterdir(), key=lambda run: run.stat().st_mtime_ns)
    cells = json.loads((runs[-1] / "notebook.ipynb").read_text())["cells"]
    return ["".join(output.get("text") or output["ename"] for output in cell["outputs"]) for cell in cells]


class TestNoNotebook:
    @pytest.mark.parametrize("name", NO_NOTEBOOKS)
    def test_it_is_named_in_words_and_in_json(self, desk: Desk, name: str) -> None:
        content, message = NO_NOTEBOOKS[name]
        path = desk.folder / f"{name}.ipynb"
        if content is not None:
            path.write_text(content)
        before = sorted(desk.folder.iterdir())
        told, in_json = desk.j2k("up", path.name), desk.j2k("up", path.name, "--json")
        assert (told.code, in_json.code, told.stdout, in_json.stderr) == (2, 2, "", "")
        assert message in told.all
        assert message in in_json.json["error"]["message"]
        assert in_json.json["error"]["way_out"]
        assert sorted(desk.folder.iterdir()) == before

    def test_a_folder_names_the_notebooks_in_it(self, desk: Desk) -> None:
        desk.notebook("a.ipynb", "1")
        told = desk.j2k("up", ".")
        assert told.code == 2
        assert "is a folder, not a notebook way out: notebooks there: a.ipynb" in told.all

    def test_a_notebook_without_code_is_told_so(self, desk: Desk) -> None:
        desk.notebook("a.ipynb", "%MD # title")
        assert "has no code cells, so there is nothing to run" in desk.j2k("up", "a.ipynb").all

    def test_an_old_notebook_is_upgraded_and_that_is_said(self, desk: Desk) -> None:
        (desk.folder / "old.ipynb").write_text(json.dumps(V3))
        document = desk.equal("up", "old.ipynb")
        assert "notebook format 3 was upgraded to 4 while reading; the file is as it was" in document["notes"]
        assert desk.outputs(document) == ["", "21\n"]
        assert json.loads((desk.folder / "old.ipynb").read_text()) == V3


class TestTheNotebookFails:
    def test_a_syntax_error_names_cell_and_line(self, desk: Desk) -> None:
        desk.notebook("a.ipynb", "print('before')", "y = 2\nif y\n  pass")
        told = desk.j2k("up", "a.ipynb")
        assert told.code == 1
        assert "Cell 1 raised SyntaxError: expected ':'" in told.all
        assert "line 2" in told.all
        assert executed(desk) == ["before\n", "SyntaxError"]

    def test_a_cell_that_raises_shows_its_traceback_and_what_was_done_is_kept(self, desk: Desk) -> None:
        desk.notebook("a.ipynb", "print('before')", "print('partial')\n{}['rows']", "print('never')")
        told = desk.j2k("up", "a.ipynb")
        assert told.code == 1
        assert "Cell 1 raised while it ran: ------------------ print('partial') {}['rows'] ----" in told.all
        assert "----> 2 {}['rows']" in told.all
        assert "KeyError: 'rows'" in told.all
        assert executed(desk) == ["before\n", "partial\nKeyError", ""]
        document = desk.j2k("up", "a.ipynb", "--json", "--out", "results")
        assert document.code == document.json["exit_code"] == 1
        assert (document.json["verdict"], document.json["error"]["cell"]) == ("failed", 1)
        assert "KeyError" in (desk.folder / "results" / "report.html").read_text()
        assert desk.j2k("plan", "a.ipynb").code == desk.j2k("record", "a.ipynb").code == 1

    def test_an_expected_exception_is_no_failure(self, desk: Desk) -> None:
        desk.notebook("a.ipynb", "x = 1", ("1 / 0", "raises-exception"), "print(x)")
        assert desk.outputs(desk.equal("up", "a.ipynb", "--split", "cells"))[2] == "1\n"

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("import sys\nsys.exit(3)", "SystemExit: 3"),
            ("exit()", "KernelExit: the cell asked the kernel to exit"),
            ("import os\nos._exit(3)", "the cell's process ended itself with exit status 3"),
            ("import ctypes\nctypes.string_at(0)", "the cell's process was killed twice, by SIGSEGV"),
            ("import os\nos.kill(os.getpid(), 9)", "killed twice, by SIGKILL, having used up to "),
        ],
    )
    def test_a_cell_that_ends_its_process_is_named(self, desk: Desk, source: str, message: str) -> None:
        desk.notebook("a.ipynb", "print('before')", source, "print('never')")
        told = desk.j2k("up", "a.ipynb")
        assert told.code == 1
        assert message in told.all
        assert executed(desk)[0] == "before\n"
        desk.nobody_is_left()

    @pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "ctypes.string_at(0)", "os._exit(3)"])
    def test_what_a_cell_put_out_before_it_ended_its_process_is_kept(self, desk: Desk, end: str) -> None:
        by_program = "os.system('echo by a program')"
        desk.notebook("a.ipynb", f"import ctypes, os\nprint('printed')\n{by_program}\n{end}", "print('never')")
        told = desk.j2k("up", "a.ipynb")
        assert told.code == 1
        assert "Cell 0 did not end: the cell's process" in told.all
        assert "; the last it printed was 'by a program'." in told.all
        assert executed(desk) == ["printed\nby a program\n", ""]
        desk.nothing_is_half_written()

    def test_verify_names_what_the_notebook_raised(self, desk: Desk) -> None:
        desk.notebook("a.ipynb", "{}['rows']")
        desk.j2k("up", "a.ipynb")
        told = desk.j2k("verify", "a.ipynb")
        assert told.code == 1
        assert "Cell 0 raised KeyError: 'rows'. way out: mend the cell; nothing can be compared before" in told.all

    def test_a_cell_that_blocks_is_given_up_and_what_was_done_is_kept(self, desk: Desk) -> None:
        desk.notebook("a.ipynb", "print('before')", "import threading\nprint('partial')\nthreading.Event().wait()")
        told = desk.j2k("up", "a.ipynb", "--timeout", "0.5")
        assert told.code == 5
        assert "cell 1 ran longer than 0.5 s (--timeout)" in told.all
        assert executed(desk) == ["before\n", "partial\n"]
        desk.nobody_is_left()

    def test_what_blocks_in_a_stage_only_is_tried_anew_by_the_next_command(self, desk: Desk) -> None:
        # The recording is the first to make the file outside.
        blocks = f"import os, threading\nmark = {str(desk.folder.parent / 'mark')!r}\n"
        blocks += "if os.path.exists(mark):\n    threading.Event().wait()\nopen(mark, 'w').close()\nprint(2)"
        desk.notebook("a.ipynb", "print(1)", blocks)
        told = desk.j2k("up", "a.ipynb", "--timeout", "0.5")
        assert told.code == 5
        assert "cell 1 ran longer than 0.5 s (--timeout)" in told.all
        summary = json.loads(next((desk.folder / ".j2k" / "runs").glob("*/run.json")).read_text())
        assert (summary["verdict"], summary["failure"] is None) == ("failed", False)
        (desk.folder.parent / "mark").unlink()
        assert desk.outputs(desk.equal("up", "a.ipynb", "--timeout", "0.5")) == ["1\n", "2\n"]
        desk.nobody_is_left()


class TestTooMuch:
    def test_a_cell_that_prints_100_mb_takes_neither_long_nor_a_page_of_that_size(self, desk: Desk) -> None:
        desk.notebook("a.ipynb", "print('x' * 100_000_000)", "print('after')")
        told = desk.j2k("up", "a.ipynb", "--json")
        assert (told.code, told.json["verdict"]) == (0, "equal")
        report = (Path(told.json["results"]) / "report.html").read_text()
        assert len(report) < 1_000_000
        assert "100,000,000" in report or "100 MB" in report
        assert len(desk.outputs(told.json)[0]) == 100_000_001
        assert max(stage["peak_bytes"] for stage in told.json["stages"]) < 1_000_000_000


class TestLeftBehind:
    def test_threads_and_programs_are_gone_afterwards(self, desk: Desk) -> None:
        thread = "import threading\nstop = threading.Event()\nthreading.Thread(target=stop.wait).start()\nprint(1)"
        program = "import subprocess\nsleeper = subprocess.Popen(['sleep', '1234'])\nprint(2)"
        desk.notebook("a.ipynb", "print(0)", thread, program)
        desk.equal("up", "a.ipynb", "--split", "cells")
        desk.nobody_is_left()

    def test_even_a_program_that_went_into_a_session_of_its_own_is_gone(self, desk: Desk) -> None:
        daemon = "import os\nos.system('setsid sleep 1234 >/dev/null 2>&1 &')\nprint(1)"
        desk.notebook("a.ipynb", daemon, "print(2)")
        desk.equal("up", "a.ipynb")
        desk.nobody_is_left()

    def test_in_the_middle_of_the_notebook_the_boundary_is_moved_with_a_note(self, desk: Desk) -> None:
        begin = "import subprocess\nsleeper = subprocess.Popen(['sleep', '1234'])\nprint(1)"
        desk.notebook("a.ipynb", "print(0)", begin, "sleeper.kill()\nprint(sleeper.wait())", "print(3)")
        document = desk.equal("up", "a.ipynb", "--split", "cells")
        assert [stage["cells"] for stage in document["stages"]] == [[0], [1, 2], [3]]
        assert any("sleeper" in note for note in document["notes"])


class TestTheMachine:
    @pytest.fixture
    def tiny(self, tmp_path: Path) -> Iterator[Path]:
        disk = tmp_path / "tiny"
        disk.mkdir()
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], capture_output=True, check=False
        )
        if made.returncode:
            pytest.skip("SKIPPED: a small disk can be mounted by root only")
        yield disk
        subprocess.run(["umount", disk], check=True)

    def test_a_full_disk_is_named_and_after_a_repair_the_command_goes_on(self, desk: Desk, tiny: Path) -> None:
        desk.notebook("a.ipynb", "import os\na = os.urandom(900_000)\nprint(len(a))", "b = a[::-1]\nprint(len(b))", "1")
        ballast = tiny / "ballast"
        ballast.write_bytes(b"x" * 1_500_000)
        command = ("up", "a.ipynb", "--split", "cells", "--workspace", str(tiny / "w"), "--json")
        told = desk.j2k(*command)
        assert told.code == told.json["error"]["exit_code"] == 5
        assert "disk full" in told.json["error"]["message"]
        desk.nobody_is_left()
        ballast.unlink()
        told = desk.j2k(*command)
        assert (told.code, told.json["verdict"]) == (0, "equal")

    @pytest.mark.parametrize("place", ["taken/below", "/proc/below"])
    def test_an_unwritable_workspace_is_named(self, desk: Desk, place: str) -> None:
        desk.notebook("a.ipynb", "1")
        (desk.folder / "taken").touch()
        told = desk.j2k("up", "a.ipynb", "--workspace", place)
        assert told.code == 2
        assert "can't be written" in told.all
        assert "--workspace DIR" in told.all

    def test_a_python_without_ipython_is_named_with_the_command_that_mends_it(self, desk: Desk, tmp_path: Path) -> None:
        desk.notebook("a.ipynb", "1")
        bare = tmp_path / "bare"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True, timeout=60)
        told = desk.j2k("up", "a.ipynb", "--python", str(bare))
        assert told.code == 2
        assert "has no IPython and ipykernel" in told.all
        assert "-m pip install ipykernel" in told.all
        assert not (desk.folder / ".j2k").exists()

    def test_a_python_that_is_too_old_is_named(self, desk: Desk) -> None:
        desk.notebook("a.ipynb", "1")
        old = desk.folder / "python"
        # What our probe prints in a Python 3.9, which few machines have.
        old.write_text("""#!/bin/sh\necho 'j2k-probe:{"version": "3.9.18"}'\n""")
        old.chmod(stat.S_IRWXU)
        told = desk.j2k("up", "a.ipynb", "--python", str(old))
        assert told.code == 2
        assert "is Python 3.9.18; j2k needs 3.10 or later" in told.all


class TestInterrupted:
    WAITS = (
        "import os, pathlib, threading\nif {condition}:\n    pathlib.Path({mark!r}).touch()\n"
        "    threading.Event().wait(60)\nprint(2)"
    )

    @pytest.mark.parametrize("where", ["recording", "stage"])
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_says_how_to_go_on_and_then_goes_on(self, desk: Desk, where: str, number: signal.Signals) -> None:
        mark, gate = desk.folder.parent / "mark", desk.folder.parent / "gate"
        modules = "'j2k_dev.recording.recorder' in __import__('sys').modules"
        condition = f"({modules}) == {where == 'recording'} and os.path.exists({str(gate)!r})"
        desk.notebook("a.ipynb", "print(1)", self.WAITS.format(condition=condition, mark=str(mark)))
        gate.touch()
        process = desk.start("up", "a.ipynb", "--json")
        desk.until(mark.exists, process)
        process.send_signal(number)
        told = self.stopped(desk, process)
        assert told.json["error"]["way_out"] == "run the same command again to go on: j2k up a.ipynb --json"
        gate.unlink()
        again = desk.equal("up", "a.ipynb")
        assert desk.outputs(again) == ["1\n", "2\n"]
        assert set(desk.published(again).values()) == {1}
        desk.nothing_is_half_written()

    def test_verify_can_be_interrupted_too(self, desk: Desk) -> None:
        desk.notebook("a.ipynb", "print(1)")
        desk.equal("up", "a.ipynb")
        process = desk.start("verify", "a.ipynb", "--json")
        os.kill(process.pid, signal.SIGSTOP)  # wherever it is now, there it is interrupted
        process.send_signal(signal.SIGTERM)
        os.kill(process.pid, signal.SIGCONT)
        told = desk.end(process)
        assert told.code in (130, -signal.SIGTERM)  # the second: before Python had set anything up
        assert desk.equal("verify", "a.ipynb")["stages"]
        desk.nobody_is_left()

    def stopped(self, desk: Desk, process: "subprocess.Popen[str]") -> Told:
        told = desk.end(process)
        assert told.code == told.json["error"]["exit_code"] == 130
        assert "Traceback" not in told.stderr
        desk.nobody_is_left()
        return told
