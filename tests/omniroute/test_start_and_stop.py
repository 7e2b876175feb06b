"""``omniroute serve`` as its operator sees it: first start, later starts, how it ends."""

from __future__ import annotations

import os
import re
import signal
import stat
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from omniroute.cli.keys import create
from omniroute.refusal import Refusal
from tests.omniroute.programs import Program, all_ended, picture, run, watch

STAND_IN = str(Path(__file__).with_name("stand_in.py"))


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=30) as reply:
            return reply.status
    except urllib.error.HTTPError as refused:
        return refused.code


def test_the_first_start_makes_everything_and_shows_one_link(tmp_path: Path) -> None:
    data_dir = tmp_path / "new" / "data"
    with Program(data_dir, "--no-open") as program:
        address = program.address()
        assert status(f"{address}/healthz") == status(f"{address}/readyz") == 200
        link = re.findall(r"\S+/accounts/invitation/\S+", program.output)
        assert len(link) == 1
        assert status(link[0]) == 200
        handles = watch(program.children())
        assert len(handles) == 2
        assert program.stop() == 0
        assert all_ended(handles)
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data_dir.rglob("*") if path.is_file()}
    assert {"secret_key", "encryption_key", "omniroute.sqlite3"} <= modes.keys()
    assert set(modes.values()) == {0o600}
    for secret in ("secret_key", "encryption_key"):
        assert (data_dir / secret).read_text().strip() not in program.output


def test_an_administrator_from_the_environment_needs_no_link(first_start: tuple[Path, str]) -> None:
    assert "Made the administrator root@example.com." in first_start[1]
    assert "invitation" not in first_start[1]


def test_later_starts_are_one_line_and_make_nothing_again(installed: Path) -> None:
    secrets = {name: (installed / name).read_text() for name in ("secret_key", "encryption_key")}
    with Program(installed, "--no-open") as program:
        program.address()
        assert program.stop(signal.SIGINT) == 0
    assert re.fullmatch(r"OmniRoute is running on http://127\.0\.0\.1:\d+\n", program.output)
    assert secrets == {name: (installed / name).read_text() for name in secrets}
    assert not (installed / "backups").exists()


def test_a_second_one_on_the_same_directory_is_refused_and_commands_are_not(installed: Path) -> None:
    with Program(installed, "--no-open") as program:
        program.address()
        second = run(installed, "serve", "--no-open")
        assert (second.returncode, second.stdout) == (1, "")
        assert re.fullmatch(r"omniroute: Another omniroute \(process \d+\) runs on .*\n", second.stderr)
        key = run(installed, "keys", "create", "--name", "ci", "--models", "openai/*", "--user", "root@example.com")
        assert (key.returncode, key.stderr) == (0, "")
        assert re.fullmatch(r"sk-omni-[\w-]{43}\n", key.stdout)


def test_nothing_outlives_a_killed_parent(installed: Path) -> None:
    with Program(installed, "--no-open") as program:
        program.address()
        handles = watch(program.children())
        assert len(handles) == 2
        os.kill(program.process.pid, signal.SIGKILL)
        assert all_ended(handles, within=5)


def test_a_killed_web_process_is_replaced_and_its_callers_only_wait(installed: Path) -> None:
    with Program(installed, "--no-open", script=STAND_IN) as program:
        address = program.address()
        os.kill(program.children()[0], signal.SIGKILL)
        program.wait_for(r"web ended unexpectedly \(signal SIGKILL\)")
        assert status(f"{address}/healthz") == 200  # the parent holds the socket: nobody is turned away
        assert program.stop() == 0


def test_a_web_process_that_cannot_start_ends_the_program(installed: Path) -> None:
    with Program(installed, "--no-open", script=STAND_IN, STAND_IN="broken") as program:
        assert program.end() == 1
    assert program.output.count("web ended unexpectedly (exit code 3)") == 4
    assert "web ended 5 times within 30 seconds: giving up" in program.output


def test_running_requests_end_before_the_program_does(installed: Path) -> None:
    with Program(installed, "--no-open", script=STAND_IN) as program, ThreadPoolExecutor() as pool:
        address = program.address()
        assert status(f"{address}/readyz") == 200
        slow = pool.submit(status, f"{address}/slow")
        program.wait_for("slow request begins")
        before = status(f"{address}/v1/models")
        program.process.send_signal(signal.SIGTERM)
        program.wait_for("Stopping once running requests have ended")
        refused = status(f"{address}/readyz"), status(f"{address}/v1/models")
        assert not slow.done()
        assert status(f"{address}/metrics") == 200
        assert (before, refused, slow.result()) == (200, (503, 503), 200)
        assert program.end() == 0
    assert "shut down in order" in program.output


def test_a_second_signal_does_not_wait_for_running_requests(installed: Path) -> None:
    with Program(installed, "--no-open", script=STAND_IN) as program, ThreadPoolExecutor() as pool:
        address = program.address()
        slow = pool.submit(status, f"{address}/slow")
        program.wait_for("slow request begins")
        program.process.send_signal(signal.SIGINT)
        program.wait_for("Stopping once running requests have ended")
        assert program.stop(signal.SIGINT) == 0
        assert slow.exception() or slow.result() >= 500
    assert "shut down in order" in program.output


def test_two_ports_keep_clients_and_people_apart(installed: Path) -> None:
    ports = ("--api-port", "0", "--dashboard-port", "0")
    with Program(installed, "--no-open", *ports, script=STAND_IN) as program:
        people = program.address()
        clients = program.wait_for(r"\(client API: (\S+)\)")[1]
        assert [status(f"{clients}{path}") for path in ("/v1/models", "/dashboard/", "/healthz")] == [200, 404, 200]
        assert [status(f"{people}{path}") for path in ("/v1/models", "/dashboard/", "/healthz")] == [404, 200, 200]
        assert program.stop() == 0


def test_an_older_database_is_copied_before_it_is_migrated(installed: Path) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(installed / "omniroute.sqlite3")) as database:
        database.execute("CREATE TABLE keepsake (word)")
        database.execute("INSERT INTO keepsake VALUES ('old')")
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall():
            if table.startswith("analytics_"):
                database.execute(f"DROP TABLE {table}")
        database.execute("DELETE FROM django_migrations WHERE app = 'analytics'")
        database.commit()
    first = run(installed, "keys", "create", "--name", "after")
    assert (first.returncode, first.stderr) == (0, "")
    (copy,) = (installed / "backups").iterdir()
    assert re.fullmatch(r"before-migration-[\d.]+-\d{8}T\d{6}\.sqlite3", copy.name)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("SELECT word FROM keepsake").fetchall() == [("old",)]
        assert not database.execute("SELECT 1 FROM django_migrations WHERE app = 'analytics'").fetchall()
    with closing(sqlite3.connect(installed / "omniroute.sqlite3")) as database:
        assert database.execute("SELECT 1 FROM django_migrations WHERE app = 'analytics'").fetchall()
    before = picture(installed / "backups")
    assert run(installed, "keys", "create", "--name", "again").returncode == 0
    assert picture(installed / "backups") == before


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("x", "nobody@example.com"), "There is no user nobody@example.com."),
        ((" ", None), "A key needs a name."),
    ],
)
def test_a_key_that_cannot_be_made_says_why(db: None, words: tuple[str, str | None], answer: str) -> None:
    name, email = words
    with pytest.raises(Refusal, match=re.escape(answer)):
        create(name, ["*"], email)
