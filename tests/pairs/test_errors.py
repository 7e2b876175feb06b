"""Every way an upstream fails: the exception that the SDK raises, in the vendor's words, without secrets and hosts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors

from tests import simulator as sim
from tests.pairs.conftest import FORMATS, SECRET, Bench, clients, each, pairs, streams

WORDS = f"The tray of paper is empty; key {SECRET} at http://10.1.2.3:8443/v1 says so."
SAFE = "The tray of paper is empty"
# Status of the upstream → what a client of each format gets: status, exception.
RAISED: dict[int, tuple[int, type[Exception], type[Exception]]] = {
    400: (400, openai.BadRequestError, anthropic.BadRequestError),
    401: (401, openai.AuthenticationError, anthropic.AuthenticationError),
    403: (403, openai.PermissionDeniedError, anthropic.PermissionDeniedError),
    404: (404, openai.NotFoundError, anthropic.NotFoundError),
    429: (429, openai.RateLimitError, anthropic.RateLimitError),
    500: (502, openai.InternalServerError, anthropic.InternalServerError),
    503: (503, openai.InternalServerError, anthropic.InternalServerError),
    529: (503, openai.InternalServerError, anthropic.InternalServerError),
}
# What OpenAI's clients are told, whoever said it in which words.
BY_OPENAI = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
    529: "server_error",
}
TOO_LONG: dict[str, Any] = {  # how vendors say so; the simulator has no act for it
    "anthropic": {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"},
    },
    "gemini": {
        "error": {
            "code": 400,
            "message": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            "status": "INVALID_ARGUMENT",
        }
    },
}
TYPES = {
    400: ("invalid_request_error", "INVALID_ARGUMENT"),
    401: ("authentication_error", "UNAUTHENTICATED"),
    403: ("permission_error", "PERMISSION_DENIED"),
    404: ("not_found_error", "NOT_FOUND"),
    429: ("rate_limit_error", "RESOURCE_EXHAUSTED"),
    500: ("api_error", "UNAVAILABLE"),
    503: ("overloaded_error", "UNAVAILABLE"),
    529: ("overloaded_error", "UNAVAILABLE"),
}


def failure(bench: Bench, client: str, upstream: str, stream: bool) -> Any:
    """The exception of a conversation's first question."""
    talk = bench.talk(client, upstream)
    talk.say("Go on")
    with pytest.raises((openai.APIError, anthropic.APIError, errors.APIError)) as caught:
        talk.ask(stream=stream)
    told = f"{caught.value} {caught.value.__dict__}"
    assert SECRET not in told
    assert "10.1.2.3" not in told
    assert "127.0.0.1" not in str(caught.value)
    return caught.value


def status_of(error: Any) -> int:
    return int(error.code if isinstance(error, errors.APIError) else error.status_code)


@streams
@pairs
@each(status=RAISED)
def test_a_status(bench: Bench, client: str, upstream: str, status: int, stream: bool) -> None:
    bench.provider.plays(sim.status(status, error_message=WORDS))
    error = failure(bench, client, upstream, stream)
    expected, by_openai, by_anthropic = RAISED[status]
    assert status_of(error) == expected
    assert SAFE in error.message
    if client == "gemini":
        assert isinstance(error, errors.ClientError if expected < 500 else errors.ServerError)
        assert error.status == TYPES[status][1]
    elif client == "anthropic":
        assert type(error) in (by_anthropic, *by_anthropic.__subclasses__())
        assert error.body["error"]["type"] == TYPES[status][0]
        assert error.request_id == bench.records()[0].request_id
    else:
        assert type(error) is by_openai
        assert error.type == BY_OPENAI[status] or (error.type == "overloaded_error" and status in (503, 529))
        assert error.request_id == bench.records()[0].request_id
    [row] = bench.records()
    assert row.result == "failed"


@streams
@pytest.mark.parametrize("client", ["openai_chat", "openai_responses"])
@each(upstream=TOO_LONG)
def test_too_long_is_said_by_the_code_that_clients_shorten_at(
    bench: Bench, client: str, upstream: str, stream: bool
) -> None:
    bench.provider.plays(sim.status(400, TOO_LONG[upstream]))
    error = failure(bench, client, upstream, stream)
    assert (error.code, error.type) == ("context_length_exceeded", "invalid_request_error")


