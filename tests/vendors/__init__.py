"""Stand-ins for the vendors whose logins we use, and for the APIs their tokens open, on loopback.

``python -m tests.vendors`` runs one in the shell.
"""

from tests.vendors.people import Accounts
from tests.vendors.pointed import catalogue_at, entries_at, flows_at
from tests.vendors.server import Vendors, running

__all__ = ["Accounts", "Vendors", "catalogue_at", "entries_at", "flows_at", "running"]
