"""``python -m tests.vendors [PORT]``: the fake vendors in the shell, and folders of data that point at them."""

import sys
import tempfile
import threading
from pathlib import Path

from tests.vendors import catalogue_at, flows_at, running

with running(int(sys.argv[1]) if len(sys.argv) > 1 else 0) as vendors, tempfile.TemporaryDirectory() as name:
    print(f"The vendors are at {vendors.url}")
    print(f"logins: {flows_at(Path(name) / 'logins', vendors.url)}")
    print(f"providers: {catalogue_at(Path(name) / 'catalog', vendors.url)}", flush=True)
    threading.Event().wait()
