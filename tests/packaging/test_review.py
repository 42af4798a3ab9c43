"""The list of what goes in can be edited, and what was changed in it stays."""

from __future__ import annotations

import pytest

from j2k_dev.model.errors import Refused
from j2k_dev.packaging.files import ELSEWHERE, Selection
from j2k_dev.packaging.review import REVIEWED, Review, applied, listed, reviewed

CHOSEN = Selection(frozenset({"/env/a.py", "/env/b.py"}), {"/data/x.csv": ELSEWHERE})


def test_the_list_shows_what_goes_in_and_what_was_left_out_and_why() -> None:
    lines = listed(CHOSEN).splitlines()
    assert lines[-2:] == ["/env/a.py", "/env/b.py"]
    assert f"# /data/x.csv  ({ELSEWHERE})" in lines


def test_a_list_that_was_not_edited_changes_nothing() -> None:
    assert reviewed(CHOSEN, listed(CHOSEN)) == Review()
    assert applied(CHOSEN, Review()) == CHOSEN


def test_lines_can_be_deleted_and_added() -> None:
    text = listed(CHOSEN).replace("/env/a.py\n", "/data/x.csv\n")
    review = reviewed(CHOSEN, text)
    assert review == Review(left_out=("/env/a.py",), added=("/data/x.csv",))
    after = applied(CHOSEN, review)
    assert after.files == {"/env/b.py", "/data/x.csv"}
    assert after.left_out == {"/env/a.py": REVIEWED}


def test_a_review_holds_for_a_later_list_that_has_less() -> None:
    later = Selection(frozenset({"/env/b.py", "/env/c.py"}))
    after = applied(later, Review(left_out=("/env/a.py", "/env/b.py"), added=("/data/x.csv",)))
    assert after.files == {"/env/c.py", "/data/x.csv"}


@pytest.mark.parametrize("path", ["/etc/shadow", "/home/me/.ssh/id_rsa", "/home/me/.netrc"])
def test_a_secret_cant_be_added(path: str) -> None:
    with pytest.raises(Refused, match="may hold a secret") as caught:
        reviewed(CHOSEN, listed(CHOSEN) + path + "\n")
    assert "Secret" in caught.value.way_out


def test_a_line_that_is_no_path_is_named() -> None:
    with pytest.raises(Refused, match="in the list is no absolute path"):
        reviewed(CHOSEN, listed(CHOSEN) + "data/x.csv\n")
