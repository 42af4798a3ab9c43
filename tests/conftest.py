"""What holds for all tests: stages run in processes on this machine, unless a test says otherwise."""

import os

import pytest

os.environ["J2K_ENGINE"] = "local"

# What a failed assertion compared is shown for these helpers as for tests.
pytest.register_assert_rewrite("tests.engine.lab")
