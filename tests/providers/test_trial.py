"""Testing a connection whose requests are signed or wrapped: as the gateway itself would send one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from providers import catalogue
from providers.probe import probe
from tests.routing.test_bedrock import CONVERSED
from tests.routing.test_google import WHOLE
from tests.routing.test_vendors import STREAM, streamed
from tests.simulator.vendor import Vendor

PROJECT = {"project": "p", "region": "us-east-1"}


@pytest.mark.parametrize(
    ("id", "auth", "answer"),
    [
        ("bedrock", "sigv4", CONVERSED),
        ("codex", "bearer", streamed(*STREAM)),
        ("gemini-cli", "bearer", {"response": WHOLE}),
    ],
)
async def test_it_passes(id: str, auth: str, answer: Any) -> None:
    with Vendor(lambda seen: (200, answer)) as vendor:
        known = catalogue.entries()[id]
        entry = replace(known, base_url=vendor.url, auth=auth, allow_private_network=True, variants=())
        result = await probe(entry, "a-secret", None, PROJECT)
    assert (result.ok, result.message) == (True, "It answers.") and result.latency_ms is not None
    assert len(vendor.seen) == 1 and vendor.seen[0].headers["authorization"] == "Bearer a-secret"


async def test_the_vendors_words_are_told_without_the_secret() -> None:
    told = {"x-amzn-errortype": "AccessDeniedException"}
    with Vendor(lambda seen: (403, {"message": "No access for a-secret-key"}, told)) as vendor:
        entry = replace(
            catalogue.entries()["bedrock"], base_url=vendor.url, allow_private_network=True, variants=()
        )  # fmt: skip
        result = await probe(entry, "a-secret-key", None, PROJECT)
    assert not result.ok and result.message.startswith("HTTP 403: No access") and "a-secret" not in result.message
