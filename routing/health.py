"""Health over all web processes: what one of them finds out (a rest, an open circuit breaker) the others learn within a
second, a restart remembers, pages show, and anybody in charge can lift.

It goes through the database and never over the path of a request: each process has one :class:`HealthSync` thread that
writes the board's news and reads other people's.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from routing.board import RESET, News
from routing.models import ConfigVersion, HealthState, first_version

log = logging.getLogger(__name__)

EVERY_SECONDS = 0.5
PROBE_LEASE = timedelta(seconds=30)  # a probe that was not heard of for so long is given up
KEPT = timedelta(days=2)  # a row is kept so long after it last meant something
MOST_ROWS = 20_000


# -- services ---------------------------------------------------------------------------------------------------------
def held() -> list[HealthState]:
    """What is held against somebody now, the longest first."""
    return list(HealthState.objects.filter(until__gt=timezone.now()).order_by("-until"))


def reset(keys: Sequence[str] | None = None) -> int:
    """Lift these, or everything, failures included that have not opened a breaker yet; every process follows within a
    second. Returns how many were lifted."""
    rows = HealthState.objects.filter(until__isnull=False)
    if keys is not None:
        rows = rows.filter(key__in=keys)
    return _lift(rows, "" if keys is None else None)


def forget_connection(connection_id: int) -> None:
    """A connection has another credential, or was switched: nothing that was held against it holds any more."""
    subject = f"#{connection_id}"
    _lift(HealthState.objects.filter(subject=subject, until__isnull=False), subject)


def let_probe(provider: str) -> None:
    """Somebody mended something at a provider: where its circuit breaker is open, the next request finds out."""
    now = timezone.now()
    rows = HealthState.objects.filter(key=f"breaker {provider}", until__gt=now)
    if rows.exists():
        with transaction.atomic():
            rows.update(until=now, at=now, probed_until=None, number=_next_number())


def _lift(rows: QuerySet[HealthState], forgotten: str | None) -> int:
    """``forgotten``: the subject whose failures are not counted any more, "" for all of them, None for nobody's."""
    with transaction.atomic():
        number = _next_number()
        lifted = rows.update(until=None, kind="", level=0, words="", at=timezone.now(), number=number)
        if forgotten is not None:
            _write([News(forgotten, "", RESET, "", 0, None, "", time.time())], number)
    return lifted


def claim_probe(subject: str) -> bool:
    """Whether this process may ask what an open circuit breaker protects: one may, of all processes, at a time.

    True as well when the database does not know the breaker (yet) or cannot be asked: then each process goes alone. A
    lease that ends later than any can was given before the clock went back.
    """
    now = timezone.now()
    rows = HealthState.objects.filter(key=f"breaker {subject}", until__isnull=False)
    try:
        free = Q(probed_until__isnull=True) | Q(probed_until__lt=now) | Q(probed_until__gt=now + 2 * PROBE_LEASE)
        return bool(rows.filter(free).update(probed_until=now + PROBE_LEASE)) or not rows.exists()
    except DatabaseError:
        return True


def prune() -> int:
    """Delete rows that have meant nothing for a while; returns how many."""
    before = timezone.now() - KEPT
    return HealthState.objects.filter(Q(until__lt=before) | Q(until__isnull=True), at__lt=before).delete()[0]


def store(news: Iterable[News]) -> int:
    """Write the newest of each subject; returns the number they were given."""
    latest = {one.key: one for one in news}
    with transaction.atomic():
        number = _next_number()
        _write(latest.values(), number)
    return number


def _write(news: Iterable[News], number: int) -> None:
    HealthState.objects.bulk_create(
        [_row(one, number) for one in news],
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=["kind", "level", "until", "words", "at", "number", "probed_until"],
    )


def since(number: int) -> list[News]:
    """What was written after this number."""
    rows = HealthState.objects.filter(number__gt=number).order_by("number")[:MOST_ROWS]
    return [
        News(
            row.subject,
            row.model,
            row.what,
            row.kind,
            row.level,
            row.until.timestamp() if row.until is not None else None,
            row.words,
            row.at.timestamp(),
        )
        for row in rows
    ]


def _next_number() -> int:
    """One more than the last; part of the current transaction."""
    if not ConfigVersion.objects.filter(pk=1).update(health=F("health") + 1):
        _, made = ConfigVersion.objects.get_or_create(pk=1, defaults={"version": first_version(), "health": 1})
        if not made:
            ConfigVersion.objects.filter(pk=1).update(health=F("health") + 1)
    return _number()


def _number() -> int:
    return ConfigVersion.objects.filter(pk=1).values_list("health", flat=True).first() or 0


def _row(one: News, number: int) -> HealthState:
    return HealthState(
        key=one.key[:300],
        what=one.what,
        subject=one.subject,
        model=one.model[:200],
        kind=one.kind,
        level=one.level,
        until=None if one.until is None else datetime.fromtimestamp(one.until, UTC),
        words=one.words[:500],
        at=datetime.fromtimestamp(one.at, UTC),
        number=number,
    )


def _covers(reset: News, one: News) -> bool:
    """Whether news is of before a reset, and forgotten with it."""
    return reset.subject in ("", one.subject) and one.at <= reset.at


# -- a web process ----------------------------------------------------------------------------------------------------
class HealthSync:
    """``take`` gives the board's news and empties it; ``learn`` hands others' to the board, in its own loop."""

    def __init__(self, take: Callable[[], list[News]], learn: Callable[[list[News]], None]) -> None:
        self._take, self._learn = take, learn
        self._number = 0
        self._waiting: list[News] = []
        self._stop = threading.Event()
        self._away = False
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """After the last request: what is known now is written for the next start."""
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        last = False
        while True:
            try:
                self.look()
                self._away = False
            except Exception:
                if not self._away:
                    log.exception("Health cannot be shared; each process goes by what it finds out itself.")
                self._away = True
                with suppress(Exception):
                    connection.close()
            if last:
                connection.close()
                return
            last = self._stop.wait(EVERY_SECONDS)

    def look(self) -> None:
        """Read what is new, then write what was found out here; what could not be written is tried again."""
        number = _number()
        resets: list[News] = []
        if number != self._number:
            news = since(self._number)
            self._learn(news)
            self._number = number
            resets = [one for one in news if one.what == RESET]
        self._waiting.extend(self._take())
        self._waiting = [one for one in self._waiting if not any(_covers(reset, one) for reset in resets)]
        if self._waiting:
            ours = store(self._waiting[-MOST_ROWS:])
            self._waiting.clear()
            if ours == self._number + 1:  # nobody wrote in between: our own need not be read back
                self._number = ours
