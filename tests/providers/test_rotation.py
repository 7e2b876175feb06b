"""Sealing everything under another key: found, swapped, killed, run again; and what the command says."""

from __future__ import annotations

import signal
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from allauth.mfa.models import Authenticator
from django.db import connection as db_connection
from django.test import override_settings

from accounts.models import IdentityProvider
from omniroute import keyfiles
from omniroute.environment import read
from providers import grants, proxies, rotation
from providers.fields import reveal
from providers.keyring import ring
from providers.models import Connection, Provider, Proxy, VaultCanary
from providers.rotation import rotate, survey
from providers.vault import KeyRing, Sealed
from tests.omniroute.programs import PATIENCE, Program, run
from tests.test_main_job import services

__all__ = ["services"]

pytest_plugins = ["tests.omniroute.installation"]
OLD, NEW = "the-old-key-" + "o" * 30, "the-new-key-" + "n" * 30
SCRIPT = str(Path(__file__).with_name("rotating.py"))
ROWS = 10_000


def stored(row: Any, column: str = "secret") -> Sealed:
    row.refresh_from_db()
    value = getattr(row, column)
    assert isinstance(value, Sealed)
    return value


@pytest.fixture
def under_old(db: None) -> Any:
    """Everything that can be sealed, once, under the old key; from now on the new one is first."""
    with override_settings(ENCRYPTION_KEYS=(OLD,)):
        acme = Provider.objects.create(id="acme", format="openai_chat", base_url="https://acme.example/v1")
        Connection.objects.create(provider=acme, name="main", secret="a secret")
        proxies.save(Proxy(name="eu"), "http://u:p@10.0.0.1:1")
        Connection.objects.create(provider=acme, name="bare")
        IdentityProvider.objects.create(slug="idp", name="IdP", server_url="https://i.example", client_secret="another")
        VaultCanary(word=VaultCanary.WORD, fingerprint=ring().fingerprint).save()
    with override_settings(ENCRYPTION_KEYS=(NEW, OLD)):
        yield ring()


