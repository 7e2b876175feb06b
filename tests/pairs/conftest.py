"""One gateway with an upstream of each format behind it, and an SDK of each format before it."""

from __future__ import annotations

import functools
import inspect
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from tests.fixtures import PATIENCE
from tests.pairs.openai_talks import ChatTalk, ResponsesTalk
from tests.pairs.other_talks import GeminiTalk, MessagesTalk
from tests.pairs.words import Start, Talk
from tests.simulator import SimulatorThread
from tests.simulator.formats import FORMATS as SIMULATED

KEY = "sk-omni-for-the-tests-of-all-pairs-0000000001"
SECRET = "upstream-credential-7731"
FORMATS = ("openai_chat", "openai_responses", "anthropic", "gemini")
TALKS: dict[str, Start] = {
    "openai_chat": ChatTalk,
    "openai_responses": ResponsesTalk,
    "anthropic": MessagesTalk,
    "gemini": GeminiTalk,
}
# The upstream of a format is a provider of this name, with the model that is asked unless a test says otherwise: the
# vendor's newest generation, with its rules.
UPSTREAMS = {
    "openai_chat": ("by-chat", "sim-chat"),
    "openai_responses": ("by-responses", "gpt-sim"),
    "anthropic": ("by-messages", "claude-modern-5"),
    "gemini": ("by-gemini", "gemini-3-sim"),
}
MODELS = ("sim-chat", "gpt-sim", "claude-modern-5", "claude-budget-4-5", "gemini-3-sim", "gemini-2.5-sim", "blind")

Test = Callable[..., Any]


def each(**cases: Iterable[Any]) -> Callable[[Test], Test]:
    """Run a test once for every combination of these arguments, all on one bench: making one takes longer than most
    conversations. A failure tells which."""

    def decorate(test: Test) -> Test:
        inner = inspect.signature(test)
        combinations = [dict(zip(cases, values, strict=True)) for values in itertools.product(*cases.values())]

        @functools.wraps(test)
        def run(**given: Any) -> None:
            for case in combinations:
                given["bench"].provider.forget()
                try:
                    test(**given, **case)
                except Exception as wrong:
                    wrong.add_note(f"with {case}")
                    raise

        left = [it for name, it in inner.parameters.items() if name not in cases]
        run.__signature__ = inner.replace(parameters=left)  # type: ignore[attr-defined]
        return run

    return decorate


clients = pytest.mark.parametrize("client", FORMATS)
upstreams = each(upstream=FORMATS)
streams = each(stream=(False, True))


def pairs(test: Test) -> Test:
    return clients(upstreams(test))


@dataclass
class Bench:
    """``provider`` is the scripted vendor behind all four upstreams; ``headers`` those of each reply, oldest first."""

    gateway: Any
    provider: SimulatorThread
    sdks: dict[str, Any]
    headers: list[dict[str, str]] = field(default_factory=list)

    def talk(self, client: str, upstream: str, model: str = "") -> Talk:
        """A new conversation of a client's SDK with an upstream."""
        return TALKS[client](self.sdks[client], self.name(upstream, model))

    @staticmethod
    def name(upstream: str, model: str = "") -> str:
        provider, usual = UPSTREAMS[upstream]
        return f"{provider}/{model or usual}"

    @property
    def dropped(self) -> set[str]:
        """What the last reply says could not be carried."""
        return set(filter(None, self.headers[-1].get("x-omniroute-dropped", "").split(",")))

    def records(self, count: int = 1) -> list[Any]:
        """The usage records of the last replies, oldest first, once they are there."""
        from analytics.models import UsageRecord

        ids = [headers["x-request-id"] for headers in self.headers[-count:]]
        found = UsageRecord.objects.filter(request_id__in=ids).order_by("id")
        deadline = time.monotonic() + PATIENCE
        with self.gateway._stored:
            while found.count() < count:
                assert time.monotonic() < deadline, f"{found.count()} of {count} usage records came"
                self.gateway._stored.wait(0.5)
        return list(found.all())

    @property
    def sent(self) -> Any:
        """The body of the last request as the upstream got it."""
        return self.provider.requests[-1].json


class Sdks:
    """The SDKs' clients for one address. Made once: it takes them a tenth of a second each."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}
        self.heard: Callable[[dict[str, str]], None] = lambda headers: None

    def of(self, root: str) -> dict[str, Any]:
        if not self.made:
            hooks = {"response": [lambda response: self.heard(dict(response.headers))]}
            spoken = openai.OpenAI(
                base_url=f"{root}/v1",
                api_key=KEY,
                max_retries=0,
                http_client=openai.DefaultHttpxClient(event_hooks=hooks),
            )
            messages = anthropic.Anthropic(
                base_url=root,
                api_key=KEY,
                max_retries=0,
                http_client=anthropic.DefaultHttpxClient(event_hooks=hooks),
            )
            options = types.HttpOptions(base_url=root, client_args={"event_hooks": hooks})
            gemini = genai.Client(api_key=KEY, http_options=options)
            self.made = {"openai_chat": spoken, "openai_responses": spoken, "anthropic": messages, "gemini": gemini}
        return self.made


@pytest.fixture(scope="session")
def _sdks() -> Sdks:
    return Sdks()


@pytest.fixture
def bench(gateway: Any, make_provider: Any, make_key: Any, _sdks: Sdks) -> Iterator[Bench]:
    from routing.models import GatewaySettings

    GatewaySettings(connection_cooldown=False, circuit_breaker=False).save()
    with SimulatorThread(format="all", keys={SECRET}) as provider:
        for format, (name, _) in UPSTREAMS.items():
            url = provider.root + SIMULATED[format].prefix
            make_provider(name, url, format=format, models=MODELS, keys=(SECRET,))
        make_key(key=KEY)
        gateway.settle()
        bench = Bench(gateway, provider, _sdks.of(gateway.root))
        _sdks.heard = bench.headers.append
        yield bench
