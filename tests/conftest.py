"""What holds for all tests: stages run in processes on this machine, unless a test says otherwise."""

import os

os.environ["J2K_ENGINE"] = "local"
