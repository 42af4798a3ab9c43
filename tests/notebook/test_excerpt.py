"""A reader sees in a few lines what differs."""

from hypothesis import assume, given
from hypothesis import strategies as st

from j2k_dev.notebook.excerpt import SHORT, clipped, excerpts, printable

texts = st.text(alphabet="ab \t\n\x1b…", max_size=60).flatmap(lambda text: st.sampled_from([text, text * 40]))


@given(texts, texts, texts)
def test_short_texts_show_the_difference_of_long_ones(common: str, one: str, other: str) -> None:
    assume(one != other)
    shown = excerpts(common + one, common + other)
    assert shown[0] != shown[1]
    assert max(map(len, shown)) <= SHORT


def test_nothing_is_called_empty() -> None:
    assert excerpts("", "a") == ("(empty)", "a")


def test_two_lines_before_the_difference_are_shown() -> None:
    assert excerpts("1\n2\n3\n4x", "1\n2\n3\n4y") == ("…2\n3\n4x", "…2\n3\n4y")


def test_control_characters_are_written_out_and_letters_of_every_script_stay() -> None:
    assert printable("\x1b[0mµ → 漢\n\tx\x00") == "\\x1b[0mµ → 漢\n\tx\\x00"


def test_clipped_text_says_so() -> None:
    assert clipped("abcdef", 4) == "abc…"
    assert clipped("abcd", 4) == "abcd"
