"""``python -m j2k_dev``: the same as ``j2k``."""

import sys

from j2k_dev.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
