"""Loaded by pytest before anything else (``-p tests.environment``): a throw-away installation for the whole run.

Its data directory and keys must be in the environment before Django's settings are read.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import trustme

_data = tempfile.mkdtemp(prefix="omniroute-tests-")
atexit.register(shutil.rmtree, _data, ignore_errors=True)
for _name in ("REDIS_URL", "CELERY_BROKER_URL", "PUBLIC_URL", "EMAIL_URL", "DATABASE_URL", "TRUSTED_PROXIES"):
    os.environ.pop(_name, None)
os.environ.update(
    DATA_DIR=_data,
    SECRET_KEY="tests-only-" + "x" * 50,
    ENCRYPTION_KEYS="tests-only-encryption-key-of-forty-characters",
    DJANGO_ALLOW_ASYNC_UNSAFE="true",  # fixtures set the database up while an event loop runs
)
# Only loopback addresses are contacted: no public authority need be believed. Reading the system's hundreds takes every
# HTTP client that is made 30 ms, and tests make thousands.
_authority = Path(_data) / "authority.pem"
trustme.CA().cert_pem.write_to_path(str(_authority))
os.environ["SSL_CERT_FILE"] = str(_authority)
if os.environ.get("TEST_DATABASE_URL"):
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]
