"""``python -m llamalite`` is ``llamalite``."""

import sys

from llamalite.cli import main

if __name__ == "__main__":
    sys.exit(main())
