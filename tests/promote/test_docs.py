"""The page on target files: its tables are the code's, and it names every field that there is."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path

import pytest

from j2k_dev.deploy.strict_yaml import as_written
from j2k_dev.deploy.target import Target
from j2k_dev.promote import differences, policy
from tests.promote.test_tree import KUBERNETES

PAGE = Path(__file__).parents[2] / "docs" / "target.md"


@pytest.mark.parametrize(("name", "table"), [("differences", differences.table()), ("rules", policy.table())])
def test_a_table_of_the_page_is_the_codes(name: str, table: str) -> None:
    """Set J2K_GOLDEN=write to write it anew."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, rest = PAGE.read_text().split(begin)
    there, after = rest.split(end)
    if os.environ.get("J2K_GOLDEN") == "write":
        PAGE.write_text(f"{before}{begin}{table}{end}{after}")
        there = table
    assert there == table


def test_the_page_names_every_field() -> None:
    page = PAGE.read_text()
    assert [name for field in dataclasses.fields(Target) if (name := as_written(field.name)) not in page] == []


def test_the_page_names_every_kubernetes_that_the_tree_is_checked_against() -> None:
    checked = [".".join(version.removeprefix("v").split(".")[:2]) for version in KUBERNETES]
    (named,) = re.findall(r"schemas of Kubernetes ([^.]*\.[^a-z]*and [0-9.]+[0-9])", PAGE.read_text())
    assert re.findall(r"\d\.\d+", named) == checked
