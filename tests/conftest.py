"""What holds for all tests: stages run in processes on this machine, unless a test says otherwise."""

import os

import pytest
from hypothesis import settings

from j2k_dev.evidence.keys import VARIABLE, signing_key
from tests.sampling import commit, left_out

os.environ["J2K_ENGINE"] = "local"

# How long an example takes says more of the machine than of the code.
settings.register_profile("j2k", deadline=None)
settings.load_profile("j2k")

# What a failed assertion compared is shown for these helpers as for tests.
pytest.register_assert_rewrite("tests.engine.lab")


@pytest.fixture(scope="session", autouse=True)
def signing(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Sign with a key of the tests' own: runs that equal the notebook are evidence."""
    folder = tmp_path_factory.mktemp("key")
    signing_key(folder)
    os.environ[VARIABLE] = str(folder)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run what needs the sandbox last: clusters that are up slow everything else down."""
    if os.environ.get("J2K_PIPELINE") == "sample":
        left = left_out(items, commit())
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]
    items.sort(key=lambda item: item.get_closest_marker("cluster") is not None)
