from __future__ import annotations

import pytest

from j2k_dev.report.markdown import markdown_html


def test_the_usual_markdown_is_rendered() -> None:
    html = markdown_html("# Title\n\n*a* **b** `c` ~~d~~\n\n| x | y |\n|---|---|\n| 1 | 2 |\n")
    assert '<h1 id="nb-Title">Title</h1>' in html
    assert "<em>a</em> <strong>b</strong> <code>c</code> <s>d</s>" in html
    assert "<td>1</td>" in html


@pytest.mark.parametrize(
    "formula",
    ["$a_1 * b_2 * c$", "$$x\n= y$$", r"$x$", r"$\frac{a}{b}$", r"\\(a_1 b_1\\)", r"\\[x^2\\]", "$\\alpha$", "$2$"],
)
def test_mathematics_is_shown_as_its_source_untouched(formula: str) -> None:
    html = markdown_html(f"before {formula} after")
    assert f'<code class="math">{formula}</code>' in html


@pytest.mark.parametrize("block", ["$$\na\n- b\n$$", "\\begin{align}\nx &= 1\n\\end{align}", "$$ a\n\n+ b $$"])
def test_formulas_of_several_lines_are_no_lists_or_headings(block: str) -> None:
    html = markdown_html(f"before\n\n{block}\n\nafter")
    assert f'<pre class="math">{block.replace("&", "&amp;")}</pre>' in html
    assert "<p>after</p>" in html


def test_prices_are_no_mathematics() -> None:
    assert markdown_html("from $5 to $6") == "<p>from $5 to $6</p>\n"
    assert markdown_html(r"it costs \$5 or $6") == "<p>it costs $5 or $6</p>\n"


def test_raw_html_stays_and_scripts_go() -> None:
    html = markdown_html("<details><summary>more</summary>\n\n**x**\n\n</details>\n<script>alert(1)</script>after")
    assert "<details><summary>more</summary>\n<p><strong>x</strong></p>\n</details>" in html
    assert "alert" not in html
    assert "script" not in markdown_html("</script><script>alert(1)</script>")


def test_attached_images_are_put_into_the_page() -> None:
    html = markdown_html("![a plot](attachment:p.png)", {"p.png": {"image/png": ["AAAA\n"]}})
    assert html == '<p><img src="data:image/png;base64,AAAA" alt="a plot"></p>\n'


def test_images_from_elsewhere_become_links() -> None:
    html = markdown_html('![p](https://example.org/p.png) ![](attachment:missing.png) <img src="q.png" alt="q">')
    assert '<a href="https://example.org/p.png" rel="noopener noreferrer">image: p</a>' in html
    assert "image: attachment:missing.png" in html
    assert "[image: q]" in html
    assert "<img" not in html


def test_links_to_headings_meet_them() -> None:
    html = markdown_html("[there](#My-part)\n\n## My part")
    assert 'href="#nb-My-part"' in html
    assert 'id="nb-My-part"' in html


def test_fenced_code_is_coloured_where_its_language_is_known() -> None:
    assert '<span class="k">def</span>' in markdown_html("```python\ndef f(): pass\n```")
    assert "a &lt; b" in markdown_html("```nonsense\na < b\n```")
