"""Outputs of cells as HTML: of every bundle the richest form that works on a page without network or live kernel."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from j2k_dev.report.ansi import ansi_html
from j2k_dev.report.code import highlighted
from j2k_dev.report.frames import framed, needs_network
from j2k_dev.report.markdown import markdown_html
from j2k_dev.report.sanitise import sanitise
from j2k_dev.report.units import human_bytes

_LONGEST_TEXT = 100_000  # characters of one text on the page; the executed notebook keeps everything
_LONG_LINES = 40  # beyond it a text scrolls in its own box, as in Jupyter
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "image/avif")
_SCRIPTS = ("application/javascript", "text/javascript")


@dataclass(frozen=True)
class Rendered:
    """One output on the page; ``scripted`` asks the page to allow scripts in its frames."""

    html: Markup
    kind: str
    prompt: str = ""
    scripted: bool = False


def render_outputs(outputs: Iterable[Mapping[str, Any]], cell: str) -> tuple[Rendered, ...]:
    """Render the nbformat outputs of one cell; ``cell`` names it for readers who hear the page."""
    return tuple(_render(output, cell) for output in _joined(outputs))


def error_html(traceback: Sequence[str], ename: str, evalue: str) -> Markup:
    """Show an exception as Jupyter does: its coloured traceback, or its last line where there is none."""
    return Markup('<pre class="stderr error">{}</pre>').format(
        ansi_html(_shortened("\n".join(traceback) if traceback else f"{ename}: {evalue}"))
    )


def _joined(outputs: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Join consecutive pieces of one stream, which kernels cut at any place."""
    joined: list[Mapping[str, Any]] = []
    for output in outputs:
        last = joined[-1] if joined else {}
        if output.get("output_type") == last.get("output_type") == "stream" and output.get("name") == last.get("name"):
            joined[-1] = {**last, "text": _text(last.get("text")) + _text(output.get("text"))}
        else:
            joined.append(output)
    return joined


def _render(output: Mapping[str, Any], cell: str) -> Rendered:
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return Rendered(_terminal(_text(output.get("text")), name), name)
    if kind == "error":
        traceback = [str(line) for line in output.get("traceback", ())]
        html = error_html(traceback, str(output.get("ename", "")), str(output.get("evalue", "")))
        return Rendered(html, "error")
    count = output.get("execution_count") if kind == "execute_result" else None
    return _bundle(output, cell, f"[{count}]" if count is not None else "")


def _bundle(output: Mapping[str, Any], cell: str, prompt: str) -> Rendered:
    data = output.get("data") or {}
    metadata = output.get("metadata") or {}
    page = _text(data.get("text/html"))
    if page and (shown := _html(page, cell, prompt)) is not None:
        return shown
    for kind, show in _renderers():
        if kind in data and (html := show(data[kind], kind, _size(metadata, kind), cell)) is not None:
            return Rendered(html + _note(data), kind, prompt)
    return Rendered(_unknown(data), "text/plain", prompt)


def _renderers() -> list[tuple[str, Callable[[Any, str, Markup, str], Markup | None]]]:
    return [
        ("text/markdown", lambda data, *_: Markup('<div class="prose">{}</div>').format(markdown_html(_text(data)))),
        ("image/svg+xml", _svg),
        *((kind, _image) for kind in _IMAGES),
        ("text/latex", lambda data, *_: Markup('<pre class="math">{}</pre>').format(_text(data).strip())),
        ("application/json", lambda data, *_: _json(data)),
        ("text/plain", lambda data, *_: _terminal(_text(data), "plain")),
        *((kind, _script) for kind in _SCRIPTS),
    ]


def _html(page: str, cell: str, prompt: str) -> Rendered | None:
    clean = sanitise(page)
    if clean.lost <= {"img src"}:
        html = Markup('<div class="html" tabindex="0">{}</div>').format(Markup(clean.html))  # noqa: S704 - sanitised
        return Rendered(html, "text/html", prompt)
    if needs_network(page):
        return None
    frame = framed(page, f"HTML output of {cell}")
    return Rendered(frame.html, "text/html", prompt, frame.scripted)


def _svg(data: Any, _kind: str, size: Markup, cell: str) -> Markup:
    # As an image, not as part of the page: no script in it runs, and ids of two figures can't clash.
    return _picture("image/svg+xml", base64.b64encode(_text(data).encode()).decode(), size, cell)


def _image(data: Any, kind: str, size: Markup, cell: str) -> Markup | None:
    text = "".join(_text(data).split())
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return _picture(kind, text, size, cell)


def _picture(kind: str, encoded: str, size: Markup, cell: str) -> Markup:
    image = Markup('<img class="figure" src="data:{};base64,{}" alt="Figure of {}"{}>')
    return image.format(kind, encoded, cell, size)


def _size(metadata: Mapping[str, Any], kind: str) -> Markup:
    own = metadata.get(kind)
    sizes = own if isinstance(own, Mapping) else metadata
    given = [(name, sizes.get(name)) for name in ("width", "height")]
    return Markup("").join(Markup(' {}="{}"').format(name, size) for name, size in given if type(size) in {int, float})


def _json(data: Any) -> Markup:
    text = json.dumps(data, indent=2, ensure_ascii=False)
    return _boxed(Markup('<pre class="plain">{}</pre>').format(highlighted(_shortened(text), "json")), text)


def _script(data: Any, *_: Any) -> Markup:
    return Markup('<details class="aside"><summary>JavaScript, not run here</summary><pre>{}</pre></details>').format(
        highlighted(_shortened(_text(data)), "javascript")
    )


def _note(data: Mapping[str, Any]) -> Markup:
    if any("widget-view" in kind for kind in data):
        return _aside("A live widget in Jupyter; shown here as its text.")
    if needs_network(_text(data.get("text/html"))):
        return _aside("An interactive output that loads code from the network; open the executed notebook to see it.")
    return Markup("")


def _unknown(data: Mapping[str, Any]) -> Markup:
    page = _text(data.get("text/html"))
    if page:
        inner = Markup("<details><summary>HTML source</summary><pre>{}</pre></details>").format(_shortened(page))
        return _note(data) + inner
    kinds = ", ".join(data) or "nothing"
    return _aside(f"This output ({kinds}) can't be shown on a page; the executed notebook has it.")


def _aside(text: str) -> Markup:
    return Markup('<p class="aside">{}</p>').format(text)


def _terminal(text: str, name: str) -> Markup:
    return _boxed(Markup('<pre class="{}">{}</pre>').format(name, ansi_html(_shortened(text))), text)


def _boxed(html: Markup, text: str) -> Markup:
    if text.count("\n") <= _LONG_LINES:
        return html
    return Markup('<div class="scroll" tabindex="0" role="region" aria-label="long output">{}</div>').format(html)


def _shortened(text: str) -> str:
    """Keep both ends of a text too long for a page, and say how much is left out."""
    if len(text) <= _LONGEST_TEXT:
        return text
    half = _LONGEST_TEXT // 2
    left_out = human_bytes(len(text) - 2 * half)
    return f"{text[:half]}\n\n… {left_out} left out here; the executed notebook has them …\n\n{text[-half:]}"


def _text(value: Any) -> str:
    if value is None:
        return ""
    return "".join(str(part) for part in value) if isinstance(value, list) else str(value)
