"""A realistic run, made up from the model's own words: real plots and tables, a lost worker, an unstable cell."""

from __future__ import annotations

import base64
import io
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from j2k_dev.model.pipeline import Crossing, Edge, Pipeline, Stage
from j2k_dev.model.recording import CellError, CellRecord, Interpreter, Recording
from j2k_dev.model.run import Attempt, CellDifference, RunSummary, StageSummary
from tests.report.chromium import Chromium
from tests.report.consoles import console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

START = 1_741_000_000.0
BREAKOUT = "</script><script>alert(1)</script></style></textarea></title><img src=x onerror=alert(2)>"
TRACEBACK = (
    "\x1b[31m---------------------------------------------------------------------------\x1b[39m",
    "\x1b[31mZeroDivisionError\x1b[39m                         Traceback (most recent call last)",
    (
        "\x1b[36mCell\x1b[39m\x1b[36m \x1b[39m\x1b[32mIn[7]\x1b[39m\x1b[32m, line 1\x1b[39m\n"
        "\x1b[32m----> \x1b[39m\x1b[32m1\x1b[39m \x1b[43mtotal\x1b[49m\x1b[43m \x1b[49m/ \x1b[32m0\x1b[39m\n"
    ),
    "\x1b[31mZeroDivisionError\x1b[39m: division by zero",
)


@dataclass(frozen=True)
class Sample:
    notebook: dict[str, Any]
    summary: RunSummary
    pipeline: Pipeline
    recording: Recording

    def with_summary(self, **changes: Any) -> Sample:
        return replace(self, summary=replace(self.summary, **changes))


@pytest.fixture(scope="session")
def sample() -> Sample:
    pipeline = make_pipeline()
    return Sample(make_notebook(), make_summary(pipeline), pipeline, make_recording())


def code(source: str, count: int | None, *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "execution_count": count, "metadata": {}, "outputs": list(outputs)}


def markdown(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "source": source, "metadata": {}}


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def display(**bundle: Any) -> dict[str, Any]:
    kinds = {
        "html": "text/html",
        "plain": "text/plain",
        "png": "image/png",
        "svg": "image/svg+xml",
        "latex": "text/latex",
        "markdown": "text/markdown",
        "json": "application/json",
        "javascript": "application/javascript",
        "widget": "application/vnd.jupyter.widget-view+json",
    }
    data = {kinds[name]: value for name, value in bundle.items()}
    return {"output_type": "display_data", "data": data, "metadata": {}}


def result(count: int, **bundle: Any) -> dict[str, Any]:
    return {**display(**bundle), "output_type": "execute_result", "execution_count": count}


def error(ename: str = "ZeroDivisionError", evalue: str = "division by zero") -> dict[str, Any]:
    return {"output_type": "error", "ename": ename, "evalue": evalue, "traceback": list(TRACEBACK)}


def plot(kind: str = "png") -> str:
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    x = np.linspace(0, 12, 300)
    with mpl.rc_context({"svg.hashsalt": "fixed"}):
        axes.plot(x, np.sin(x) * np.exp(-x / 8), label="measured")
        axes.plot(x, np.sin(x), "--", alpha=0.5, label="undamped")
        axes.legend()
        axes.set_xlabel("time (s)")
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=100)
    return base64.b64encode(buffer.getvalue()).decode() if kind == "png" else buffer.getvalue().decode()


def table() -> str:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(6, 5)).round(4), columns=["mean", "std", "skew", "kurtosis", "p"])
    frame.insert(0, "station", ["Aachen", "Berlin", "Cottbus", "Dresden", "Essen", "Fulda"])
    return str(frame.to_html(notebook=True))


def styled() -> str:
    frame = pd.DataFrame({"a": [1.5, 2.5], "b": [3.0, 0.5]})
    html: str = '<style type="text/css">#T_x td {background-color: #fde0c5; color: black}</style>' + frame.to_html(
        table_id="T_x"
    )
    return html


def make_notebook() -> dict[str, Any]:
    widget = {"model_id": "0", "version_major": 2, "version_minor": 0}
    cells = [
        markdown("# Damped oscillations\n\nWe fit $x(t) = A e^{-\\gamma t} \\sin(\\omega t)$ to *six* stations."),
        code("import numpy as np\nimport pandas as pd\n%matplotlib inline", 1),
        markdown("## Load\n\nRaw data, see [the archive](https://example.org)."),
        code(
            'frame = pd.read_csv("stations.csv")  # one row per station\nframe.head(6)',
            2,
            result(2, html=table(), plain="   station …"),
        ),
        code(
            'for i in range(3):\n    print(f"pass {i}", end="\\r")\nprint("\\x1b[1;32mdone\\x1b[0m in 3 passes")',
            3,
            stream("pass 0\rpass 1\rpass 2\r\x1b[1;32mdone\x1b[0m in 3 passes\n"),
            stream("UserWarning: 2 rows were empty\n", "stderr"),
        ),
        markdown("## Fit\n\n| model | parameters |\n|---|---|\n| damped | 3 |\n| free | 2 |"),
        code("fig, ax = plt.subplots()\nax.plot(t, x)", 4, display(png=plot(), plain="<Figure size 640x360>")),
        code("import time\ntime.time()", 5, result(5, plain="1741000003.123")),
        code(
            "class Model:\n    def __init__(self, gamma: float = 0.1):\n        self.gamma = gamma\n\nModel()",
            6,
            result(6, plain="<__main__.Model at 0x7f0000000000>"),
            display(latex="$\\displaystyle \\frac{d^2x}{dt^2} + 2\\gamma\\frac{dx}{dt} = 0$"),
            display(json={"gamma": 0.1, "names": ["a", "b"]}),
            display(widget=widget, plain="IntSlider(value=3)"),
            display(markdown="**bold** result"),
            display(svg=plot("svg")),
            display(html=styled(), plain="   a  b"),
            display(html='<div id="app">before</div><script>app.textContent = "after"</script>', plain="app"),
        ),
        markdown("## Report"),
        code("total / 0", 7, error()),
        code(f'text = "{BREAKOUT}"', 8, stream(BREAKOUT + "\n")),
        markdown(f"Broken {BREAKOUT} markdown"),
    ]
    info = {"kernelspec": {"name": "python3", "language": "python"}, "language_info": {"name": "python"}}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": info, "cells": cells}


