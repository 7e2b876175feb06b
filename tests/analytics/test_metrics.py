"""The figures for Prometheus, and who may read them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts import management_keys
from accounts.models import User
from analytics import metrics
from providers.wire.types import Usage
from routing.gateway.outcome import AttemptNote
from tests.analytics.conftest import Installation
from tests.analytics.outcomes import outcome


@pytest.fixture(autouse=True)
def _fresh_meters() -> Iterator[None]:
    for cached in (metrics._meters, metrics._histogram):
        cached.cache_clear()
    yield
    metrics._gauges.clear()


def lines() -> list[str]:
    text, kind = metrics.exposition()
    assert kind.startswith("text/plain")
    return text.decode().splitlines()


def test_outcomes_become_figures() -> None:
    attempts = tuple(
        AttemptNote(provider="acme", connection="c", model="m", kind=kind, status=None, ms=1, message="")
        for kind in ("rate_limited", "rate_limited", "ok")
    )
    usage = Usage(input=100, cached=60, cache_write=10, output=20, reasoning=5)
    answered = outcome(provider="acme", usage=usage, cost_usd=Decimal("0.5"), latency_ms=700, attempts=attempts)
    failed = outcome(
        provider="acme", status=502, result="failed", error_kind="server_error", usage=Usage(), cost_usd=None
    )
    flat = outcome(provider="plan", usage=usage, cost_usd=Decimal(2), flat_rate=True)
    metrics.observe([answered, answered, failed, flat])
    metrics.reject("unknown_key")
    metrics.watch(in_flight=lambda: 3, waiting=lambda: 12, lost=lambda: 0)
    found = lines()
    for line in (
        'omniroute_requests_total{operation="chat",provider="acme",result="ok",status="200"} 2.0',
        'omniroute_requests_total{operation="chat",provider="acme",result="failed",status="502"} 1.0',
        'omniroute_failures_total{kind="server_error",provider="acme"} 1.0',
        'omniroute_tokens_total{class="input",provider="acme"} 200.0',
        'omniroute_tokens_total{class="cached",provider="acme"} 120.0',
        'omniroute_tokens_total{class="cache_write",provider="acme"} 20.0',
        'omniroute_tokens_total{class="output",provider="acme"} 40.0',
        'omniroute_tokens_total{class="reasoning",provider="acme"} 10.0',
        'omniroute_cost_usd_total{provider="acme"} 1.0',
        'omniroute_notional_usd_total{provider="plan"} 2.0',
        'omniroute_upstream_attempts_total{kind="rate_limited",provider="acme"} 4.0',
        'omniroute_request_seconds_bucket{le="0.5",operation="chat",provider="acme"} 0.0',
        'omniroute_request_seconds_bucket{le="1.0",operation="chat",provider="acme"} 3.0',
        'omniroute_first_byte_seconds_count{operation="chat",provider="acme"} 3.0',
        'omniroute_rejected_total{reason="unknown_key"} 1.0',
        "omniroute_in_flight_requests 3.0",
        "omniroute_outbox_depth 12.0",
    ):
        assert line in found


def test_made_up_models_make_no_series() -> None:
    metrics.observe([outcome(requested_model="a", model="a")])
    before = len(lines())
    metrics.observe([outcome(requested_model=f"model-{n}", model=f"model-{n}", key_name=f"key-{n}") for n in range(50)])
    assert len(lines()) == before


@pytest.mark.django_db
def test_several_processes_show_their_sum(sqlite_installation: Installation, tmp_path: Path) -> None:
    sums, forgotten = sqlite_installation.run("shared_metrics", str(tmp_path / "figures")).split("--- forgotten ---")
    assert 'omniroute_requests_total{operation="chat",provider="acme",result="ok",status="200"} 3.0' in sums
    assert "omniroute_in_flight_requests 3.0" in sums
    assert "omniroute_in_flight_requests 3.0" not in forgotten
    assert 'omniroute_requests_total{operation="chat",provider="acme",result="ok",status="200"} 3.0' in forgotten


def test_preparing_too_late_is_refused(tmp_path: Path) -> None:
    metrics.observe([])
    with pytest.raises(RuntimeError, match="before prometheus_client"):
        metrics.prepare(tmp_path)


def test_nothing_imports_prometheus_client_before_it_is_prepared(sqlite_installation: Installation) -> None:
    code = "import django, sys; django.setup(); import analytics.metrics; print('prometheus_client' in sys.modules)"
    printed = subprocess.run(
        [sys.executable, "-c", code], env=sqlite_installation.environment, capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "False"


async def ask(*, client: str = "127.0.0.1", method: str = "GET", **headers: str) -> tuple[int, bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    given = {"host": "127.0.0.1:20128", **headers}
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]
    scope = {"type": "http", "method": method, "path": "/metrics", "client": (client, 5), "headers": pairs}
    await metrics.metrics_app(scope, receive, send)
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({}, 200),
        ({"client": "::1", "host": "[::1]:20128"}, 200),
        ({"host": "localhost"}, 200),
        ({"method": "POST"}, 405),
        ({"client": "192.0.2.1"}, 401),
        ({"client": ""}, 401),
        ({"x_forwarded_for": "192.0.2.1"}, 401),
        ({"forwarded": "for=192.0.2.1"}, 401),
        ({"x_real_ip": "192.0.2.1"}, 401),
        ({"host": "gateway.example.com"}, 401),
        ({"host": "rebound.example.com:20128"}, 401),
        ({"client": "192.0.2.1", "authorization": "Bearer omni-mgmt-wrong"}, 401),
        ({"client": "192.0.2.1", "authorization": "Bearer sk-omni-whatever"}, 401),
        ({"client": "192.0.2.1", "authorization": "Basic omni-mgmt-wrong"}, 401),
    ],
)
@pytest.mark.django_db(transaction=True)
async def test_only_the_machine_itself_reads_without_a_key(request_: dict[str, str], status: int) -> None:
    got, body = await ask(**request_)
    assert got == status
    assert (b"omniroute_requests_total" in body) == (status == 200)


@pytest.mark.parametrize(
    ("superuser", "scopes", "change", "status"),
    [
        (True, ["read"], {}, 200),
        (True, ["write"], {}, 401),
        (True, ["read"], {"enabled": False}, 401),
        (True, ["read"], {"expires_at": timezone.now() - timedelta(hours=1)}, 401),
        (False, ["read"], {}, 401),
    ],
)
@pytest.mark.django_db(transaction=True)
async def test_a_site_administrators_key_may_read(
    superuser: bool, scopes: list[str], change: dict[str, Any], status: int
) -> None:
    user = User.objects.create_user("a@example.com", is_superuser=superuser)
    key, text = management_keys.create(user, "prometheus", scopes)
    for name, value in change.items():
        setattr(key, name, value)
    key.save()
    assert (await ask(client="192.0.2.1", authorization=f"Bearer {text}"))[0] == status
