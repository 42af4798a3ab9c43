"""What holds for all tests: stages run in processes on this machine, unless a test says otherwise."""

import os

import pytest

os.environ["J2K_ENGINE"] = "local"

# What a failed assertion compared is shown for these helpers as for tests.
pytest.register_assert_rewrite("tests.engine.lab")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what needs the sandbox last: clusters that are up slow everything else down."""
    items.sort(key=lambda item: item.get_closest_marker("cluster") is not None)
