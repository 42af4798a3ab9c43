from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from j2k_dev.model.pipeline import Edge, Pipeline, Stage
from j2k_dev.report.graph import mermaid, one_line, plan_page, svg

if TYPE_CHECKING:
    from pathlib import Path


def chain(count: int, name: str = "stage-{}") -> Pipeline:
    names = [name.format(number) for number in range(count)]
    stages = tuple(Stage(n, (i,), (), (), 1.0, 10) for i, n in enumerate(names))
    edges = tuple(Edge(a, b, (), 1000, "") for a, b in pairwise(names))
    return Pipeline("p", "r", "cells", stages, edges)


def test_mermaid_has_a_node_per_stage_and_sizes_on_the_edges(sample: Any) -> None:
    assert mermaid(sample.pipeline) == (
        "flowchart LR\n"
        '    s1["imports<br/>1 cell · 420 ms"]\n'
        '    s2["load<br/>2 cells · 2.1 s"]\n'
        '    s3["fit<br/>3 cells · 7.9 s"]\n'
        '    s4["report<br/>2 cells · 800 ms"]\n'
        '    s1 -->|"1.5 KB"| s2\n'
        '    s2 -->|"57 MB"| s3\n'
        '    s3 -->|"57 MB"| s4\n'
    )


def test_mermaids_own_signs_in_a_name_are_escaped() -> None:
    assert "#quot;#lt;#35;#gt;" in mermaid(chain(1, '"<#>'))


def test_the_drawing_is_well_formed_and_names_every_stage_and_size(sample: Any) -> None:
    root = ET.fromstring(svg(sample.pipeline))
    texts = "".join(root.itertext())
    assert all(stage.name in texts for stage in sample.pipeline.stages)
    assert texts.count("57 MB") >= 2
    assert [link.get("href") for link in root.iter("{http://www.w3.org/2000/svg}a")] == [
        "#stage-imports",
        "#stage-load",
        "#stage-fit",
        "#stage-report",
    ]


def test_many_stages_wrap_into_rows_and_stay_inside_the_drawing() -> None:
    root = ET.fromstring(svg(chain(9), columns=4))
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    boxes = root.findall(".//*[@class='graph-box']")
    assert len(boxes) == 9
    assert len({box.get("y") for box in boxes}) == 3
    assert all(float(box.get("x", "")) + 184 < width and float(box.get("y", "")) + 60 < height for box in boxes)
    assert len(root.findall(".//*[@class='graph-head']")) == 8


def test_one_column_suits_narrow_pages() -> None:
    assert ET.fromstring(svg(chain(5), columns=1)).get("width") == "186"


def test_names_are_escaped_in_the_drawing() -> None:
    drawing = svg(chain(2, '</svg><script>alert(1)</script>"{}'))
    assert "<script" not in drawing
    ET.fromstring(drawing)


def test_a_pipeline_without_stages_or_edges_can_be_drawn() -> None:
    assert svg(chain(0)).startswith("<svg")
    assert mermaid(chain(1)).count("\n") == 2


def test_the_chain_fits_a_line(sample: Any) -> None:
    assert one_line(sample.pipeline) == "imports ─ 1.5 KB → load ─ 57 MB → fit ─ 57 MB → report"


def test_the_plan_page_has_stages_boundaries_and_reasons(sample: Any, tmp_path: Path) -> None:
    evil = replace(sample.pipeline, notes=("</main><script>alert(1)</script>",))
    plan_page(evil, sample.recording, tmp_path / "plan.html")
    page = (tmp_path / "plan.html").read_text(encoding="utf-8")
    assert "4 stages for 8 code cells" in page
    assert "DataFrame, 41 MB" in page
    assert "moved past cell 5" in page
    assert not re.search("<script", page)
