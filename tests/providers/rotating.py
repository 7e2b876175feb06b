"""What the rotation's tests run in processes of their own: ``rotating.py COMMAND [ARGUMENT…]`` on DATA_DIR."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any

from omniroute import bootstrap

bootstrap.set_up()

from providers import rotation  # noqa: E402
from providers.fields import reveal  # noqa: E402
from providers.keyring import ring  # noqa: E402
from providers.models import Connection, Provider, Proxy  # noqa: E402

FILLED = "row-{}"


def fill(count: str) -> None:
    """Connections whose secret tells which they are, and a proxy for every tenth."""
    acme = Provider.objects.create(id="acme", format="openai_chat", base_url="http://127.0.0.1:9/v1")
    Connection.objects.bulk_create(
        Connection(provider=acme, name=FILLED.format(n), secret=f"secret of {n}") for n in range(int(count))
    )
    Proxy.objects.bulk_create(
        Proxy(name=f"p{n}", url=f"http://user:secret@h:{n + 1}", scheme="http", address=f"h:{n + 1}")
        for n in range(int(count) // 10)
    )


def live() -> None:
    """Read every row over and over and save some, until SIGTERM; then print what went wrong."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    saved: dict[str, str] = {}
    faults: list[str] = []
    rounds = 0
    while not stopping.is_set():
        for row in _chunk(rounds):
            expected = saved.get(row.name, f"secret of {row.name.removeprefix('row-')}")
            if reveal(row, "secret") != expected:
                faults.append(row.name)
            if row.pk % 100 == rounds % 100:
                _save(row, saved, rounds)
        rounds += 1
        if rounds == 1:
            print("live", flush=True)
        stopping.wait(0.02)  # leave the processor to the rotation as well
    for row in Connection.objects.filter(name__in=saved):
        faults += [f"{row.name} lost"] if reveal(row, "secret") != saved[row.name] else []
    print(f"rounds={rounds} saved={len(saved)} faults={faults}", flush=True)


def _chunk(rounds: int) -> list[Connection]:
    """Five hundred rows, others in each round."""
    first = rounds * 500 % Connection.objects.count()
    return list(Connection.objects.order_by("pk")[first : first + 500])


def _save(row: Connection, saved: dict[str, str], rounds: int) -> None:
    """A whole row with what was loaded, or with another secret."""
    if row.pk % 2:
        row.priority += 1
    else:
        saved[row.name] = row.secret = f"given anew in round {rounds}"
    row.save()


def rotate(where: str, count: str) -> None:
    """Rotate until a point, say so, and wait there to be killed."""
    left = int(count)

    def reached(*_: Any) -> None:
        nonlocal left
        left -= 1
        if not left:
            print("here", flush=True)
            threading.Event().wait()

    if where == "between":
        rotation.rotate(ring(), tell=reached)
    else:
        original = rotation.Columns.replace

        def replace(self: Any, *arguments: Any) -> bool:
            done = original(self, *arguments)
            reached()
            return done

        rotation.Columns.replace = replace  # type: ignore[method-assign]
        rotation.rotate(ring())


if __name__ == "__main__":
    {"fill": fill, "live": live, "rotate": rotate}[sys.argv[1]](*sys.argv[2:])