class TestRotating:
    def test_every_encrypted_column_is_found(self, under_old: KeyRing) -> None:
        assert survey(under_old).old == 4
        done = rotate(under_old)
        assert (done.resealed, done.missed, done.unreadable) == (4, 0, [])
        after = survey(KeyRing([NEW]))
        assert (after.values, after.old, after.unreadable) == (4, 0, [])
        assert reveal(Proxy.objects.get(), "url") == "http://u:p@10.0.0.1:1"
        assert VaultCanary.objects.get().fingerprint == under_old.fingerprint
        assert rotate(under_old).resealed == 0

    def test_a_login_is_renewed_with_the_new_key_alone(
        self, under_old: KeyRing, login_vendors: Any, logged_in: Any
    ) -> None:
        with override_settings(ENCRYPTION_KEYS=(OLD,)):
            grant = logged_in("claude", lasts=-1)
            grant.id_token, grant.hidden = "an id token", '{"client_id": "own"}'
            grant.save()
        assert rotate(under_old).resealed == 8
        with override_settings(ENCRYPTION_KEYS=(NEW,)):
            grant.refresh_from_db()
            assert reveal(grant, "id_token") == "an id token" and grants.hidden_of(grant) == {"client_id": "own"}
            assert grants.refresh(grant.pk).generation == 2
        assert login_vendors.said("v1/oauth/token")[-1]["client_id"] == "own" and login_vendors.accounts.reused == 0

    def test_second_factors_are_rotated_inside_their_json(self, under_old: KeyRing, member: Any) -> None:
        old, context = KeyRing([OLD]), "mfa_authenticator.data"
        totp = Authenticator.objects.create(user=member, type="totp", data={"secret": old.seal("JBSWY3DP", context)})
        codes = {"seed": old.seal("seed", context), "used_mask": 5, "viewed_at": 1764196183.25}
        row = Authenticator.objects.create(user=member, type="recovery_codes", data=codes)
        Authenticator.objects.create(user=member, type="webauthn", data={"credential": {"id": "x"}})
        assert rotate(under_old).resealed == 6
        totp.refresh_from_db()
        row.refresh_from_db()
        assert KeyRing([NEW]).open(totp.data["secret"], context) == "JBSWY3DP"
        assert KeyRing([NEW]).open(row.data["seed"], context) == "seed"
        assert row.data | {"seed": ""} == {"seed": "", "used_mask": 5, "viewed_at": 1764196183.25}

    def test_a_dry_run_changes_nothing(self, under_old: KeyRing) -> None:
        before = stored(Connection.objects.get(name="main"))
        assert rotate(under_old, dry_run=True).resealed == 4
        assert stored(Connection.objects.get(name="main")) == before and survey(under_old).old == 4

    def test_a_row_that_cannot_be_opened_is_named_and_the_others_go_on(self, under_old: KeyRing) -> None:
        acme = Provider.objects.get(id="acme")
        with override_settings(ENCRYPTION_KEYS=("a-key-nobody-has-" + "x" * 30,)):
            lost = Connection.objects.create(provider=acme, name="lost", secret="gone")
        altered = Connection.objects.get(name="bare")
        with db_connection.cursor() as cursor:
            cursor.execute("UPDATE providers_connection SET secret = 'plain' WHERE id = %s", [altered.pk])
        before = stored(lost)
        done = rotate(under_old)
        assert done.resealed == 4 and len(done.unreadable) == 2
        assert any(f"connection {lost.pk} (acme · lost): The key" in one for one in done.unreadable)
        assert any("acme · bare" in one and "not a sealed secret" in one for one in done.unreadable)
        assert stored(lost) == before and "gone" not in str(done)

    def test_what_is_saved_meanwhile_is_kept(self, under_old: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
        original = rotation.Columns.replace
        saves = ["in time", "again", ""]

        def replace(self: Any, row: Any, tokens: Any) -> bool:
            text = saves.pop(0) if self.name == "providers.Connection" and saves else ""
            if text:
                other = Connection.objects.get(pk=row.pk)
                with override_settings(ENCRYPTION_KEYS=(OLD,)):  # by a process that does not know the new key
                    other.secret = text
                    other.save()
            return original(self, row, tokens)

        monkeypatch.setattr(rotation.Columns, "replace", replace)
        done = rotate(under_old)
        assert done.missed == 0 and not saves
        row = Connection.objects.get(name="main")
        assert reveal(row, "secret") == "again" and stored(row).key_id == under_old.primary

    def test_who_is_always_quicker_keeps_the_canary_under_the_old_key(
        self, under_old: KeyRing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rotation.Columns, "replace", lambda self, row, tokens: self.name != "providers.Connection")
        assert rotate(under_old).missed == 1
        assert stored(VaultCanary.objects.get(), "word").key_id == KeyRing([OLD]).primary

    def test_a_row_loaded_before_and_saved_after_comes_under_the_first_key(self, under_old: KeyRing) -> None:
        row = Connection.objects.get(name="main")
        rotate(under_old)
        row.priority = 9
        row.save()
        assert stored(row).key_id == under_old.primary
        assert reveal(row, "secret") == "a secret"

    def test_batches_are_walked_to_the_end(self, under_old: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rotation, "BATCH", 3)
        acme, told = Provider.objects.get(id="acme"), []
        with override_settings(ENCRYPTION_KEYS=(OLD,)):
            for number in range(10):
                Connection.objects.create(provider=acme, name=f"n{number}", secret=f"s{number}")
        rotate(under_old, tell=lambda name, done: told.append((name, done)))
        assert [done for name, done in told if name == "providers.Connection"] == [3, 6, 9, 11]
        assert survey(under_old).old == 0


class TestTheKeyFile:
    def test_it_is_read_again_when_it_changes(self, tmp_path: Path, caplog: Any) -> None:
        file = tmp_path / "encryption_key"
        with override_settings(ENCRYPTION_KEYS=(OLD,), ENCRYPTION_KEY_FILE=file):
            assert ring().ids == KeyRing([OLD]).ids  # not there yet
            file.write_text(f"{OLD}\n")
            assert ring() is ring() and ring().ids == KeyRing([OLD]).ids
            file.write_text(f"{NEW},{OLD}\n")
            assert ring().ids == KeyRing([NEW, OLD]).ids
            file.write_text("too short")
            assert ring().ids == KeyRing([NEW, OLD]).ids and "stay in force" in caplog.text
            assert "too short" not in caplog.text
            file.unlink()
            assert ring().ids == KeyRing([NEW, OLD]).ids


# -- the command, in a real installation ------------------------------------------------------------------------------
def keys_of(folder: Path) -> tuple[str, ...]:
    return KeyRing((folder / "encryption_key").read_text().strip().split(",")).ids


def value(folder: Path, query: str, url: str = "") -> Any:
    """The one value that a query finds, in the file or on the server at ``url``."""
    with psycopg.connect(url) if url else closing(sqlite3.connect(folder / "omniroute.sqlite3")) as db:
        row = db.execute(query).fetchone()
        assert row is not None
        return row[0]


def sealed_by(folder: Path, key_id: str, url: str = "", table: str = "connection", column: str = "secret") -> int:
    return int(value(folder, f"SELECT count(*) FROM providers_{table} WHERE {column} LIKE 'og1.{key_id}.%'", url))


def all_sealed_by(folder: Path, key_id: str, url: str = "") -> int:
    return sealed_by(folder, key_id, url) + sealed_by(folder, key_id, url, "proxy", "url")


def canary_key(folder: Path, url: str = "") -> str:
    return str(value(folder, "SELECT word FROM providers_vaultcanary", url)).split(".")[1]


def script(folder: Path, *words: str, **variables: str) -> Program:
    return Program(folder, *words, script=SCRIPT, **variables)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def database(request: pytest.FixtureRequest, installed: Path) -> str:
    """The URL of the server that the installation is on; "" where it is on its file."""
    if request.param == "sqlite":
        return ""
    url = str(request.getfixturevalue("services")["DATABASE_URL"])
    with Program(installed, "serve", "--no-open", DATABASE_URL=url) as program:
        program.address()
        assert program.stop() == 0
    return url


@pytest.mark.timeout(600)
def test_killed_three_times_over_ten_thousand_rows_with_readers_and_writers_running(
    installed: Path, database: str
) -> None:
    where_it_is = {"DATABASE_URL": database} if database else {}
    with script(installed, "fill", str(ROWS), **where_it_is) as filling:
        assert filling.end() == 0, filling.output
    (old,) = keys_of(installed)
    with script(installed, "live", **where_it_is) as living:
        living.wait_for("live")
        keyfiles.add_key(read({"DATA_DIR": str(installed)}))
        new = keys_of(installed)[0]
        done = 0
        for where, count in (("between", 10), ("inside", 1150), ("inside", 3100)):
            with script(installed, "rotate", where, str(count), **where_it_is) as rotating:
                rotating.wait_for("here")
                rotating.stop(signal.SIGKILL)
            done += count * 200 if where == "between" else count // 200 * 200
            assert all_sealed_by(installed, new, database) >= done
            assert 0 < all_sealed_by(installed, old, database) <= ROWS + ROWS // 10 - done
        assert canary_key(installed, database) == old  # until everything is done, no start without the old key
        last = run(installed, "secrets", "rotate", patience=10 * PATIENCE, **where_it_is)
        assert last.returncode == 0, last.stderr
        assert "every one that can be opened is under the key" in last.stdout
        assert living.stop() == 0, living.output[-3000:]
    assert "faults=[]" in living.output, living.output[-2000:]
    assert "saved=0 " not in living.output
    assert (sealed_by(installed, new, database), sealed_by(installed, old, database)) == (ROWS, 0)
    assert sealed_by(installed, new, database, "proxy", "url") == ROWS // 10
    assert canary_key(installed, database) == new


def test_a_new_key_while_the_server_runs(installed: Path) -> None:
    before = (installed / "encryption_key").read_text().strip()
    with Program(installed, "serve", "--no-open") as program:
        program.address()
        result = run(installed, "secrets", "rotate", "--new-key")
        assert result.returncode == 0, result.stderr
        assert program.stop() == 0
    new, old = (installed / "encryption_key").read_text().strip().split(",")
    assert old == before and new != old and new not in result.stdout
    (copy,) = installed.glob("encryption_key.2*")
    assert copy.read_text().strip() == before and "1 secrets are sealed anew" in result.stdout
    for path in (copy, installed / "encryption_key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not (installed / "encryption_key.new").exists()
    (installed / "encryption_key").write_text(new)  # the old one is needed no longer
    again = run(installed, "secrets", "rotate")
    assert again.returncode == 0 and "There is nothing to do" in again.stdout


def test_a_running_server_that_does_not_know_the_key_is_not_left_blind(installed: Path) -> None:
    old = (installed / "encryption_key").read_text().strip()
    with Program(installed, "serve", "--no-open", ENCRYPTION_KEYS=old) as program:
        program.address()
        refused = run(installed, "secrets", "rotate", ENCRYPTION_KEYS=f"{NEW},{old}")
        assert refused.returncode == 1 and "does not know the first key" in refused.stderr
        assert program.stop() == 0


def test_what_the_command_refuses(installed: Path) -> None:
    key = (installed / "encryption_key").read_text().strip()
    refused = run(installed, "secrets", "rotate", "--new-key", ENCRYPTION_KEYS=key)
    assert refused.returncode == 1 and "given by ENCRYPTION_KEYS" in refused.stderr
    (installed / "encryption_key").write_text(f"{NEW},{key}")
    new = keys_of(installed)[0]
    refused = run(installed, "secrets", "rotate", "--new-key")
    assert refused.returncode == 1 and "without --new-key" in refused.stderr
    dry = run(installed, "secrets", "rotate", "--dry-run")
    assert dry.returncode == 0 and "1 secrets would be sealed" in dry.stdout and canary_key(installed) != new
    doctor = run(installed, "doctor")
    assert doctor.returncode == 0 and "1 of them with an older key: run omniroute secrets rotate" in doctor.stdout


def test_a_row_that_cannot_be_opened_ends_the_command_with_one(installed: Path) -> None:
    with script(installed, "fill", "3") as filling:
        assert filling.end() == 0
    with closing(sqlite3.connect(installed / "omniroute.sqlite3")) as db:
        db.execute("UPDATE providers_connection SET secret = substr(secret, 1, 30) WHERE name = 'row-1'")
        db.commit()
    result = run(installed, "secrets", "rotate", "--new-key")
    assert result.returncode == 1
    assert "(acme · row-1): The stored value of providers_connection.secret was altered or moved." in result.stderr
    assert "3 secrets are sealed anew" in result.stdout and "1 cannot be opened" in result.stdout
