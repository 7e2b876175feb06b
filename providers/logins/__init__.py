"""Vendors' own logins: flows as data (``vendors/*.toml``), one engine without I/O, and the attempts of people."""
