"""Every rule applies to what it is for, and leaves what only looks like it."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from j2k_dev.notebook.normalise import RULES, ElementIds, Kind, as_shown, html_lines, normalise, without_escapes

# rule, kind, two texts that are the same but for what the rule is about
SAME: list[tuple[str, Kind, str, str]] = [
    ("address", "text", "<__main__.A at 0x7f12ab34cd56>", "<__main__.A at 0x7f99ab34cd50>"),
    ("address", "text", "<object object at 0x1c3f2a0>", "<object object at 0x2c3f2a0>"),
    ("address", "markup", "<td>&lt;A at 0x1c3f2a0&gt;</td>", "<td>&lt;A at 0x2c3f2a0&gt;</td>"),
    ("address", "stream", "kept at 0x7f12ab34cd56\n", "kept at 0x55d1ab34cd56\n"),
    (
        "address",
        "text",
        "<bound method A.f of <__main__.A object at 0x7f12ab34cd56>>",
        "<bound method A.f of <__main__.A object at 0x7f12ab34cd57>>",
    ),
    (
        "kernel process",
        "stream",
        "/tmp/ipykernel_123/4567.py:3: UserWarning: no",
        "/tmp/ipykernel_99/4567.py:3: UserWarning: no",
    ),
    ("kernel process", "error", r"C:\Temp\ipykernel_12\4.py", r"C:\Temp\ipykernel_13\4.py"),
    ("temporary name", "stream", "/tmp/tmpabcd1234/data.csv", "/tmp/tmpzz_d1230/data.csv"),
    ("temporary name", "text", "'/var/folders/ab/T/tmpabcdefgh'", "'/var/folders/ab/T/tmp12345678'"),
    (
        "%time",
        "stream",
        "CPU times: user 2 µs, sys: 1e+03 ns, total: 3 µs\nWall time: 5.48 µs\nresult",
        "CPU times: user 1min 2s, sys: 0 ns, total: 1min 2s\nWall time: 1h 1min 3s\nCompiler : 120 ms\nresult",
    ),
    ("%time", "stream", "CPU times: total: 0 ns\nWall time: 1 ms", "CPU times: total: 3 ms\nWall time: 2.5 ms"),
    (
        "%timeit",
        "stream",
        "12.3 ns ± 0.12 ns per loop (mean ± std. dev. of 7 runs, 100,000,000 loops each)\n",
        "1.3 μs ± 45 ns per loop (mean ± std. dev. of 7 runs, 1 loop each)\n",
    ),
    (
        "timeit",
        "stream",
        "5000000 loops, best of 5: 55.6 nsec per loop",
        "1000000 loops, best of 5: 1.2 usec per loop",
    ),
    (
        "%timeit slowest run",
        "stream",
        (
            "The slowest run took 5.32 times longer than the fastest."
            " This could mean that an intermediate result is being cached.\nnext"
        ),
        "next",
    ),
    (
        "tqdm",
        "stream",
        "fit: 100%|██████████| 3/3 [00:00<00:00,  8.22it/s, loss=0.5]",
        "fit: 100%|██████████| 3/3 [1:00:03<00:10,  1.20s/it, loss=0.5]",
    ),
    ("tqdm", "text", "  0%|          | 0/100 [00:00<?, ?it/s]", "  0%|          | 0/100 [00:02<?, ?it/s]"),
    ("tqdm", "stream", "100%|##| 300k/300k [00:00<00:00, 3.69MB/s]", "100%|##| 300k/300k [00:01<00:00, 369kB/s]"),
    ("tqdm without total", "stream", "3 ex [00:00,  8.32 ex/s]", "3 ex [00:09,  3.00s/ ex]"),
    ("tqdm without total", "stream", "12it [00:00, ?it/s, l=1]", "12it [00:07, 1.71it/s, l=1]"),
    ("SVG stamp", "markup", "<dc:date>2026-01-02T03:04:05.6</dc:date>", "<dc:date>2027-11-21T06:15:19</dc:date>"),
    (
        "statsmodels stamp",
        "text",
        (
            "Date:                Sat, 21 Nov 2026   Prob (F-statistic):           8.10e-06\n"
            "Time:                        06:15:51   Log-Likelihood:                -11.669\n"
        ),
        (
            "Date:                Sun, 22 Nov 2026   Prob (F-statistic):           8.10e-06\n"
            "Time:                        17:25:03   Log-Likelihood:                -11.669\n"
        ),
    ),
    (
        "statsmodels stamp",
        "markup",
        (
            "<tr>\n  <th>Date:</th>             <td>Sat, 21 Nov 2026</td> <th>  Prob:</th> <td>8.10e-06</td>\n</tr>\n"
            "<tr>\n  <th>Time:</th>                 <td>06:15:51</td>     <th>  AIC: </th> <td> -11.669</td>\n</tr>\n"
        ),
        (
            "<tr>\n  <th>Date:</th>             <td>Sun, 22 Nov 2026</td> <th>  Prob:</th> <td>8.10e-06</td>\n</tr>\n"
            "<tr>\n  <th>Time:</th>                 <td>16:15:01</td>     <th>  AIC: </th> <td> -11.669</td>\n</tr>\n"
        ),
    ),
    (
        "statsmodels stamp",
        "text",
        (
            "\\textbf{Date:}             & Sat, 21 Nov 2026 & \\textbf{  Prob:} &  8.10e-06   \\\\\n"
            "\\textbf{Time:}             &     06:15:51     & \\textbf{  AIC: } &   -11.669   \\\\\n"
        ),
        (
            "\\textbf{Date:}             & Sun, 22 Nov 2026 & \\textbf{  Prob:} &  8.10e-06   \\\\\n"
            "\\textbf{Time:}             &     16:15:01     & \\textbf{  AIC: } &   -11.669   \\\\\n"
        ),
    ),
    (
        "frame path",
        "error",
        "File /usr/lib/python3.11/json/decoder.py:355, in raw_decode(self, s)",
        "File ~/my env/lib/json/decoder.py:355, in raw_decode(self, s)",
    ),
    ("frame path", "error", '  File "/a/b/mod.py", line 3, in f', '  File "/c/mod.py", line 3, in f'),
]

# rule, kind, two texts that come near the rule and say different things
DIFFERENT: list[tuple[str, Kind, str, str]] = [
    ("address", "text", "entry point at 0x08048000", "entry point at 0x08048010"),
    ("address", "text", "hash 0x7f12ab34cd56", "hash 0x7f12ab34cd57"),
    (
        "address",
        "text",
        "[<A at 0x7f12ab34cd56>, <A at 0x7f12ab34cd56>]",
        "[<A at 0x7f12ab34cd56>, <A at 0x7f12ab34cd66>]",
    ),
    ("address", "stream", "<A at 0x7f12ab34cd56>", "<B at 0x7f12ab34cd56>"),
    ("kernel process", "stream", "/tmp/ipykernel_123/4567.py:3", "/tmp/ipykernel_123/4568.py:3"),
    ("kernel process", "stream", "ipykernel_123", "ipykernel_124"),
    ("temporary name", "stream", "/tmp/tmpabcd123", "/tmp/tmpabcd124"),
    ("temporary name", "stream", "/tmp/tmpabcd12345", "/tmp/tmpabcd12346"),
    ("temporary name", "stream", "results/tmp_results", "results/tmp_figures"),
    ("temporary name", "stream", "/tmp/tmpabcd1234/a.csv", "/tmp/tmpabcd1234/b.csv"),
    ("temporary name", "stream", "/tmp/tmpabcd1234 /tmp/tmpabcd1234", "/tmp/tmpabcd1234 /tmp/tmpabcd1235"),
    ("%time", "stream", "Wall time: 3 s", "Wall time: 4 s"),
    ("%time", "stream", "CPU times: 3\nWall time: 3 s", "CPU times: 4\nWall time: 3 s"),
    ("%time", "text", "CPU times: total: 0 ns\nWall time: 1 ms", "CPU times: total: 0 ns\nWall time: 2 ms"),
    ("%timeit", "stream", "12.3 ns ± 0.12 ns per loop", "12.4 ns ± 0.12 ns per loop"),
    (
        "%timeit",
        "stream",
        "1 ns ± 0 ns per loop (mean ± std. dev. of 7 runs, 10 loops each)",
        "1 ns ± 0 ns per loop (mean ± std. dev. of 5 runs, 10 loops each)",
    ),
    ("timeit", "stream", "3 loops, best of 5: 2 moves per loop", "3 loops, best of 5: 3 moves per loop"),
    (
        "%timeit slowest run",
        "stream",
        "The slowest run took 5.32 times longer",
        "The slowest run took 5.33 times longer",
    ),
    ("tqdm", "stream", " 99%|███| 2/3 [00:00<00:00,  8.2it/s]", " 99%|███| 1/3 [00:00<00:00,  8.2it/s]"),
    ("tqdm", "stream", "100%|███| 3/3 [00:00<00:00,  8.2it/s, l=1]", "100%|███| 3/3 [00:00<00:00,  8.2it/s, l=2]"),
    ("tqdm", "stream", "flow [00:01<00:02, 3.2l/s]", "flow [00:01<00:02, 3.3l/s]"),
    ("tqdm without total", "stream", "3 ex [00:00,  8.32 ex/s]", "4 ex [00:00,  8.32 ex/s]"),
    ("tqdm without total", "stream", "3 runs [00:00, 8.3m/s]", "3 runs [00:00, 8.4m/s]"),
    ("SVG stamp", "markup", "<td>2026-01-02T03:04:05</td>", "<td>2026-01-02T03:04:06</td>"),
    ("statsmodels stamp", "text", "Date:  Sat, 21 Nov 2026  x", "Date:  Sun, 22 Nov 2026  x"),
    ("statsmodels stamp", "text", "Time:  06:15:51  x", "Time:  06:15:52  x"),
    ("frame path", "error", "File /a/mod.py:3, in f()", "File /a/mod.py:4, in f()"),
    ("frame path", "error", "File /a/mod.py:3, in f()", "File /a/other.py:3, in f()"),
    ("frame path", "stream", "File /a/mod.py:3, in f()", "File /b/mod.py:3, in f()"),
]


@pytest.mark.parametrize(("rule", "kind", "one", "other"), SAME)
def test_a_rule_applies(rule: str, kind: Kind, one: str, other: str) -> None:
    (only,) = [known for known in RULES if known.name == rule]
    assert only.apply(one, kind) == only.apply(other, kind)
    assert normalise(one, kind) == normalise(other, kind)


@pytest.mark.parametrize(("rule", "kind", "one", "other"), DIFFERENT)
def test_a_near_miss_still_differs(rule: str, kind: Kind, one: str, other: str) -> None:
    assert normalise(one, kind) != normalise(other, kind)


def test_every_rule_has_an_example_of_both() -> None:
    names = [rule.name for rule in RULES]
    assert sorted(set(names)) == sorted(names)
    assert {rule for rule, *_ in SAME} == {rule for rule, *_ in DIFFERENT} == set(names)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.23456789", "1.23456788"),
        ("2026-11-21 06:15:51", "2026-11-21 06:15:52"),
        ("4158672f-136d-4caa-85e1-daf7fc927a1f", "2d60d79a-4185-4649-80c9-a71a7e41316d"),
        ("140012345678912", "140012345678913"),
        ("took 3.2 s", "took 3.3 s"),
    ],
)
@pytest.mark.parametrize("kind", ["stream", "error", "text", "markup", "json"])
def test_what_could_be_a_result_is_left_alone(one: str, other: str, kind: Kind) -> None:
    assert normalise(one, kind) == one
    assert normalise(other, kind) == other


@given(st.text(alphabet="0123456789abcdefx.:-/ <>[]%|\n", max_size=80))
def test_numbers_without_a_shape_of_a_rule_are_left_alone(text: str) -> None:
    assert normalise(text, "text") == text


def test_an_address_may_come_back_in_another_line_of_a_stream_but_not_in_one_repr() -> None:
    reused, fresh = "<A at 0x7f12ab34cd56>\n<A at 0x7f12ab34cd56>", "<A at 0x7f12ab34cd56>\n<A at 0x7f12ab34cd66>"
    assert normalise(reused, "stream") == normalise(fresh, "stream")
    assert normalise(reused, "text") != normalise(fresh, "text")


def test_what_ipython_itself_prints_about_times_is_normalised(tmp_path: Path) -> None:
    cells = tmp_path / "cells.ipy"
    cells.write_text("%time 1 + 1\n%timeit -n 3 -r 2 1 + 1\nt = %timeit -o -q -n 3 -r 2 1 + 1\nprint(t)\n")
    command = [sys.executable, "-m", "IPython", "--no-banner", "--colors=nocolor", str(cells)]
    environment = {"IPYTHONDIR": str(tmp_path), "PATH": "", "HOME": str(tmp_path), "PYTHONIOENCODING": "utf-8"}
    printed = subprocess.run(command, check=True, capture_output=True, env=environment, timeout=60).stdout.decode()
    assert "CPU times" in printed
    left = normalise(printed, "stream").splitlines()
    assert left[0] == "⟨CPU times and wall time⟩"
    assert left[-2:] == ["⟨time per loop⟩ (2 runs)"] * 2


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("10%\r50%\r100%\n", "100%\n"),
        ("long line\rshort", "shortline"),
        ("long\r    \rnext", "next"),
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("12345\b\bX", "123X"),
        ("\b\bX", "X"),
        ("a \nb", "a \nb"),
        ("50%\r\x1b[Kdone", "done"),
        ("outer 0\n\rinner 1\x1b[A\router 1\n\rinner 2\x1b[A\router 2", "outer 2\ninner 2"),
        ("\x1b[32mab\x1b[0m\r\x1b[31mx\x1b[0m", "\x1b[31mx\x1b[0mb\x1b[0m"),
        ("x\x1b[2Ky", " y"),
        ("", ""),
    ],
)
def test_a_stream_is_what_is_left_to_see_of_it(sent: str, shown: str) -> None:
    assert as_shown(sent) == shown


@given(st.text(alphabet=st.characters(blacklist_characters="\r\b\x1b")))
def test_text_without_control_characters_is_shown_as_it_is(text: str) -> None:
    assert as_shown(text) == text


@given(st.text(alphabet="ab \r\n\b\x1b[AKm0"))
def test_what_is_shown_would_be_shown_the_same_again(text: str) -> None:
    shown = as_shown(text)
    assert as_shown(shown) == shown or "\x1b" in shown


def test_colours_are_removed_from_tracebacks() -> None:
    assert without_escapes("\x1b[0;31mValueError\x1b[0m: no \x1b]8;;x\x07link\x1b]8;;\x07") == "ValueError: no link"


def renamed(*texts: str) -> list[str]:
    ids = ElementIds(texts)
    return [ids.rename(text) for text in texts]


def test_an_id_gets_one_name_in_all_texts_of_a_cell() -> None:
    div = '<div id="fb9d2673-3f62-4a80-835f-d4d81d58794f" data-root-id="p1006"></div>'
    script = (
        '[{"type":"object","name":"Figure","id":"p1006"},'
        '{"docid":"4158672f-136d-4caa-85e1-daf7fc927a1f","roots":{"p1006":"fb9d2673-3f62-4a80-835f-d4d81d58794f"}}]'
    )
    assert renamed(div, script) == [
        '<div id="⟨id 1⟩" data-root-id="⟨id 2⟩"></div>',
        '[{"type":"object","name":"Figure","id":"⟨id 2⟩"},{"docid":"⟨id 3⟩","roots":{"⟨id 2⟩":"⟨id 1⟩"}}]',
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<table id="T_0a1b2"><td id="T_0a1b2_row0_col1">', '<table id="⟨id 1⟩"><td id="⟨id 1⟩_row0_col1">'),
        ('<div id="sk-container-id-3"></div>', '<div id="⟨id 1⟩"></div>'),
        ('<path id="m0123456789"/><use xlink:href="#m0123456789"/>', '<path id="⟨id 1⟩"/><use xlink:href="#⟨id 1⟩"/>'),
        ("var map_0123456789abcdef0123456789abcdef = 1", "var map_⟨id 1⟩ = 1"),
        ("&lt;div id=&quot;map_0123456789abcdef0123456789abcdef&quot;", "&lt;div id=&quot;map_⟨id 1⟩&quot;"),
        ("document.getElementById('0123456789abcdef0123456789abcdef')", "document.getElementById('⟨id 1⟩')"),
    ],
)
def test_a_declared_random_id_is_renamed(text: str, expected: str) -> None:
    assert renamed(text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "<td>4158672f-136d-4caa-85e1-daf7fc927a1f</td>",
        "<td>User(name='a', id='4158672f-136d-4caa-85e1-daf7fc927a1f')</td>",
        "&lt;p&gt;User(name='a', id='4158672f-136d-4caa-85e1-daf7fc927a1f')",
        '[{"id": "p1001", "docid": "4158672f-136d-4caa-85e1-daf7fc927a1f"}]',
        '{"model_id": "0123456789abcdef0123456789abcdef"}',
        '<div id="total-2026">T_0a1b2</div>',
    ],
)
def test_what_is_shown_or_is_data_is_not_an_id(text: str) -> None:
    assert renamed(text) == [text]


def test_how_html_is_written_down_does_not_count() -> None:
    assert html_lines("<a href='x' class=\"b c\">it&#39;s</a>") == html_lines("<a class='b c' href=x>it's</a>")


@pytest.mark.parametrize(
    "other",
    ["<b>1</b>", "&lt;b&gt;1&lt;/b&gt;", "<b>2</b><!-- c -->", "<b >1</b> <!-- c -->", "<b class=x>1</b><!-- c -->"],
)
def test_tags_texts_attributes_and_comments_of_html_count(other: str) -> None:
    assert html_lines("<b>1</b><!-- c -->") != html_lines(other)
