"""The notebook's interpreter: which one is chosen, what is asked of it, how our modules are started in it."""

import ast
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

from j2k_dev.engine import launch
from j2k_dev.engine.interpreter import Choice, Launcher, choose, launcher, probe
from j2k_dev.engine.support import LAUNCHER, support_folder
from j2k_dev.model.errors import BadInput, J2kError, MachineryFailed, Refused

OWN = Path(sys.executable)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHASHSEED", "MPLBACKEND", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("J2K_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Path]:
    """Write an executable shell script."""

    def write(text: str) -> Path:
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Make an environment without IPython and ipykernel."""
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    return tmp_path / "bare"


@pytest.fixture
def install_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a kernelspec where Jupyter looks for the user's."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share" / "jupyter"))

    def install(name: str, argv: list[str], **more: Any) -> None:
        folder = tmp_path / "share" / "jupyter" / "kernels" / name
        folder.mkdir(parents=True)
        spec = {"argv": argv, "display_name": name, "language": "python", **more}
        (folder / "kernel.json").write_text(json.dumps(spec))

    return install


KERNEL = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]


class TestChoosing:
    @pytest.mark.parametrize("kernel", ["", "python3"])
    def test_the_default_kernel_is_our_own_python_and_that_is_said(self, kernel: str) -> None:
        choice = choose(kernel, "python")
        assert (choice.python, choice.kernel) == (OWN, "python3")
        assert choice.notes == (f"the notebook runs in j2k's own Python: {OWN}",)

    def test_another_active_environment_is_pointed_out(self, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VIRTUAL_ENV", str(bare))
        choice = choose("python3", "python")
        assert choice.python == OWN
        assert choice.notes[1].endswith(f"to use it: --python {bare}/bin/python")

    def test_installed_on_its_own_j2k_takes_the_active_environment(
        self, bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tool = tmp_path / "tool"
        tool.mkdir()
        (tool / "uv-receipt.toml").touch()
        monkeypatch.setattr(sys, "prefix", str(tool))
        monkeypatch.setenv("VIRTUAL_ENV", str(bare))
        assert choose("python3", "python").python == bare / "bin" / "python"

    def test_the_kernelspec_names_python_options_and_environment(
        self, bare: Path, install_kernel: Callable[..., None]
    ) -> None:
        python = bare / "bin" / "python"
        install_kernel("science", [str(python), "-X", "dev", *KERNEL], env={"DATA": "${HOME}/data"})
        choice = choose("science", "python")
        assert (choice.python, choice.options, choice.environment) == (python, ("-X", "dev"), {"DATA": "${HOME}/data"})
        assert choice.notes == (f"the notebook runs in its kernel 'science': {python}",)

    def test_a_bare_name_means_the_environment_of_the_kernelspec(
        self, tmp_path: Path, install_kernel: Callable[..., None]
    ) -> None:
        install_kernel("here", ["python", *KERNEL])
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "python").symlink_to(OWN)
        assert choose("here", "python").python == tmp_path / "bin" / "python"

    def test_a_kernel_that_is_not_installed_is_substituted_and_that_is_said(self) -> None:
        choice = choose("gone-forever", "python")
        assert (choice.python, choice.kernel) == (OWN, "gone-forever")
        assert choice.notes[0] == "the kernel 'gone-forever' is not installed"

    def test_the_option_wins_over_the_kernel(self, bare: Path) -> None:
        assert choose("gone-forever", "python", bare / "bin" / "python") == Choice(
            bare / "bin" / "python", "gone-forever"
        )

    def test_the_option_may_name_an_environment_or_a_command(self, bare: Path) -> None:
        assert choose(python=bare).python == bare / "bin" / "python"
        assert choose(python=Path("sh")).python == Path(shutil.which("sh") or "")

    @pytest.mark.parametrize("language", ["", "bash"])
    def test_a_kernel_of_another_language_is_spoken_to_by_our_own_python(
        self, install_kernel: Callable[..., None], tmp_path: Path, language: str
    ) -> None:
        install_kernel("shell", ["sh", "-c", "true"], language="Bash")
        choice = choose("shell", language)
        assert (choice.python, choice.kernel, choice.language) == (OWN, "shell", "bash")
        assert choice.notes == (f"the notebook runs in its kernel 'shell' (bash): {shutil.which('sh')}",)
        start = launcher(choice, probe(choice), tmp_path)
        assert start.python == OWN
        assert (start.recorder, start.stage) == ("j2k_dev.recording.foreign", "j2k_dev.worker.foreign_stage")
        assert start.env() == {**os.environ, "PYTHONHASHSEED": start.env()["PYTHONHASHSEED"]}

    def test_nothing_beside_the_notebook_gets_into_what_speaks_to_a_kernel(
        self, install_kernel: Callable[..., None], tmp_path: Path
    ) -> None:
        install_kernel("shell", ["sh", "-c", "true"], language="bash")
        choice = choose("shell", "bash")
        (tmp_path / "zmq.py").write_text("raise SystemExit('the notebook's own')")
        start = launcher(choice, probe(choice), support_folder())
        told = subprocess.run(
            start.argv("j2k_dev.worker.foreign_stage"), cwd=tmp_path, env=start.env(), capture_output=True, check=False
        )
        assert b"has no attribute 'main'" in told.stderr

    def test_another_language_has_no_use_for_a_python(self, install_kernel: Callable[..., None]) -> None:
        install_kernel("shell", ["sh", "-c", "true"], language="bash")
        with pytest.raises(BadInput, match="language is bash"):
            choose("shell", "bash", OWN)

    def test_a_kernel_with_a_starter_of_its_own_is_refused_with_a_way_out(
        self, install_kernel: Callable[..., None]
    ) -> None:
        install_kernel("conda", ["conda", "run", "-n", "science", "kernel"])
        with pytest.raises(Refused, match="conda run -n science") as caught:
            choose("conda", "python")
        assert "--python PATH" in caught.value.way_out

    def test_a_damaged_kernelspec_is_bad_input(self, tmp_path: Path, install_kernel: Callable[..., None]) -> None:
        install_kernel("broken", [])
        (tmp_path / "share" / "jupyter" / "kernels" / "broken" / "kernel.json").write_text("{")
        with pytest.raises(J2kError) as caught:
            choose("broken", "python")
        assert caught.value.exit_code == 2


class TestProbing:
    def test_it_says_what_is_installed(self) -> None:
        found = probe(choose())
        assert found.executable == str(OWN)
        assert found.version == ".".join(map(str, sys.version_info[:3]))
        assert {"ipykernel", "ipython"} <= set(found.packages)

    def test_nothing_is_started_when_nothing_changed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first = probe(choose())
        monkeypatch.setattr(subprocess, "run", pytest.fail)
        monkeypatch.setattr(subprocess, "Popen", pytest.fail)
        assert probe(choose()) == first

    def test_it_notices_what_was_installed_since(self, bare: Path) -> None:
        (site,) = (bare / "lib").glob("python*/site-packages")
        for name in ("IPython", "ipykernel"):
            (site / name).mkdir()
            (site / name / "__init__.py").touch()
        choice = choose(python=bare)
        assert "late" not in probe(choice).packages
        information = site / "late-1.5.dist-info"
        information.mkdir()
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 1.5\n")
        assert probe(choice).packages["late"] == "1.5"

    def test_a_damaged_cache_is_made_anew(self, tmp_path: Path) -> None:
        first = probe(choose())
        (file,) = (tmp_path / "cache" / "interpreters").iterdir()
        file.write_text(file.read_text()[:100])
        assert probe(choose()) == first

    @pytest.mark.parametrize(
        ("program", "message"),
        [
            ('echo \'j2k-probe:{"version": "3.9.1"}\'', "is Python 3.9.1; j2k needs 3.10 or later"),
            ("true", "is not a working Python: it ended with code 0"),
            ("echo no such version >&2; exit 127", "is not a working Python: no such version"),
            ("echo 'j2k-probe:{'", "is not a working Python"),
        ],
    )
    def test_what_is_no_fit_python_is_bad_input(
        self, script: Callable[[str], Path], program: str, message: str
    ) -> None:
        with pytest.raises(BadInput, match=message) as caught:
            probe(choose(python=script(program)))
        assert "--python PATH" in caught.value.way_out

    def test_what_is_not_there_or_can_not_be_run_is_bad_input(self, tmp_path: Path) -> None:
        (tmp_path / "text").write_text("hello")
        for name, message in (("text", "Permission denied"), ("nothing", "there is no Python")):
            with pytest.raises(BadInput, match=message):
                probe(choose(python=tmp_path / name))

    def test_one_that_hangs_is_given_up(self, script: Callable[[str], Path]) -> None:
        with pytest.raises(MachineryFailed, match=r"said nothing within 0\.3 s"):
            probe(choose(python=script("exec sleep 100")), seconds=0.3)

    def test_one_without_ipykernel_is_bad_input_with_the_command_that_mends_it(self, bare: Path) -> None:
        with pytest.raises(BadInput, match="has no IPython and ipykernel") as caught:
            probe(choose(python=bare))
        assert caught.value.way_out.startswith(f"{bare}/bin/python -m pip install ipykernel")

    def test_one_whose_hashes_can_not_be_fixed_is_refused(self) -> None:
        with pytest.raises(Refused, match="ignores PYTHONHASHSEED"):
            probe(Choice(OWN, options=("-E",)))

    def test_start_up_files_may_print(self, bare: Path) -> None:
        (site,) = (bare / "lib").glob("python*/site-packages")
        (site / "noisy.pth").write_text("import sys; print('j2k-probe:noise'); print('welcome')\n")
        with pytest.raises(BadInput, match="has no IPython"):
            probe(choose(python=bare))


ASK = "import json, os, sys; print(json.dumps([sys.path, dict(os.environ)]))"
ENTRY = f"""
import tomli_w_not_here_yet as found_late
def main(arguments):
    import sys
    assert sys.argv[1:] == arguments == ["a", "b c"], (sys.argv, arguments)
    {ASK}
    return 7
