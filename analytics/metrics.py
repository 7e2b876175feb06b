"""Figures for Prometheus: what they are, how outcomes feed them, and the guarded page that shows them.

With several web processes prometheus_client shares its figures through files, and decides so when it is imported. So
nothing here imports it before first use, and :func:`prepare` must come first: once in the supervisor, before it forks.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async

from accounts import management_keys
from accounts.models import ManagementKey
from accounts.permissions import is_site_admin
from routing.gateway.outcome import Outcome

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SHARED = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own switch; it can be set in no other way
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600)
_RELAYED = {b"forwarded", b"via", b"x-real-ip"}
_OWN_HOSTS = {"localhost", "127.0.0.1", "[::1]"}

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def prepare(directory: Path | None) -> None:
    """Say how figures are kept: in this process (None), or shared by all web processes through ``directory``.

    Call once before the first use of this module's other functions and before forking; the directory is made and old
    files in it are removed. Raises RuntimeError when prometheus_client has been imported already.
    """
    if "prometheus_client" in sys.modules:
        raise RuntimeError("metrics.prepare() must run before prometheus_client is imported")
    if directory is None:
        os.environ.pop(_SHARED, None)
        return
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in directory.glob("*.db"):
        left.unlink()
    os.environ[_SHARED] = str(directory)


def forget(pid: int) -> None:
    """A web process died: its gauges (in flight, waiting) no longer count. Called by whoever supervises it."""
    if os.environ.get(_SHARED):
        importlib.import_module("prometheus_client.multiprocess").mark_process_dead(pid)


@dataclass(frozen=True, slots=True)
class _Meters:
    registry: CollectorRegistry
    requests: Counter
    failures: Counter
    rejected: Counter
    tokens: Counter
    cost: Counter
    notional: Counter
    attempts: Counter
    latency: Histogram
    first_byte: Histogram
    in_flight: Gauge
    waiting: Gauge
    lost: Gauge


@cache
def _meters() -> _Meters:
    import prometheus_client as prometheus  # reads the environment as it is imported: see prepare()

    prometheus.disable_created_metrics()
    registry = prometheus.CollectorRegistry()

    def counter(name: str, text: str, *labels: str) -> Counter:
        return prometheus.Counter(f"omniroute_{name}", text, labels, registry=registry)

    def gauge(name: str, text: str) -> Gauge:
        return prometheus.Gauge(f"omniroute_{name}", text, registry=registry, multiprocess_mode="livesum")

    def histogram(name: str, text: str, *labels: str) -> Histogram:
        return prometheus.Histogram(f"omniroute_{name}", text, labels, buckets=_SECONDS, registry=registry)

    if not os.environ.get(_SHARED):
        prometheus.ProcessCollector(registry=registry)
    return _Meters(
        registry,
        counter("requests", "Requests of known callers.", "operation", "provider", "result", "status"),
        counter("failures", "Requests that ended with an error, by kind.", "kind", "provider"),
        counter("rejected", "Requests without a usable client key.", "reason"),
        counter(
            "tokens", "Tokens; cached and cache_write are parts of input, reasoning of output.", "class", "provider"
        ),
        counter("cost_usd", "Cost of answered requests in USD.", "provider"),
        counter("notional_usd", "What flat-rate use, which is not charged, would have cost in USD.", "provider"),
        counter("upstream_attempts", "Tries of single connections, by how they ended.", "kind", "provider"),
        histogram("request_seconds", "From the request's first byte to the reply's last.", "operation", "provider"),
        histogram("first_byte_seconds", "From the request's first byte to the reply's first.", "operation", "provider"),
        gauge("in_flight_requests", "Requests being answered now."),
        gauge("outbox_depth", "Usage records that are not in the database yet."),
        gauge("usage_records_lost", "Usage records that neither memory nor disk nor database took."),
    )


_gauges: dict[str, Callable[[], float]] = {}


def watch(*, in_flight: Callable[[], float], waiting: Callable[[], float], lost: Callable[[], float]) -> None:
    """Where this process's gauges come from; asked on every :func:`observe` and before every exposition."""
    _gauges.update(in_flight=in_flight, waiting=waiting, lost=lost)


