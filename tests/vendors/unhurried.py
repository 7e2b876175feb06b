"""``omniroute`` whose shared cache may take as long as a busy machine makes it wait, not a fifth of a second."""

import sys

from omniroute import cli
from routing.gateway import replay
from routing.gateway.replay import shared, shared_index

SECONDS = 10.0

replay.open_shelf = lambda url: shared.SharedShelf(url, timeout=SECONDS)
shared_index.TIMEOUT = SECONDS

if __name__ == "__main__":
    sys.exit(cli.main())
