"""A provider of a known format is one data file and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest

from providers import catalogue, connections
from providers.models import Provider
from tests import simulator as sim

NEWCOMER = """
# Newcomer. Source: a test.
name = "Newcomer"
alias = "new"
format = "openai_chat"
base_url = "{url}"
allow_private_network = true
auth = "bearer"
headers = {{ "X-Plan" = "team" }}
request.drop = ["logit_bias"]
request.rename = {{ max_completion_tokens = "max_tokens" }}
models = [
  {{ id = "large", context = 128000, price = {{ input = 1, output = 2 }} }},
  {{ id = "late", shutdown = 2020-01-01 }},
]
"""


def test_one_file_and_it_answers(
    gateway: Any, upstream: Any, make_key: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "newcomer.toml").write_text(NEWCOMER.format(url=upstream.url), encoding="utf-8")
    found = catalogue.load(tmp_path)
    monkeypatch.setattr(catalogue, "entries", lambda: found)
    catalogue.sync()
    connections.add(Provider.objects.get(id="newcomer"), "main", "upstream-secret")
    key = make_key()
    gateway.settle()
    upstream.plays(sim.completion("Hello from the new one"))

    client = openai.OpenAI(base_url=gateway.url, api_key=key, max_retries=0, timeout=20)
    assert {model.id for model in client.models.list()} == {"new/large"}, "what is over is not offered"
    reply = client.chat.completions.create(
        model="new/large", messages=[{"role": "user", "content": "Hi"}], max_completion_tokens=7, logit_bias={"5": 1}
    )

    assert reply.choices[0].message.content == "Hello from the new one"
    (received,) = upstream.requests
    assert (received.header("authorization"), received.header("x-plan")) == ("Bearer upstream-secret", "team")
    body = received.json
    assert (
        body["model"] == "large"
        and body["max_tokens"] == 7
        and not {"max_completion_tokens", "logit_bias"} & body.keys()
    )
    (record,) = gateway.records()
    assert (record.provider, record.model) == ("newcomer", "large") and record.cost_usd > 0
