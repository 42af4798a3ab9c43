from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

Relay = Callable[..., list[Any]]
SHOWN = "import noisy; noisy.warn(); noisy.warn(); print('done')"


@pytest.fixture(autouse=True)
def noisy(tmp_path: Path) -> None:
    """A library beside the notebook that warns."""
    (tmp_path / "noisy.py").write_text("import warnings\ndef warn(text='old'):\n    warnings.warn(text, UserWarning)\n")


def test_a_warning_shown_before_is_not_shown_again(relay: Relay) -> None:
    outputs = relay("import noisy; noisy.warn()", probe=SHOWN)
    assert [output["name"] for output in outputs] == ["stdout"]


def test_a_warning_is_shown_again_once_the_filters_changed(relay: Relay) -> None:
    outputs = relay("import noisy; noisy.warn()\nimport warnings\nwith warnings.catch_warnings(): pass", probe=SHOWN)
    assert sorted(output["name"] for output in outputs) == ["stderr", "stdout"]


def test_filters_with_patterns_and_own_categories_travel(relay: Relay) -> None:
    cells = (
        "import warnings\nclass Mine(UserWarning): pass\nwarnings.filterwarnings('error', category=Mine)\n"
        "warnings.filterwarnings('ignore', message='ol.')"
    )
    probe = (
        "import noisy; noisy.warn('older')\ntry:\n    warnings.warn('x', Mine)\n"
        "except Mine as error:\n    print(repr(error))"
    )
    assert [output["text"] for output in relay(cells, probe=probe)] == ["Mine('x')\n"]


def test_a_warning_to_be_shown_once_stays_shown(relay: Relay) -> None:
    relay("import warnings, noisy; warnings.simplefilter('once'); noisy.warn()", probe=SHOWN)


def test_the_notebooks_own_showwarning_is_called(relay: Relay) -> None:
    cells = "import warnings\nwarnings.showwarning = lambda message, *rest, **more: print('seen:', message)"
    assert "seen: old" in relay(cells, probe="import noisy; noisy.warn()")[0]["text"]


def test_warnings_captured_by_logging_stay_captured(relay: Relay) -> None:
    cells = "import logging, sys; logging.basicConfig(stream=sys.stdout); logging.captureWarnings(True)"
    assert "py.warnings" in relay(cells, probe=SHOWN)[0]["text"]


def test_warnings_made_errors_do_not_disturb_the_hand_over(relay: Relay) -> None:
    probe = "import noisy\ntry:\n    noisy.warn()\nexcept UserWarning:\n    print('raised')"
    assert relay("import warnings; warnings.simplefilter('error')", probe=probe)[0]["text"] == "raised\n"