"""


@pytest.fixture
def started(tmp_path: Path) -> Callable[[Launcher], tuple[list[str], dict[str, str]]]:
    """Start a module that says what it sees, in a folder that hides what the module imports."""
    support = tmp_path / "support"
    support.mkdir()
    shutil.copy(launch.__file__, support / LAUNCHER)
    (support / "entry.py").write_text(ENTRY)
    (support / "tomli_w_not_here_yet.py").touch()
    here = tmp_path / "here"
    here.mkdir()
    (here / "tomli_w_not_here_yet.py").write_text("raise SystemExit('the current folder came first')")

    def start(starter: Launcher) -> tuple[list[str], dict[str, str]]:
        argv = starter.argv("entry", "a", "b c")
        told = subprocess.run(
            argv, cwd=here, env=starter.env(), capture_output=True, text=True, timeout=60, check=False
        )
        assert told.returncode == 7, told.stderr
        path, environment = json.loads(told.stdout)
        return path, environment

    return start


def ask_jupyter(folder: Path) -> tuple[list[str], dict[str, str]]:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(ASK)])
    nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}, timeout=60).execute()
    path, environment = json.loads(notebook.cells[0].outputs[0].text)
    return path, environment


class TestLaunching:
    @pytest.mark.filterwarnings("ignore")  # jupyter_client's own, in its event loop
    def test_our_modules_see_the_path_and_environment_of_jupyters_kernel(
        self, tmp_path: Path, started: Callable[[Launcher], tuple[list[str], dict[str, str]]]
    ) -> None:
        jupyter_path, jupyter_environment = ask_jupyter(tmp_path)
        path, environment = started(Launcher(OWN, tmp_path / "support"))
        assert path == [*jupyter_path, str(tmp_path / "support")]
        theirs = {name: text for name, text in jupyter_environment.items() if name != "JPY_PARENT_PID"}
        ours = {name: text for name, text in environment.items() if name not in ("JPY_PARENT_PID", "PYTHONHASHSEED")}
        assert "JPY_PARENT_PID" in environment
        assert ours == theirs

    def test_hashes_are_the_same_in_every_process(self, monkeypatch: pytest.MonkeyPatch) -> None:
        starter = Launcher(OWN, Path("/support"))
        assert starter.env()["PYTHONHASHSEED"] == "0"
        monkeypatch.setenv("PYTHONHASHSEED", "random")
        assert starter.env()["PYTHONHASHSEED"] == "0"
        monkeypatch.setenv("PYTHONHASHSEED", "42")
        assert starter.env()["PYTHONHASHSEED"] == "42"

    def test_the_kernelspecs_environment_is_filled_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BASE", "/data")
        env = Launcher(OWN, Path("/support"), environment={"INPUT": "${BASE}/in", "BROKEN": "$NOT_SET"}).env()
        assert (env["INPUT"], env["BROKEN"]) == ("/data/in", "$NOT_SET")

    def test_the_backend_of_plots_is_the_users_or_jupyters(self, monkeypatch: pytest.MonkeyPatch) -> None:
        starter = Launcher(OWN, Path("/support"))
        assert starter.env()["MPLBACKEND"] == "module://matplotlib_inline.backend_inline"
        monkeypatch.setenv("MPLBACKEND", "agg")
        assert starter.env()["MPLBACKEND"] == "agg"

    def test_a_safe_path_stays_safe(
        self,
        tmp_path: Path,
        started: Callable[[Launcher], tuple[list[str], dict[str, str]]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("PYTHONSAFEPATH", "1")
        path, _environment = started(Launcher(OWN, tmp_path / "support"))
        assert "" not in path
        assert path[-1] == str(tmp_path / "support")

    def test_a_shim_is_replaced_by_what_it_starts(self, script: Callable[[str], Path]) -> None:
        choice = choose(python=script(f'exec {OWN} "$@"'))
        found = probe(choice)
        assert launcher(choice, found, support_folder()).python == Path(found.executable) == OWN


@pytest.mark.parametrize("name", ["launch.py", "probe.py"])
def test_what_runs_in_the_notebooks_interpreter_is_python_3_10(name: str) -> None:
    ast.parse(Path(launch.__file__).with_name(name).read_text(), feature_version=(3, 10))
    assert os.access(Path(launch.__file__).with_name(name), os.R_OK)