def observe(outcomes: Sequence[Outcome]) -> None:
    """Feed the figures. The outbox's thread calls it with every batch, and with nothing to keep the gauges fresh."""
    meters = _meters()
    totals: dict[tuple[str, ...], float] = defaultdict(float)
    for o in outcomes:
        _tally(totals, o)
        _histogram("latency", o.operation, o.provider).observe(o.latency_ms / 1000)
        if o.first_byte_ms is not None:
            _histogram("first_byte", o.operation, o.provider).observe(o.first_byte_ms / 1000)
    for (name, *labels), amount in totals.items():
        getattr(meters, name).labels(*labels).inc(max(amount, 0.0))
    for name, read in _gauges.items():
        getattr(meters, name).set(read())


@cache
def _histogram(name: str, operation: str, provider: str) -> Histogram:
    histogram: Histogram = getattr(_meters(), name).labels(operation, provider)
    return histogram


def reject(reason: str) -> None:
    """Count a request that was turned away before it had a caller. ``reason`` is one of few words of the gateway's."""
    _meters().rejected.labels(reason).inc()


def _tally(totals: dict[tuple[str, ...], float], o: Outcome) -> None:
    """Add an outcome to (meter, *labels) → sum.

    Labels are operations, provider ids, kinds and statuses: few. Models are not, clients make them up.
    """
    totals["requests", o.operation, o.provider, o.result, str(o.status)] += 1
    if o.error_kind:
        totals["failures", o.error_kind, o.provider] += 1
    usage = o.usage
    totals["tokens", "input", o.provider] += usage.input
    totals["tokens", "cached", o.provider] += usage.cached
    totals["tokens", "cache_write", o.provider] += usage.cache_write
    totals["tokens", "output", o.provider] += usage.output
    totals["tokens", "reasoning", o.provider] += usage.reasoning
    if o.cost_usd:
        totals["notional" if o.flat_rate else "cost", o.provider] += float(o.cost_usd)
    for attempt in o.attempts:
        totals["attempts", attempt.kind, attempt.provider] += 1


def exposition() -> tuple[bytes, str]:
    """(text, content type) of all figures; with several web processes, of all of them."""
    observe(())
    import prometheus_client as prometheus  # after observe(): see prepare()

    registry = _meters().registry
    if os.environ.get(_SHARED):
        registry = prometheus.CollectorRegistry()
        importlib.import_module("prometheus_client.multiprocess").MultiProcessCollector(registry)
    return prometheus.generate_latest(registry), prometheus.CONTENT_TYPE_LATEST


# -- the page ---------------------------------------------------------------------------------------------------------


async def metrics_app(scope: Scope, receive: Receive, send: Send) -> None:
    """GET /metrics, for this machine itself, or with a site administrator's management key that may read.

    "Itself": the peer is a loopback address, the host asked for is a loopback name (so it was no proxy and no rebound
    DNS name), and no header says that the request was forwarded. Mount it where those headers can still be seen.
    """
    if scope["method"] not in ("GET", "HEAD"):
        return await _answer(send, 405, b"Only GET.\n", {"allow": "GET, HEAD"})
    headers = {name.lower(): value.decode("latin-1") for name, value in reversed(scope["headers"])}
    if not (is_local(scope, headers) or await database_sync_to_async(_may_read)(headers)):
        text = b"Ask from the machine itself, or with a site administrator's management key (Bearer omni-mgmt-...).\n"
        return await _answer(send, 401, text, {"www-authenticate": 'Bearer realm="omniroute management"'})
    body, kind = await sync_to_async(exposition, thread_sensitive=False)()
    await _answer(send, 200, body, {"content-type": kind, "cache-control": "no-store"})


def is_local(scope: Scope, headers: Mapping[bytes, str]) -> bool:
    """Whether a program on this machine asks, without anybody in between."""
    peer = (scope.get("client") or ("",))[0]
    try:
        loopback = ip_address(peer).is_loopback
    except ValueError:
        return False
    host = headers.get(b"host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    forwarded = any(header in _RELAYED or header.startswith(b"x-forwarded-") for header in headers)
    return loopback and name.lower() in _OWN_HOSTS and not forwarded


def _may_read(headers: Mapping[bytes, str]) -> bool:
    """The figures are everybody's, so the key's user must be one who may see everybody's."""
    scheme, _, text = headers.get(b"authorization", "").partition(" ")
    text = text.strip()
    if scheme.lower() != "bearer" or not text.startswith(management_keys.PREFIX):
        return False
    key = management_keys.holder(text)
    if key is None or ManagementKey.READ not in key.scopes or not is_site_admin(key.user):
        return False
    management_keys.note_use(key)
    return True


async def _answer(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    sent = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body)), **headers}
    pairs = [(name.encode(), value.encode()) for name, value in sent.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
