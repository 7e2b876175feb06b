"""``python -m omniroute``: the same as the ``omniroute`` command."""

import sys

from omniroute.cli import main

if __name__ == "__main__":
    sys.exit(main())
