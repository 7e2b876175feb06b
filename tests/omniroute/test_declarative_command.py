"""``omniroute apply`` and ``omniroute export`` as commands, on an installation of their own and beside a writer."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from omniroute.declarative.apply import apply
from routing.models import Alias, ConfigVersion
from tests.omniroute.programs import run

FILE = """\
version: 1
providers: [{id: acme, base_url: "http://127.0.0.1:9001/v1", allow_private_network: true, models: [acme-large]}]
connections: [{provider: acme, name: main, api_key: "${ACME_KEY}"}]
"""


def test_apply_and_export_as_commands(tmp_path: Path) -> None:
    data, path, exported = tmp_path / "data", tmp_path / "omniroute.yaml", tmp_path / "exported.yaml"
    path.write_text(FILE)
    missing = run(data, "apply", str(path))
    assert missing.returncode == 1 and "line 3: ACME_KEY is not set in the environment." in missing.stderr
    first = run(data, "apply", str(path), ACME_KEY="acme-secret")
    assert (first.returncode, first.stdout, first.stderr) == (0, "+ provider acme\n+ connection acme/main\n", "")
    written = run(data, "export")
    assert written.returncode == 0 and "acme-secret" not in written.stdout
    exported.write_text(written.stdout)
    again = run(data, "apply", str(exported), "--prune", ACME_MAIN_API_KEY="acme-secret")
    assert (again.returncode, again.stdout) == (0, "= nothing to do\n")
    told = run(data, "apply", "--help")
    assert "--prune" in told.stdout and "section is present" in " ".join(told.stdout.split())


@pytest.mark.django_db
def test_applying_tells_the_gateway() -> None:
    def version() -> int:
        return ConfigVersion.objects.values_list("version", flat=True).first() or 0

    text = "aliases: [{pattern: fast, target: a/b}]"
    apply(text, dry_run=True)
    before = version()
    apply(text)
    changed = version()
    apply(text)
    assert changed > before and version() == changed


@pytest.mark.django_db(transaction=True)
def test_applying_waits_for_another_writer() -> None:
    from django.db import connection

    if connection.vendor != "sqlite":
        pytest.skip("only SQLite has one writer at a time")
    name = str(connection.settings_dict["NAME"])
    if "memory" in name:
        pytest.skip("a database in memory has no second writer")
    held, release = threading.Event(), threading.Event()

    def writer() -> None:
        with sqlite3.connect(name, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            held.set()
            release.wait(5)
            other.execute("COMMIT")

    thread = threading.Thread(target=writer)
    thread.start()
    assert held.wait(5)
    threading.Timer(0.3, release.set).start()
    apply("aliases: [{pattern: fast, target: a/b}]")
    thread.join()
    assert Alias.objects.filter(pattern="fast").exists()
