"""A start that cannot go well says so in one sentence, exits with 1, and has changed nothing."""

from __future__ import annotations

import fcntl
import os
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.omniroute.programs import picture, run

OTHER_KEY = "another-encryption-key-of-at-least-forty-characters"


def refused(data_dir: Path, *words: str, **variables: str) -> str:
    """The sentence of a refused start. Whatever lies beside the data directory is compared, too."""
    before = picture(data_dir.parent)
    result = run(data_dir, *(words or ("serve", "--no-open")), **variables)
    assert picture(data_dir.parent) == before
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("omniroute: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("omniroute: ")


@pytest.mark.parametrize("existing", [True, False], ids=["installed", "new"])
def test_a_port_in_use(installed: Path, tmp_path: Path, existing: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        sentence = refused(installed if existing else tmp_path / "new", "--no-open", "--port", str(port))
    assert sentence.startswith(f"Cannot listen on 127.0.0.1 port {port}: Address already in use.")


def test_a_data_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written; choose another with DATA_DIR" in refused(tmp_path / "file" / "data")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable for root")
def test_a_data_directory_that_cannot_be_written(installed: Path) -> None:
    installed.chmod(0o500)
    try:
        assert "cannot be written; choose another with DATA_DIR" in refused(installed)
    finally:
        installed.chmod(0o700)


def test_a_database_of_a_newer_program(installed: Path) -> None:
    with closing(sqlite3.connect(installed / "omniroute.sqlite3")) as database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('routing', '9999_later', '2030-01-01')"
        )
        database.commit()
    assert "made by a newer OmniRoute (it has routing.9999_later" in refused(installed)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / "omniroute.sqlite3").write_bytes(b"this is no database, whatever its name says" * 100)
    assert "damaged or no database of ours: file is not a database" in refused(data_dir)


def test_another_encryption_key(installed: Path) -> None:
    sentence = refused(installed, ENCRYPTION_KEYS=OTHER_KEY)
    stored = _fingerprint(installed)
    assert f"sealed with key {stored}, the key given is " in sentence
    assert OTHER_KEY not in sentence


def test_another_encryption_key_in_the_file(installed: Path) -> None:
    (installed / "encryption_key").write_text(OTHER_KEY)
    assert f"sealed with key {_fingerprint(installed)}, the key given is " in refused(installed)


def test_a_lost_key_file_is_never_replaced(installed: Path) -> None:
    (installed / "encryption_key").unlink()
    sentence = refused(installed)
    assert "encryption_key is missing" in sentence
    assert _fingerprint(installed) in sentence


def test_an_empty_key_file(installed: Path) -> None:
    (installed / "encryption_key").write_text("\n")
    assert "encryption_key is empty" in refused(installed)


@pytest.mark.parametrize(
    ("variables", "words", "sentence"),
    [
        ({"PORT": "http"}, (), "PORT must be a whole number"),
        ({"LOG_FORMAT": "xml"}, (), "LOG_FORMAT must be one of text, json"),
        ({"ENCRYPTION_KEYS": "short"}, (), "Key 1 of ENCRYPTION_KEYS has 5 characters"),
        ({"INITIAL_ADMIN_EMAIL": "a@example.com"}, (), "INITIAL_ADMIN_EMAIL and INITIAL_ADMIN_PASSWORD are needed"),
        ({}, ("--workers", "2", "--no-open"), "More than one worker needs REDIS_URL"),
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, (), "Redis cannot be reached"),
        ({"DATABASE_URL": "postgres://u:hidden@127.0.0.1:1/x"}, (), "The database cannot be used"),
        ({"DATABASE_URL": "hidden"}, (), "DATABASE_URL must begin with postgres://"),
        ({"DATABASE_URL": "mysql://u:hidden@127.0.0.1/x"}, (), "DATABASE_URL must begin with postgres://"),
        ({"DATABASE_URL": "postgres://u:hid/den@127.0.0.1/x"}, (), "DATABASE_URL must be like postgres://"),
        ({"REDIS_URL": "127.0.0.1:6379"}, (), "REDIS_URL must begin with redis://"),
        ({"CELERY_BROKER_URL": "127.0.0.1:6379"}, (), "CELERY_BROKER_URL must be an address such as redis://"),
        ({"EMAIL_URL": "mail.example.com"}, (), "EMAIL_URL must begin with smtp://"),
        ({"EMAIL_URL": "smtp://u:hid#den@mail.example.com"}, (), "EMAIL_URL must be like smtp://"),
    ],
    ids=lambda value: next(iter(value), "words") if isinstance(value, dict) else None,
)
def test_settings_that_cannot_work(
    tmp_path: Path, variables: dict[str, str], words: tuple[str, ...], sentence: str
) -> None:
    answer = refused(tmp_path / "data", *words, **variables)
    assert answer.startswith(sentence)
    assert "hidden" not in answer


def test_a_command_does_not_migrate_under_a_running_server(installed: Path) -> None:
    with closing(sqlite3.connect(installed / "omniroute.sqlite3")) as database:
        database.execute("DELETE FROM django_migrations WHERE app = 'analytics'")
        database.commit()
    with (installed / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "The database must be migrated" in refused(installed, "keys", "create", "--name", "x")


def test_a_broken_catalogue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from omniroute.preflight import check_catalogue
    from omniroute.refusal import Refusal
    from providers import catalogue

    (tmp_path / "acme.toml").write_text("no_such_word = 1\n")
    load: Callable[[], object] = lambda: catalogue.load(tmp_path)  # noqa: E731
    monkeypatch.setattr(catalogue, "entries", load)
    with pytest.raises(Refusal, match=r"The provider catalogue is broken: acme\.toml"):
        check_catalogue()


def _fingerprint(data_dir: Path) -> str:
    with closing(sqlite3.connect(data_dir / "omniroute.sqlite3")) as database:
        return str(database.execute("SELECT fingerprint FROM providers_vaultcanary").fetchone()[0])
