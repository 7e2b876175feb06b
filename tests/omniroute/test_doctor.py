"""``omniroute doctor``: a line per check, and what it says when something is wrong."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.omniroute.programs import picture, run

CHECKS = [
    "data directory", "key files", "database", "migrations", "encryption key", "secrets", "broker", "redis",
    "catalogue", "clock",
]  # fmt: skip


def lines(text: str) -> dict[str, tuple[str, str]]:
    """Check → (ok or FAIL, sentence)."""
    found = [re.fullmatch(r"(ok|FAIL) +([\w ]+): (.+)", line) for line in text.splitlines()]
    assert all(found)
    return {row[2]: (row[1], row[3]) for row in found if row}


def test_a_sound_installation_passes(installed: Path) -> None:
    before = picture(installed)
    result = run(installed, "doctor")
    assert (result.returncode, result.stderr) == (0, "")
    rows = lines(result.stdout)
    assert list(rows) == CHECKS
    assert {state for state, _ in rows.values()} == {"ok"}
    assert picture(installed) == before


def test_what_is_wrong_is_said(installed: Path) -> None:
    (installed / "secret_key").chmod(0o644)
    with closing(sqlite3.connect(installed / "omniroute.sqlite3")) as database:
        database.execute("DELETE FROM django_migrations WHERE app = 'analytics'")
        database.execute("UPDATE providers_vaultcanary SET word = substr(word, 1, length(word) - 4) || 'AAAA'")
        database.commit()
    result = run(installed, "doctor", REDIS_URL="redis://:hidden@127.0.0.1:1/0")
    assert result.returncode == 1
    rows = lines(result.stdout)
    failed = {name: sentence for name, (state, sentence) in rows.items() if state == "FAIL"}
    assert failed.keys() == {"key files", "migrations", "encryption key", "secrets", "broker", "redis"}
    assert "chmod go-rwx" in failed["key files"]
    assert failed["secrets"].startswith("1 of 1 stored secrets cannot be opened")
    assert "hidden" not in result.stdout


def test_a_database_of_an_older_program_waits_for_its_migrations(installed: Path) -> None:
    with closing(sqlite3.connect(installed / "omniroute.sqlite3")) as database:
        database.execute("DELETE FROM django_migrations WHERE name = '0010_opening_text_of_connections'")
        database.execute("ALTER TABLE providers_connection DROP COLUMN preamble")
        database.commit()
    rows = lines(run(installed, "doctor").stdout)
    assert {name for name, (state, _) in rows.items() if state == "FAIL"} == {"migrations", "secrets"}
    assert rows["secrets"][1] == "They can be looked at when the migrations are applied."


def test_without_an_installation_nothing_is_made(tmp_path: Path) -> None:
    result = run(tmp_path / "data", "doctor")
    assert result.returncode == 1
    assert lines(result.stdout)["database"] == (
        "FAIL",
        f"{tmp_path / 'data' / 'omniroute.sqlite3'} does not exist yet; start omniroute once.",
    )
    assert not (tmp_path / "data").exists()
