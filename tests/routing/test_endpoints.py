"""Path → what is asked for."""

from __future__ import annotations

import pytest

from providers.wire.errors import Refusal
from routing.gateway.endpoints import CHAT, COMPLETIONS, MODELS, Endpoint, find, is_client_path


@pytest.mark.parametrize("root", ["", "/v1", "/v1/v1"])
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("method", "path", "endpoint"),
    [
        ("POST", "/chat/completions", CHAT),
        ("POST", "/completions", COMPLETIONS),
        ("GET", "/models", MODELS),
        ("HEAD", "/models", MODELS),
    ],
)
def test_with_the_version_once_twice_or_not_at_all(
    root: str, slash: str, method: str, path: str, endpoint: Endpoint
) -> None:
    assert find(method, root + path + slash) == (endpoint, "")
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
    assert find("GET", path) == (MODELS, name) and is_client_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "/v1", "/v1/", "/", "", "/v1/v1/v1/chat/completions", "/v1/chat", "/v1/chat/completions/x", "/v1/unknown",
        "/v1/Models",
        "/v1//chat/completions", "/v2/chat/completions", "/v1/messages", "/v1beta/models", "//", "/v1/" + "x" * 5000,
    ],
)  # fmt: skip
def test_unknown_paths(path: str) -> None:
    with pytest.raises(Refusal) as caught:
        find("POST", path)
    assert (caught.value.status, caught.value.code) == (404, "unknown_url") and len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/chat/completions"),
        ("HEAD", "/v1/chat/completions"),
        ("DELETE", "/v1/completions"),
        ("POST", "/v1/models"),
        ("OPTIONS", "/v1/models/x"),
        ("post", "/v1/chat/completions"),
    ],
)
def test_wrong_methods(method: str, path: str) -> None:
    with pytest.raises(Refusal) as caught:
        find(method, path)
    assert caught.value.status == 405


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("/v1", True), ("/v1/anything", True), ("/v1beta/models", True), ("/models", True), ("/models/x", True),
        ("/chat/completions", True), ("/completions/", True),
        ("/", False), ("", False), ("/v1x", False),
         ("/v2/models", False), ("/api/v1/keys", False), ("/dashboard/", False),

        ("/modelsx", False), ("/chat", False), ("/healthz", False), ("/admin/v1/", False),
    ],
)  # fmt: skip
def test_which_paths_are_the_gateways(path: str, ours: bool) -> None:
    assert is_client_path(path) is ours
