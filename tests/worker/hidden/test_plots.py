from __future__ import annotations

from collections.abc import Callable
from typing import Any

Relay = Callable[..., list[Any]]
HandedOver = Callable[..., str]


def test_parameters_and_styles_travel(handed_over: HandedOver) -> None:
    cells = "import matplotlib.pyplot as plt; plt.style.use('ggplot'); plt.rcParams['figure.figsize'] = [3, 2]"
    probe = "print(plt.rcParams['axes.facecolor'], plt.rcParams['figure.figsize'], plt.rcParams['axes.prop_cycle'])"
    assert "[3.0, 2.0]" in handed_over(cells, probe=probe)


def test_a_plot_in_the_next_stage_is_drawn_inline(relay: Relay) -> None:
    outputs = relay("%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);", probe="plt.plot([3, 1]);")
    assert [sorted(output["data"]) for output in outputs] == [["image/png", "text/plain"]]


def test_the_figure_format_chosen_for_inline_plots_travels(relay: Relay) -> None:
    cells = (
        "%matplotlib inline\n%config InlineBackend.figure_formats = ['svg']\n"
        "import matplotlib.pyplot as plt\nplt.rcParams['svg.hashsalt'] = 'x'"
    )
    outputs = relay(
        cells,
        probe=(
            "import matplotlib; matplotlib.rcParams['svg.fonttype']='none'\n"
            "print(get_ipython().display_formatter.formatters['image/svg+xml'].type_printers.keys())"
        ),
    )
    assert "Figure" in outputs[0]["text"]


def test_open_figures_keep_number_order_and_contents(relay: Relay) -> None:
    cells = (
        "%matplotlib inline\nimport matplotlib.pyplot as plt\n"
        "plt.ioff(); f5 = plt.figure(5, figsize=(2, 1)); f2, ax = plt.subplots(num=2); ax.plot([1, 2]); plt.figure(5);"
    )
    probe = "print(plt.get_fignums(), plt.gcf() is f5, plt.figure(2) is f2, len(plt.gca().lines)); plt.show()"
    outputs = relay(cells, probe=probe)
    assert outputs[0]["text"] == "[2, 5] True True 1\n"
    assert sum(output["output_type"] == "display_data" for output in outputs) == 2


def test_figures_left_open_by_choice_are_drawn_again_only_when_touched(relay: Relay) -> None:
    cells = (
        "%matplotlib inline\n%config InlineBackend.close_figures = False\n"
        "import matplotlib.pyplot as plt\nfig, ax = plt.subplots(figsize=(2, 1));"
    )
    relay(cells, probe=["print(plt.get_fignums())", "ax.plot([1, 2]);", "plt.plot([2, 1]);"])


def test_another_backend_travels(handed_over: HandedOver) -> None:
    cells = "import matplotlib; matplotlib.use('agg'); import matplotlib.pyplot as plt; _ = plt.figure()"
    assert handed_over(cells, probe="print(matplotlib.get_backend(), plt.get_fignums())") == "agg [1]\n"


def test_a_unit_converter_of_the_notebook_travels(handed_over: HandedOver) -> None:
    cells = (
        "import matplotlib.pyplot as plt, matplotlib.units as units\n"
        "class Metre:\n    def __init__(self, v): self.v = v\n"
        "class Converter(units.ConversionInterface):\n    @staticmethod\n"
        "    def convert(value, unit, axis): return [v.v for v in value] if hasattr(value, '__len__') else value.v\n"
        "units.registry[Metre] = Converter()"
    )
    assert (
        handed_over(cells, probe="plt.ioff(); print(plt.plot([Metre(3), Metre(4)])[0].get_ydata(orig=False))")
        == "[3. 4.]\n"
    )
