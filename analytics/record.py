"""Outcomes → rows, and what each client key has been used for.

Measured, 500 rows a batch, CPU of our process per row, everything included: SQLite 30 µs by ``executemany`` (55 as one
JSON array, 140 by ``bulk_create``); PostgreSQL 9 µs as one JSON array that the server unpacks (42 and 150).
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from msgspec.structs import asdict

from analytics import ledger, live
from analytics.journal import Replayed
from analytics.journal import replay as replay_journal
from analytics.models import UsageRecord
from providers import quotas
from routing.gateway.outcome import AttemptNote, Outcome, SkipNote
from routing.models import ApiKey
from routing.money import charged

log = logging.getLogger(__name__)

# Taken shared by every store and alone by the roll-up, so that it knows an id below which no row appears any more.
STORE_LOCK = 0x6F6D6E69
DEADLOCK_TRIES = 4
_DEADLOCKS = {"40P01", "40001"}  # PostgreSQL: deadlock detected, serialization failure
_SMALL, _INT, _BIG = 2**15 - 1, 2**31 - 1, 2**63 - 1

# Column → its type on PostgreSQL, in the order of _row().
COLUMNS = {
    "request_id": "text",
    "started_at": "timestamp AT TIME ZONE 'UTC'",
    "key_id": "bigint",
    "key_name": "text",
    "user_id": "bigint",
    "team_id": "bigint",
    "operation": "text",
    "client_format": "text",
    "upstream_format": "text",
    "requested_model": "text",
    "provider": "text",
    "model": "text",
    "connection": "text",
    "stream": "boolean",
    "status": "smallint",
    "result": "text",
    "error_kind": "text",
    "error_message": "text",
    "attempts": "jsonb",
    "skips": "jsonb",
    "latency_ms": "integer",
    "first_byte_ms": "integer",
    "input_tokens": "bigint",
    "cached_tokens": "bigint",
    "cache_write_tokens": "bigint",
    "output_tokens": "bigint",
    "reasoning_tokens": "bigint",
    "estimated": "boolean",
    "cost_usd": "numeric",
    "price_source": "text",
    "client_address": "inet",
    "user_agent": "text",
    "dropped": "text",
    "price": "jsonb",
    "flat_rate": "boolean",
    "policies": "text",
    "cache": "text",
    "saved_tokens": "bigint",
    "saved_usd": "numeric",
}
_JSON = [number for number, kind in enumerate(COLUMNS.values()) if kind == "jsonb"]
_MONEY = [list(COLUMNS).index(name) for name in ("cost_usd", "saved_usd")]
_encode = msgspec.json.Encoder().encode


def store(outcomes: Sequence[Outcome]) -> int:
    """Insert what is not there yet, count it on its client keys in the same transaction, tell the live views.

    Returns how many rows were new. Doubles are left out by request id; an outcome the database refuses is logged and
    left out. Raises DatabaseError when the database is locked or away: then nothing of the batch is stored.
    """
    unique = list({o.request_id: o for o in outcomes}.values())
    for attempt in range(DEADLOCK_TRIES):
        try:
            return len(_store(unique))
        except OperationalError as wrong:
            _hang_up()
            if getattr(wrong.__cause__, "sqlstate", None) not in _DEADLOCKS or attempt == DEADLOCK_TRIES - 1:
                raise
            time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - two stores must not meet again
        except (DatabaseError, InterfaceError):
            _hang_up()
            raise
    return 0


def replay(journal_dir: Path) -> Replayed:
    """Store what dead processes left in the journal directory; the outbox does the same when it starts."""
    return replay_journal(journal_dir, store)


def _store(outcomes: list[Outcome]) -> list[Outcome]:
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [STORE_LOCK])
        fresh = _insert(outcomes)
        _count_on_keys(fresh)
        ledger.write(fresh)
        if fresh:
            transaction.on_commit(lambda: live.notify(fresh), robust=True)
        if heard := [each for outcome in fresh for each in outcome.heard]:
            transaction.on_commit(lambda: quotas.keep_heard(heard), robust=True)
    return fresh


def _hang_up() -> None:
    """Leave no broken connection in this thread; the next statement opens a new one."""
    if not connection.in_atomic_block:
        connection.close()


def _insert(outcomes: list[Outcome]) -> list[Outcome]:
    """Those that became rows: all at once, else without the doubles, else one by one."""
    for select in (list, _unknown):
        fresh: list[Outcome] = select(outcomes)
        try:
            with transaction.atomic():
                if _insert_rows(fresh) == len(fresh):
                    return fresh
                transaction.set_rollback(True)
        except Exception as wrong:
            if _is_outage(wrong):
                raise
    return [o for o in outcomes if _inserted(o)]


def _unknown(outcomes: list[Outcome]) -> list[Outcome]:
    ids = [_text(o.request_id, 64) for o in outcomes]
    known = set(UsageRecord.objects.filter(request_id__in=ids).values_list("request_id", flat=True))
    return [o for o in outcomes if _text(o.request_id, 64) not in known]


def _inserted(outcome: Outcome) -> bool:
    try:
        with transaction.atomic():
            return _insert_rows([outcome]) == 1
    except Exception as wrong:
        if _is_outage(wrong):
            raise
        log.error("The record of request %.64r cannot be stored: %s", outcome.request_id, wrong)
        return False


def _is_outage(wrong: Exception) -> bool:
    """Whether it is the database's trouble, which passes, rather than the row's."""
    return isinstance(wrong, OperationalError | InterfaceError)


# -- rows -------------------------------------------------------------------------------------------------------------


def _insert_rows(outcomes: Iterable[Outcome]) -> int:
    """Insert what has no double; returns how many that were."""
    rows = _storable([_row(o) for o in outcomes])
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_statement(connection.vendor), [_encode(rows).decode()])
        else:
            cursor.executemany(_statement(connection.vendor), [_for_sqlite(row) for row in rows])
        return int(cursor.rowcount)


def _storable(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows as they are; if one holds a text that no database takes, all of them cleaned."""
    try:
        if b"\\u0000" not in _encode(rows):
            return rows
    except UnicodeEncodeError:  # half a surrogate pair
        pass
    return [tuple(_scrubbed(value) for value in row) for row in rows]


