"""Path → what is asked for."""

from __future__ import annotations

import pytest

from providers.wire.errors import Refusal
from routing.gateway.endpoints import (
    CHAT,
    COMPLETIONS,
    COUNT_MESSAGES,
    MESSAGES,
    MODELS,
    RESPONSES,
    Call,
    Endpoint,
    find,
    format_of,
    is_client_path,
)


@pytest.mark.parametrize("root", ["", "/v1", "/v1/v1"])
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("method", "path", "endpoint"),
    [
        ("POST", "/chat/completions", CHAT),
        ("POST", "/completions", COMPLETIONS),
        ("GET", "/models", MODELS),
        ("HEAD", "/models", MODELS),
        ("POST", "/responses", RESPONSES),
        ("POST", "/messages", MESSAGES),
        ("POST", "/messages/count_tokens", COUNT_MESSAGES),
    ],
)
def test_with_the_version_once_twice_or_not_at_all(
    root: str, slash: str, method: str, path: str, endpoint: Endpoint
) -> None:
    assert find(method, root + path + slash) == Call(endpoint)
    assert is_client_path(root + path + slash)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/models/gpt-4o", "gpt-4o"),
        ("/models/openai/gpt-4o", "openai/gpt-4o"),
        ("/v1/v1/models/org/deep:free", "org/deep:free"),
        ("/v1/models/v1/models/x", "v1/models/x"),
    ],
)
def test_a_models_name_may_have_slashes(path: str, name: str) -> None:
    assert find("GET", path) == Call(MODELS, name) and is_client_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "/v1", "/v1/", "/", "", "/v1/v1/v1/chat/completions", "/v1/chat", "/v1/chat/completions/x", "/v1/unknown",
        "/v1/Models",
        "/v2/chat/completions", "/v1/messages/x", "/v1/responses/compact", "/v1/responses/resp_1/x",
        "/v1/models/x:unknown", "//", "//v2//v1",
        "/v1/" + "x" * 5000,
    ],
)  # fmt: skip
def test_unknown_paths(path: str) -> None:
    with pytest.raises(Refusal) as caught:
        find("POST", path)
    assert (caught.value.status, caught.value.code) == (404, "unknown_url") and len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", ("POST",)),
        ("HEAD", "/v1/chat/completions", ("POST",)),
        ("DELETE", "/v1/completions", ("POST",)),
        ("POST", "/v1/models", ("GET", "HEAD")),
        ("POST", "/v1/models/x", ("GET", "HEAD")),
        ("OPTIONS", "/v1/models/x", ("GET", "HEAD")),
        ("GET", "/v1beta/models/x:generateContent", ("POST",)),
        ("GET", "/v1/messages", ("POST",)),
        ("post", "/v1/chat/completions", ("POST",)),
        ("POST", "/v1/responses/resp_1", ("GET", "HEAD", "DELETE")),
        ("PUT", "/v1/responses/resp_1", ("GET", "HEAD", "DELETE")),
        ("DELETE", "/v1/responses/resp_1/input_items", ("GET", "HEAD")),
    ],
)
def test_wrong_methods(method: str, path: str, allow: tuple[str, ...]) -> None:
    with pytest.raises(Refusal) as caught:
        find(method, path)
    assert (caught.value.status, caught.value.allow) == (405, allow)


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/v1//chat/completions", CHAT),
        ("//v1/chat/completions", CHAT),
        ("//chat//completions//", CHAT),
        ("/v1//v1//messages", MESSAGES),
        ("///responses", RESPONSES),
    ],
)
def test_addresses_that_end_in_a_slash_are_joined_with_another(path: str, endpoint: Endpoint) -> None:
    assert find("POST", path) == Call(endpoint)
    assert format_of(path, ()) == endpoint.format
    assert is_client_path(path)


def test_stray_slashes_before_models_and_responses() -> None:
    assert find("GET", "/v1//models//acme/large/").name == "acme/large"
    assert find("GET", "//v1/responses//resp_1/").name == "resp_1"
    assert find("POST", "/v1beta//models/acme/large:generateContent/").name == "acme/large"


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("/v1", True), ("/v1/anything", True), ("/v1beta/models", True), ("/models", True), ("/models/x", True),
        ("/chat/completions", True), ("/completions/", True),
        ("//v1/messages", True), ("//messages", True),
        ("/", False), ("", False), ("/v1x", False), ("//", False), ("//api//v1", False), ("/api//v1/models", False),
         ("/v2/models", False), ("/api/v1/keys", False), ("/dashboard/", False),

        ("/modelsx", False), ("/chat", False), ("/healthz", False), ("/admin/v1/", False),
    ],
)  # fmt: skip
def test_which_paths_are_the_gateways(path: str, ours: bool) -> None:
    assert is_client_path(path) is ours


@pytest.mark.parametrize("root", ["/v1beta", "/v1", "", "/v1/v1", "/v1/v1beta", "/v1beta/v1beta"])
@pytest.mark.parametrize(
    ("action", "operation", "stream", "array", "query"),
    [
        ("generateContent", "chat", False, False, b""),
        ("streamGenerateContent", "chat", True, True, b""),
        ("streamGenerateContent", "chat", True, False, b"alt=sse"),
        ("countTokens", "count", False, False, b"key=x"),
    ],
)
def test_gemini_says_model_and_stream_in_the_path(
    root: str, action: str, operation: str, stream: bool, array: bool, query: bytes
) -> None:
    call = find("POST", f"{root}/models/acme/large:{action}", query)
    assert (call.endpoint.format, call.endpoint.operation) == ("gemini", operation)
    assert (call.name, call.stream, call.array) == ("acme/large", stream, array)


@pytest.mark.parametrize(
    ("method", "path", "operation", "name"),
    [
        ("GET", "/v1/responses/resp_1", "stored", "resp_1"),
        ("HEAD", "/v1/responses/resp_1", "stored", "resp_1"),
        ("DELETE", "/responses/resp_1", "forget", "resp_1"),
        ("GET", "/v1/responses/resp_1/input_items", "input_items", "resp_1"),
    ],
)
def test_stored_responses(method: str, path: str, operation: str, name: str) -> None:
    call = find(method, path)
    assert (call.endpoint.format, call.endpoint.operation, call.name) == ("openai_responses", operation, name)


@pytest.mark.parametrize(
    ("path", "headers", "format"),
    [
        ("/v1/models", [], "openai_chat"),
        ("/v1/models", [(b"anthropic-version", b"2023-06-01")], "anthropic"),
        ("/v1/models", [(b"x-goog-api-key", b"k")], "gemini"),
        ("/v1beta/models", [], "gemini"),
        ("/v1/models/m:generateContent", [], "gemini"),
        ("/v1/messages/nonsense", [], "anthropic"),
        ("/v1/responses/x/y", [], "openai_responses"),
        ("/v1/unknown", [], "openai_chat"),
        ("/v1/files", [(b"anthropic-version", b"2023-06-01")], "anthropic"),
        ("/v1/files", [(b"x-goog-api-key", b"k")], "gemini"),
        ("/v1beta", [], "gemini"),
        ("/v1beta/files", [], "gemini"),
        ("/v1/v1beta/models", [], "gemini"),
        ("/v1/models/v1beta/x", [], "openai_chat"),
        ("/embeddings", [(b"anthropic-version", b"2023-06-01")], "openai_chat"),
    ],
)
def test_everybody_is_answered_in_their_own_format(path: str, headers: list[tuple[bytes, bytes]], format: str) -> None:
    assert format_of(path, headers) == format
