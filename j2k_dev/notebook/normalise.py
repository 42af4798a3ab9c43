"""What a machine makes different on each run and no one means as a result, written the same way everywhere.

``RULES`` is the whole list: a rule that is too wide hides a wrong result, so each matches one recognisable shape and
nothing looser. Plain numbers, dates, durations and random-looking text stay as they are; if they change by themselves,
recording the notebook twice shows it. What streams show, random element ids and HTML live here too.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Kind = Literal["stream", "error", "text", "markup", "json"]

_EVERYWHERE: frozenset[Kind] = frozenset({"stream", "error", "text", "markup", "json"})
_TIMESPAN = r"(?:\d+(?:\.\d+)?(?:e[+-]?\d+)? (?:s|ms|[µμu]s|ns)|\d+(?:d|h|min|s)(?: \d+(?:h|min|s))*)"
_CLOCK = r"-?(?:\d+:)?\d\d:\d\d"
_RATE = r" *(?:\?|\d+(?:\.\d+)?[kMGTPEZY]?)"


@dataclass(frozen=True)
class Rule:
    """One thing to write the same way, in texts of these kinds that contain ``needle``.

    With a ``template`` the match becomes it. Without one the pattern has two groups, what stays before and the value;
    equal values become equal numbers, so that a reference to another object or file still shows. A value that is
    ``reused`` means the same only while its object lives: in streams and errors it is numbered line by line.
    """

    name: str
    why: str
    needle: str
    pattern: re.Pattern[str]
    kinds: frozenset[Kind] = _EVERYWHERE
    template: str | None = None
    reused: bool = False

    def apply(self, text: str, kind: Kind) -> str:
        """Return the text with every match replaced."""
        if kind not in self.kinds or self.needle not in text:
            return text
        if self.template is not None:
            return self.pattern.sub(self.template, text)
        if self.reused and kind in {"stream", "error"}:
            return "\n".join(self._number(line) for line in text.split("\n"))
        return self._number(text)

    def _number(self, text: str) -> str:
        numbers: dict[str, int] = {}

        def replace(match: re.Match[str]) -> str:
            kept, value = (group for group in match.groups() if group is not None)
            return f"{kept}⟨{self.name} {numbers.setdefault(value, len(numbers) + 1)}⟩"

        return self.pattern.sub(replace, text)


RULES: tuple[Rule, ...] = (
    Rule(
        name="address",
        why="The default repr of an object says where in memory it is. Inside <…> short addresses count too.",
        needle=" at 0x",
        pattern=re.compile(
            r"(\bat )(0x[0-9A-Fa-f]{9,16})\b|((?:<|&lt;)[^<>\n]*?\bat )(0x[0-9A-Fa-f]{6,16})\b",
        ),
        reused=True,
    ),
    Rule(
        name="kernel process",
        why="ipykernel names the file of a cell after its own process; the cell's own number stays.",
        needle="ipykernel_",
        pattern=re.compile(r"([/\\]ipykernel_)\d+(?=[/\\]+\d+\.py\b)"),
        template=r"\1⟨pid⟩",
    ),
    Rule(
        name="temporary name",
        why="tempfile draws eight random characters for a name directly in the folder for temporary files.",
        needle="tmp",
        pattern=re.compile(r"([/\\](?:tmp|T|[Tt]emp)[/\\]+)(tmp[a-z0-9_]{8})(?![A-Za-z0-9_])"),
    ),
    Rule(
        name="%time",
        why="%time and %%time print both lines, and one more where compiling or parsing took long.",
        needle="CPU times: ",
        pattern=re.compile(
            rf"^CPU times: (?:user {_TIMESPAN}, sys: {_TIMESPAN}, )?total: {_TIMESPAN} *\n"
            rf"Wall time: {_TIMESPAN} *$(?:\n(?:Compiler|Parser  ) : {_TIMESPAN} *$)*",
            re.MULTILINE,
        ),
        kinds=frozenset({"stream"}),
        template="⟨CPU times and wall time⟩",
    ),
    Rule(
        name="%timeit",
        why="%timeit measures, and chooses the number of loops by what it measures; the number of runs is asked for.",
        needle=" per loop (mean ",
        pattern=re.compile(
            rf"{_TIMESPAN} (?:±|\+-) {_TIMESPAN} per loop"
            r" \(mean (?:±|\+-) std\. dev\. of (\d+ runs?), [\d,]+ loops? each\)"
        ),
        kinds=frozenset({"stream", "text"}),
        template=r"⟨time per loop⟩ (\1)",
    ),
    Rule(
        name="timeit",
        why="python -m timeit, and %timeit of old, measure the best of some runs.",
        needle=" per loop",
        pattern=re.compile(
            r"\b\d[\d,]* loops?, (best of \d+): \d+(?:\.\d+)?(?:e[+-]?\d+)? (?:n|[µμu]|m)?s(?:ec)? per loop"
        ),
        kinds=frozenset({"stream", "text"}),
        template=r"⟨time per loop⟩ (\1)",
    ),
    Rule(
        name="%timeit slowest run",
        why="%timeit warns where its runs took very unequal times.",
        needle="The slowest run took ",
        pattern=re.compile(
            r"^The slowest run took \d+\.\d\d times longer than the fastest\."
            r" This could mean that an intermediate result is being cached\. *\n",
            re.MULTILINE,
        ),
        kinds=frozenset({"stream"}),
        template="",
    ),
    Rule(
        name="tqdm",
        why="A tqdm bar shows the time taken, the time left and the rate; count, unit and postfix stay.",
        needle="%|",
        pattern=re.compile(
            rf"(\d%\|[^|\n]*\| [^\s/]+/[^\s/]+ \[){_CLOCK}<(?:\?|{_CLOCK}),"
            rf"{_RATE}(?:([^\n,/\]]{{0,24}})/s|s/([^\n,/\]]{{0,24}}))(?=[,\]])"
        ),
        kinds=frozenset({"stream", "text"}),
        template=r"\1⟨times and rate⟩\2\3",
    ),
    Rule(
        name="tqdm without total",
        why="The same where tqdm can't know how many there are; the unit after the count is that of the rate.",
        needle=" [",
        pattern=re.compile(
            rf"(\b\d+(?:\.\d+)?[kMGTPEZY]?(?P<unit>[^\n\d\[\]/][^\n\[\]/]{{0,23}}) \[){_CLOCK},"
            rf"{_RATE}(?:(?P=unit)/s|s/(?P=unit))(?=[,\]])"
        ),
        kinds=frozenset({"stream", "text"}),
        template=r"\1⟨time and rate⟩",
    ),
    Rule(
        name="statsmodels stamp",
        why="A statsmodels summary is stamped with date and time of its making, in two rows one below the other.",
        needle="Time:",
        pattern=re.compile(
            r"(Date:(?:</th> *<td>|\} *& *| +))\w{3}, \d\d \w{3} \d{4}"
            r"((?:</td>| ).*\n(?:</tr>\n<tr>\n  <th>|\\textbf\{)?Time:(?:</th> *<td>|\} *& *| +))"
            r"\d\d:\d\d:\d\d(?=</td>| )"
        ),
        kinds=frozenset({"stream", "text", "markup"}),
        template=r"\1⟨date⟩\2⟨time⟩",
    ),
    Rule(
        name="SVG stamp",
        why="matplotlib stamps an SVG's metadata, which is not drawn, with the moment of its making.",
        needle="<dc:date>",
        pattern=re.compile(r"<dc:date>\d{4}-\d\d-\d\dT[\d:.+-]+</dc:date>"),
        kinds=frozenset({"markup"}),
        template="<dc:date>⟨date⟩</dc:date>",
    ),
    Rule(
        name="frame path",
        why="A frame of a traceback names a file wherever it is installed; its name, line and function stay.",
        needle="File ",
        pattern=re.compile(r"^([ \t]*File \"?)[^\n]*?[/\\](?=[^/\\\n:\"]+(?::|\", line )\d+(?:[,\s]|$))", re.MULTILINE),
        kinds=frozenset({"error"}),
        template=r"\1",
    ),
)


def normalise(text: str, kind: Kind) -> str:
    """Return the text with every rule for this kind applied."""
    for rule in RULES:
        text = rule.apply(text, kind)
    return text


_STYLE = r"\x1b\[[0-9;]*m"
_MOVES = re.compile(r"(\r|\n|\x08|\x1b\[\d*[AK])")
_STYLED_CELL = re.compile(rf"(?:{_STYLE})*[^\x1b](?:(?:{_STYLE})+\Z)?|{_STYLE}|\x1b")
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def without_escapes(text: str) -> str:
    """Remove the escape sequences that colour text."""
    return _ESCAPE.sub("", text)


def as_shown(text: str) -> str:
    """Return what is left to see of a stream: a progress bar that overwrote itself is its last state.

    Carriage return, cursor up and erase line do what they do in a terminal; a backspace erases, as in Jupyter.
    """
    text = text.replace("\r\n", "\n")
    if not any(move in text for move in ("\r", "\b", "\x1b[")):
        return text
    screen = _Screen()
    for index, piece in enumerate(_MOVES.split(text)):
        if index % 2:
            screen.move(piece)
        else:
            screen.write(piece)
    return screen.text()


class _Screen:
    """Rows of cells, a cell being one character and the colours before it, and where the next one goes."""

    def __init__(self) -> None:
        self._rows: list[list[str]] = [[]]
        self._overwritten: set[int] = set()
        self._row = 0
        self._column = 0

    def write(self, text: str) -> None:
        cells = _STYLED_CELL.findall(text) if "\x1b" in text else list(text)
        end = self._column + len(cells)
        row = self._rows[self._row]
        row.extend(" " * (self._column - len(row)))
        row[self._column : end] = cells
        self._column = end

    def move(self, code: str) -> None:
        if code == "\n":
            self._down()
        elif code == "\b":
            del self._rows[self._row][max(0, self._column - 1) : self._column]
            self._column = max(0, self._column - 1)
        elif code.endswith("A"):
            self._row = max(0, self._row - int(code[2:-1] or 1))
        else:
            self._overwritten.add(self._row)
            self._return_or_erase(code)

    def _down(self) -> None:
        self._row += 1
        self._column = 0
        if self._row == len(self._rows):
            self._rows.append([])

    def _return_or_erase(self, code: str) -> None:
        row = self._rows[self._row]
        if code == "\r":
            self._column = 0
        elif code in {"\x1b[K", "\x1b[0K"}:
            del row[self._column :]
        elif code == "\x1b[1K":
            row[: self._column] = " " * min(self._column, len(row))
        elif code == "\x1b[2K":
            row.clear()

    def text(self) -> str:
        lines = ["".join(row) for row in self._rows]
        # How many blanks a shorter line left over from a longer one depends on how long the rates in it were.
        return "\n".join(line.rstrip(" ") if row in self._overwritten else line for row, line in enumerate(lines))


_QUOTE = r"(?:\\*[\"']|&quot;|&#34;|&#x27;|&#39;)"
_TAG = r"(?:<|&lt;)[a-zA-Z](?:(?!&[gl]t;)[^<>])*?\s"
_DECLARATION = re.compile(
    rf"{_TAG}id ?= ?{_QUOTE}([\w-]+)"
    rf"|\bgetElementById\({_QUOTE}([\w-]+)"
    rf"|{_QUOTE}docid{_QUOTE}:{_QUOTE}([\w-]+){_QUOTE},{_QUOTE}roots{_QUOTE}:"
    rf"|{_QUOTE}type{_QUOTE}:{_QUOTE}object{_QUOTE},{_QUOTE}name{_QUOTE}:{_QUOTE}[\w.]+{_QUOTE},"
    rf"{_QUOTE}id{_QUOTE}:{_QUOTE}(p\d+)"
    r"|\b(?:var|let|const) (\w+)"
)
_RANDOM = re.compile(
    r"(?<![0-9a-fA-F])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-fA-F])"  # uuid4: plotly, xarray, bokeh
    r"|(?<![0-9a-fA-F])[0-9a-f]{32}(?![0-9a-fA-F])"  # its hex: altair, folium, ipywidgets
    r"|(?<![0-9A-Za-z_])T_[0-9a-f]{5}(?![0-9a-f])"  # pandas Styler
    r"|(?<![0-9A-Za-z_])(?:[hmp]|(?:Im_)?image|C[0-9a-f]+_[0-9a-f]+_)[0-9a-f]{10}(?![0-9A-Za-z_])"  # matplotlib SVG
    r"|(?<![0-9A-Za-z_])sk-(?:container|estimator)-id-\d+"  # scikit-learn: counts in its process
    r"|(?<![0-9A-Za-z_])p\d{4,}(?![0-9A-Za-z_])"  # bokeh: counts in its process
)


class ElementIds:
    """The random element ids of one cell's outputs, renamed in the order in which they first appear.

    Only what the markup declares as an id (or the caller, with ``known``) counts: a hash or UUID that is merely shown
    is a result.
    """

    def __init__(self, markup: Iterable[str], known: Iterable[str] = ()) -> None:
        declared = (name for text in markup for groups in _DECLARATION.findall(text) for name in groups if name)
        self._declared = {part for name in (*declared, *known) for part in _RANDOM.findall(name)}
        self._numbers: dict[str, int] = {}

    def rename(self, text: str) -> str:
        """Return the text with every declared id renamed; call it for the cell's texts in their order."""
        return _RANDOM.sub(self._replace, text) if self._declared else text

    def _replace(self, match: re.Match[str]) -> str:
        if match[0] not in self._declared:
            return match[0]
        return f"⟨id {self._numbers.setdefault(match[0], len(self._numbers) + 1)}⟩"


def html_lines(text: str) -> list[str]:
    """Return tags (attributes in order of name), texts, comments and declarations, one each, as a browser reads them.

    How a tag is written down is no content: the order and quoting of attributes, character references.
    """
    parser = _Lines()
    parser.feed(text)
    parser.close()
    return parser.finish()


class _Lines(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._lines: list[str] = []
        self._text: list[str] = []

    def finish(self) -> list[str]:
        if self._text:
            self._lines.append(html.escape("".join(self._text), quote=False))
            self._text.clear()
        return self._lines

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        ordered = sorted(attrs, key=lambda attribute: attribute[0])
        written = (name if value is None else f'{name}="{html.escape(value)}"' for name, value in ordered)
        self.finish().append(f"<{' '.join([tag, *written])}>")

    def handle_endtag(self, tag: str) -> None:
        self.finish().append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    def handle_comment(self, data: str) -> None:
        self.finish().append(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self.finish().append(f"<!{decl}>")

    def handle_pi(self, data: str) -> None:
        self.finish().append(f"<?{data}>")

    def unknown_decl(self, data: str) -> None:
        self.finish().append(f"<![{data}]>")