@streams
@pairs
def test_when_to_come_back(bench: Bench, client: str, upstream: str, stream: bool) -> None:
    bench.provider.plays(sim.status(429, retry_after=17))
    failure(bench, client, upstream, stream)
    assert bench.headers[-1]["retry-after"] == "17"


FAULTS = {
    "error inside 200": sim.error_inside_200(WORDS),
    "page": sim.html(502),
    "page with 200": sim.html(200),
    "empty": sim.empty(),
    "broken JSON": sim.broken_json(),
    "garbage": sim.garbage(),
    "hang up": sim.hang_up(),
    "cut at once": sim.cut(),
}


@streams
@pairs
@each(fault=FAULTS)
def test_no_answer_at_all(bench: Bench, client: str, upstream: str, fault: str, stream: bool) -> None:
    bench.provider.plays(FAULTS[fault])
    error = failure(bench, client, upstream, stream)
    assert status_of(error) in (502, 503)
    if fault == "error inside 200":
        assert SAFE in error.message


SPEAKING = sim.chat("One two three four five")
BROKEN: dict[str, Callable[[int], sim.Act]] = {
    "cut": lambda after: SPEAKING.cut(after=after),
    "reset": lambda after: SPEAKING.cut(after=after, reset=True),
    "no terminal": lambda after: SPEAKING.clean_end_without_terminal(after=after),
    "error": lambda after: SPEAKING.error_midstream(after=after, message=WORDS),
}
# Frames after which some words have been said, not all.
HALF = {"openai_chat": 4, "openai_responses": 6, "anthropic": 5, "gemini": 3}


@pairs
@each(fault=BROKEN)
def test_a_stream_that_breaks(bench: Bench, client: str, upstream: str, fault: str) -> None:
    """It never looks whole: the SDK raises, or sees the error of its format."""
    bench.provider.plays(BROKEN[fault](HALF[upstream]))
    if client == "openai_responses":
        failed = responses_failure(bench, upstream)
        assert failed.code
        told = failed.message
    elif client == "gemini":
        told = gemini_failure(bench, upstream)
    else:
        told = failure(bench, client, upstream, True).message
    assert told
    if fault == "error":
        assert SAFE in told
    [row] = bench.records()
    assert row.result == "failed"


def responses_failure(bench: Bench, upstream: str) -> Any:
    """Responses has an event for it, which is the last."""
    stream = bench.sdks["openai_responses"].responses.create(model=bench.name(upstream), input="Go", stream=True)
    events = []
    try:
        events += list(stream)
    except openai.APIError as error:
        return error
    assert events[-1].type in ("response.failed", "error"), events[-1].type
    return events[-1].response.error if events[-1].type == "response.failed" else events[-1]


def gemini_failure(bench: Bench, upstream: str) -> str:
    """The SDK raises when a chunk is an error."""
    with pytest.raises(errors.APIError) as caught:
        list(bench.sdks["gemini"].models.generate_content_stream(model=bench.name(upstream), contents="Go"))
    return str(caught.value.message)


@clients
def test_wrong_keys_and_unknown_models(bench: Bench, client: str) -> None:
    talk = bench.talk(client, "openai_chat")
    talk.model = "no-such-model"
    talk.say("Go on")
    with pytest.raises((openai.NotFoundError, anthropic.NotFoundError, errors.ClientError)) as caught:
        talk.ask()
    assert status_of(caught.value) == 404
    assert "no-such-model" in str(caught.value)


@pytest.mark.parametrize("client", [it for it in FORMATS if it != "gemini"])
def test_what_is_not_understood_is_refused_with_its_place(bench: Bench, client: str) -> None:
    talk: Any = bench.talk(client, "gemini")
    talk.turns = [{"role": "user", "content": [{"type": "text", "text": 7}]}]
    with pytest.raises((openai.BadRequestError, anthropic.BadRequestError)) as caught:
        talk.ask()
    assert "text" in str(caught.value)
    assert bench.provider.requests == []
