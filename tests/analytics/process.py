"""What the tests run in processes of their own: ``python -m tests.analytics.process COMMAND [ARGUMENT…]``.

The installation is DATA_DIR's (and DATABASE_URL's). Whatever is done is printed, a line each.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import django

django.setup()

from django.conf import settings  # noqa: E402

from analytics import metrics, record, tasks  # noqa: E402
from analytics.outbox import Outbox  # noqa: E402
from routing.models import ApiKey  # noqa: E402
from tests.analytics.outcomes import outcome  # noqa: E402

JOURNAL = Path(settings.DATA_DIR) / "journal"
LONGEST_STEP = 0.05  # seconds between two looks at the clock: more than that, and the whole process stood still


def keys() -> None:
    for number in (1, 2):
        ApiKey.objects.create(pk=number, name=f"key {number}", key_hash=f"{number}" * 64, last4="0000")


def put(every: str) -> None:
    """Put outcomes for ever; print the id and the time of each once it is acknowledged, in seconds that this process
    ran: while a busy machine lets all of it stand still, nobody can expect it to write anything down."""
    outbox = Outbox(JOURNAL, record.store)
    outbox.start()
    pace = threading.Event()
    number, ran, before = 0, 0.0, time.monotonic()
    while not pace.wait(float(every)):
        number += 1
        outbox.put(outcome(request_id=f"r{number}", key_id=1 + number % 2))
        now = time.monotonic()
        ran, before = ran + min(now - before, LONGEST_STEP), now
        print(f"r{number}", ran, flush=True)


def replay() -> None:
    found = record.replay(JOURNAL)
    print(found.stored, found.torn)


def store(name: str, batches: str, shared: str) -> None:
    """Store batches of 40 on two keys; ``shared`` of each batch have ids that other processes use as well."""
    print("ready", flush=True)
    sys.stdin.readline()
    for batch in range(int(batches)):
        prefix = [f"both-{batch}-{n}" if n < int(shared) else f"{name}-{batch}-{n}" for n in range(40)]
        record.store([outcome(request_id=text, key_id=1 + n % 2) for n, text in enumerate(prefix)])
    print("done", flush=True)


def roll_up() -> None:
    tasks.roll_up()
    print("done", flush=True)


def shared_metrics(directory: str) -> None:
    """Two forked children count, the parent shows the sums of both."""
    import os

    metrics.prepare(Path(directory))
    children = []
    for number in (1, 2):
        child = os.fork()
        if not child:
            metrics.watch(in_flight=lambda n=number: n, waiting=lambda: 0, lost=lambda: 0)
            metrics.observe([outcome(provider="acme")] * number)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    before = metrics.exposition()[0].decode()
    for child in children:
        metrics.forget(child)
    print(before, "--- forgotten ---", metrics.exposition()[0].decode(), sep="\n")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
