"""Several processes, killed and concurrent ones: nothing acknowledged is lost, nothing counts twice."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from tests.analytics.conftest import Installation


def acknowledged_until_killed(process: subprocess.Popen[str], seconds: float, due: int = 0) -> dict[str, float]:
    """Request id → for how long it was acknowledged, by the clock of a process that is killed in the middle of its
    work: after so many seconds of that clock, and with more than ``due`` requests older than a second."""
    assert process.stdout
    acknowledged: dict[str, float] = {}
    last = 0.0
    while last < seconds or sum(last - when > 1 for when in acknowledged.values()) <= due:
        request_id, when = process.stdout.readline().split()
        last = acknowledged[request_id] = float(when)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for line in process.stdout.read().splitlines():
        request_id, when = line.split()
        last = acknowledged[request_id] = float(when)
    return {name: last - when for name, when in acknowledged.items()}


def stored(installation: Installation) -> set[str]:
    return {name for (name,) in installation.rows("SELECT request_id FROM analytics_usagerecord")}


def test_kill_9_loses_no_request_older_than_a_second(installation: Installation) -> None:
    ages = acknowledged_until_killed(installation.start("put", "0.01"), seconds=3, due=100)

    installation.run("replay")

    due = {name for name, age in ages.items() if age > 1}
    assert len(due) > 100
    assert due <= stored(installation)
    logged, counted = installation.counted()
    assert logged == counted
    assert not list(installation.journal.iterdir())


def test_kill_9_while_the_database_is_locked_loses_nothing_either(sqlite_installation: Installation) -> None:
    lock = sqlite_installation.connect()
    lock.execute("BEGIN IMMEDIATE")
    ages = acknowledged_until_killed(sqlite_installation.start("put", "0.01"), seconds=3)
    assert not stored(sqlite_installation)
    lock.execute("ROLLBACK")
    lock.close()

    sqlite_installation.run("replay")

    assert {name for name, age in ages.items() if age > 1} <= stored(sqlite_installation)
    assert len(set(sqlite_installation.counted())) == 1


def test_replaying_what_is_stored_already_changes_nothing(sqlite_installation: Installation) -> None:
    """The worst moment to die: the rows are committed, the journal is not emptied yet."""
    lock = sqlite_installation.connect()
    lock.execute("BEGIN IMMEDIATE")
    acknowledged_until_killed(sqlite_installation.start("put", "0.005"), seconds=1)
    lock.execute("ROLLBACK")
    lock.close()
    left = {path: path.read_bytes() for path in sqlite_installation.journal.iterdir()}
    sqlite_installation.run("replay")
    before = sqlite_installation.counted()
    for path, data in left.items():
        path.write_bytes(data)

    printed = sqlite_installation.run("replay")

    assert int(printed.split()[0]) == before[0] > 0
    assert sqlite_installation.counted() == before


def test_a_replay_leaves_the_journal_of_a_living_process_alone(sqlite_installation: Installation) -> None:
    lock = sqlite_installation.connect()
    lock.execute("BEGIN IMMEDIATE")
    process = sqlite_installation.start("put", "0.002")
    assert process.stdout
    while not list(sqlite_installation.journal.glob("*.jsonl")):
        process.stdout.readline()

    assert sqlite_installation.run("replay").split() == ["0", "0"]

    assert list(sqlite_installation.journal.glob("*.jsonl"))
    process.kill()
    process.wait()
    lock.close()


def test_two_processes_store_the_same_requests_on_the_same_keys(installation: Installation) -> None:
    processes = [installation.start("store", name, "15", "10") for name in ("a", "b")]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        assert process.communicate(timeout=60)[0] == "done\n"

    assert installation.counted() == (15 * (10 + 30 + 30),) * 2


@pytest.mark.services
def test_the_roll_up_waits_for_rows_with_lower_ids_that_are_committed_late(postgres_installation: Installation) -> None:
    from analytics.record import STORE_LOCK

    insert = """INSERT INTO analytics_usagerecord (
        request_id, provider, model, started_at, status, result, attempts, skips,
        operation, client_format, upstream_format, requested_model, connection, error_kind, error_message, price_source,
        key_name, user_agent, dropped, stream, estimated, latency_ms, input_tokens, cached_tokens, cache_write_tokens,
        output_tokens, reasoning_tokens, flat_rate, policies, cache, saved_tokens, saved_usd)
        VALUES (%s, 'acme', 'm', now(), 200, 'ok', '[]', '[]',
        'chat', '', '', '', '', '', '', '', '', '', '', false, false, 5, 1, 0, 0, 1, 0, false, '', '', 0, 0)"""
    late, early = postgres_installation.connect(), postgres_installation.connect()
    for connection, name in ((late, "lower id"), (early, "higher id")):
        connection.execute(f"SELECT pg_advisory_xact_lock_shared({STORE_LOCK})")
        connection.execute(insert, [name])
    early.commit()
    rolling = postgres_installation.start("roll_up")
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    deadline = time.monotonic() + 30
    while postgres_installation.rows(waiting) == [(0,)]:
        assert time.monotonic() < deadline
    assert postgres_installation.rows("SELECT * FROM analytics_hourlyusage") == []

    late.commit()

    assert rolling.communicate(timeout=30)[0] == "done\n"
    assert postgres_installation.rows("SELECT sum(requests) FROM analytics_hourlyusage") == [(2,)]
    late.close()
    early.close()