def make_pipeline() -> Pipeline:
    return Pipeline(
        name="oscillations",
        recording="4f1c0e6ab1d2",
        split="headings",
        stages=(
            Stage("imports", (1,), (), (), 0.42, 92_000_000),
            Stage("load", (3, 4), ("numpy",), (), 2.13, 340_000_000),
            Stage("fit", (6, 7, 8), ("numpy",), ("scratch",), 7.9, 510_000_000),
            Stage("report", (10, 11), ("numpy",), (), 0.8, 120_000_000),
        ),
        edges=(
            Edge("imports", "load", (Crossing("np", "module", 40),), 1_480, "The heading 'Load' starts a part here."),
            Edge(
                "load",
                "fit",
                (
                    Crossing("frame", "DataFrame", 41_200_000),
                    Crossing("raw", "ndarray", 16_000_000),
                    Crossing("names", "list", 1_200),
                    *(Crossing(f"v{n}", "int", 28) for n in range(9)),
                ),
                57_300_000,
                "The heading 'Fit' starts a part here; moved past cell 5, whose generator 'rows' can't travel.",
            ),
            Edge("fit", "report", (Crossing("model", "Model", 96),), 57_310_000, "The heading 'Report' starts a part."),
        ),
        notes=("cell 5: the generator 'rows' is open, so the boundary after it was moved by one cell.",),
    )


def make_recording() -> Recording:
    cells = tuple(CellRecord(index, None, (), 0.5, 0.4, 92_000_000) for index in (1, 3, 4, 6, 7, 8, 10, 11))
    packages = {"numpy": "2.1.0", "pandas": "2.2.3", "matplotlib": "3.9.2"}
    interpreter = Interpreter("/usr/bin/python3", "3.11.2", packages)
    return Recording("4f1c0e6ab1d2aaaa", "oscillations.ipynb", "0" * 64, interpreter, {}, cells, (), 11.2)


def make_summary(pipeline: Pipeline) -> RunSummary:
    history = (
        (Attempt(1, START, START + 0.5, "published"),),
        (Attempt(1, START + 0.5, START + 2.7, "published"),),
        (
            Attempt(1, START + 2.7, START + 5.0, "lost", "killed by signal 9"),
            Attempt(2, START + 5.1, START + 13.2, "published"),
        ),
        (Attempt(1, START + 13.2, START + 14.0, "published"),),
    )
    stages = tuple(
        StageSummary(
            stage.name, stage.cells, len(tries), stage.seconds, 0.03, 0.05, 57_300_000, 20_400, stage.peak_bytes, tries
        )
        for stage, tries in zip(pipeline.stages, history, strict=True)
    )
    return RunSummary(
        run="20250303-110640-k3",
        engine="local",
        verdict="equal",
        stages=stages,
        unstable=(7,),
        notebook="oscillations.ipynb",
        recording="4f1c0e6ab1d2aaaa",
        started=START,
        seconds=14.1,
    )


@pytest.fixture(scope="session")
def different(sample: Sample) -> Sample:
    differences = (
        CellDifference(3, "text/html", "mean 0.3456\nstd 0.8216", "mean 0.3456\nstd 0.8217"),
        CellDifference(6, "image/png", "PNG 640x360", "same size, 1234 of 230400 pixels differ, up to 17/255"),
    )
    return sample.with_summary(verdict="different", differences=differences)


@pytest.fixture(scope="session")
def failed(sample: Sample) -> Sample:
    raised = CellError(10, "ZeroDivisionError", "division by zero", TRACEBACK)
    cells = sample.notebook["cells"][:]
    cells[11] = code(f"never = 'reached'  # {BREAKOUT}", None)
    notebook = {**sample.notebook, "cells": cells}
    return replace(sample.with_summary(verdict="failed", error=raised, unstable=()), notebook=notebook)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("NO BROWSER, SO THE REPORT WAS NOT LOOKED AT: apt-get install chromium")
    with Chromium(program, tmp_path_factory.mktemp("browser")) as chromium:
        yield chromium


@pytest.fixture
def terminal() -> Console:
    """Give a terminal of 80 columns."""
    return console(terminal=True)


@pytest.fixture
def pipe() -> Console:
    """Give what is no terminal."""
    return console(terminal=False)