def _for_sqlite(row: tuple[Any, ...]) -> list[Any]:
    values = list(row)
    for column in _JSON:
        values[column] = None if values[column] is None else _encode(values[column]).decode()
    for column in _MONEY:
        values[column] = None if values[column] is None else str(values[column])
    return values


@lru_cache(maxsize=2)
def _statement(vendor: str) -> str:
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    if vendor == "postgresql":
        values = ", ".join(
            f"NULLIF(r->{n}, 'null'::jsonb)" if kind == "jsonb" else f"(r->>{n})::{kind}"
            for n, kind in enumerate(COLUMNS.values())
        )
        rows = f"SELECT {values} FROM jsonb_array_elements(%s::jsonb) AS r"  # noqa: S608 - our own names
    else:
        rows = f"VALUES ({', '.join(['%s'] * len(COLUMNS))})"
    table = UsageRecord._meta.db_table
    return f'INSERT INTO "{table}" ({names}) {rows} ON CONFLICT ("request_id") DO NOTHING'


def _row(o: Outcome) -> tuple[Any, ...]:
    usage = o.usage
    return (
        o.request_id[:64],
        _time(o.started_at),
        o.key_id,
        o.key_name[:100],
        o.user_id,
        o.team_id,
        o.operation[:30],
        o.client_format[:30],
        o.upstream_format[:30],
        o.requested_model[:260],
        o.provider[:60],
        o.model[:200],
        o.connection[:100],
        o.stream,
        _whole(o.status, _SMALL),
        o.result[:12],
        o.error_kind[:40],
        o.error_message[:500],
        o.attempts,
        o.skips,
        _whole(o.latency_ms, _INT),
        None if o.first_byte_ms is None else _whole(o.first_byte_ms, _INT),
        _whole(usage.input, _BIG),
        _whole(usage.cached, _BIG),
        _whole(usage.cache_write, _BIG),
        _whole(usage.output, _BIG),
        _whole(usage.reasoning, _BIG),
        usage.estimated,
        None if o.cost_usd is None else charged(o.cost_usd),
        o.price_source[:60],
        o.client_address and _address(o.client_address),
        o.user_agent[:200],
        o.dropped[:500],
        o.rates,
        o.flat_rate,
        o.policies[:500],
        o.cache[:10],
        _whole(o.saved_tokens, _BIG),
        charged(o.saved_usd),
    )


def _time(seconds: float) -> str:
    """UTC as Django writes it into SQLite; PostgreSQL is told the zone in the statement."""
    return str(datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None))


def _whole(value: int, most: int) -> int:
    return value if 0 <= value <= most else max(0, min(value, most))


@lru_cache(maxsize=4096)
def _address(text: str) -> str | None:
    """An address the column takes: no zone, None for what is none (a UNIX socket's peer)."""
    try:
        return str(ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def _scrubbed(value: Any) -> Any:
    """The same without what no database stores in a text: NUL and halves of surrogate pairs."""
    match value:
        case str():
            return value.replace("\0", "").encode("utf-8", "replace").decode()
        case dict():
            return {name: _scrubbed(item) for name, item in value.items()}
        case list() | tuple():
            return [_scrubbed(item) for item in value]
        case AttemptNote() | SkipNote():
            return _scrubbed(asdict(value))
        case _:
            return value


def _text(value: str, longest: int) -> str:
    cut: str = _scrubbed(value[:longest])
    return cut


# -- client keys ------------------------------------------------------------------------------------------------------


def _count_on_keys(outcomes: Iterable[Outcome]) -> None:
    """Add to each key's count and move its last use; in key order, so that two stores never wait for each other."""
    counts: dict[int, int] = {}
    latest: dict[int, float] = {}
    for o in outcomes:
        if o.key_id is not None:
            counts[o.key_id] = counts.get(o.key_id, 0) + 1
            latest[o.key_id] = max(latest.get(o.key_id, 0.0), o.started_at)
    if not counts:
        return
    cast = "::timestamp AT TIME ZONE 'UTC'" if connection.vendor == "postgresql" else ""
    sql = f"""UPDATE "{ApiKey._meta.db_table}" SET request_count = request_count + %s,
        last_used_at = CASE WHEN last_used_at > %s{cast} THEN last_used_at ELSE %s{cast} END WHERE id = %s"""  # noqa: S608
    with connection.cursor() as cursor:
        cursor.executemany(sql, [(counts[pk], _time(latest[pk]), _time(latest[pk]), pk) for pk in sorted(counts)])
