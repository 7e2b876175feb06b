"""The logins' data, and the pure parts: redirects, pasted addresses, token replies."""

from __future__ import annotations

import pytest

from providers.logins import engine, flow
from providers.logins.engine import LoginFailed, Told
from providers.logins.redirects import is_loopback, read_pasted, way_for

LOCAL, REMOTE = "http://127.0.0.1:20128", "https://omni.example.com"
CALLBACK = "/dashboard/providers/logins/callback/"


@pytest.mark.parametrize("name", sorted(flow.load(flow.FOLDER)))
def test_every_address_is_https_and_no_secret_is_in_the_tree(name: str) -> None:
    text = (flow.FOLDER / f"{name}.toml").read_text()
    assert "GOCSPX" not in text and "client_secret =" not in text.replace('client_secret = "{client_secret}"', "")
    found = flow.load(flow.FOLDER)[name]
    exchanges = [
        found.exchange,
        found.refresh,
        *(m.exchange for m in found.methods),
        *(m.refresh for m in found.methods),
    ]
    urls = [each.url for each in (*exchanges, *found.calls) if each is not None]
    for method in found.methods:
        urls += filter(None, (method.authorize_url, method.device_url, method.poll_url, method.register_url))
    assert all(url.startswith("https://") for url in urls)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('id = "x"\nname = "X"\nmethods = []\nunknown = 1', "unknown"),
        ('id = "y"\nname = "X"\nmethods = []', "its id"),
        ('id = "x"\nname = "X"\nmethods = []', "no method"),
        ('id = "x"\nname = "X"\nmethods = [{ id = "a", kind = "code" }]', "no exchange"),
        ('id = "x"\nname = "X"\nmethods = [{ id = "a", kind = "import", where = "{nonsense}" }]', "nonsense"),
    ],
)
def test_what_the_vocabulary_does_not_know(text: str, says: str) -> None:
    with pytest.raises(flow.BadFlow, match=says):
        flow.parse("x", text)


@pytest.mark.parametrize(
    ("name", "origin", "own_client", "uri", "how"),
    [
        ("claude", LOCAL, False, "http://localhost:20128/callback", "own"),
        ("claude", REMOTE, False, "https://platform.claude.com/oauth/code/callback", "paste"),
        ("codex", LOCAL, False, "http://localhost:1455/auth/callback", "listener"),
        ("codex", REMOTE, False, "http://localhost:1455/auth/callback", "paste"),
        ("gemini-cli", LOCAL, False, "http://localhost:20128/callback", "own"),
        ("gemini-cli", LOCAL, True, f"{LOCAL}{CALLBACK}", "own"),
        ("gemini-cli", REMOTE, False, "http://localhost:8085/callback", "paste"),
        ("gemini-cli", REMOTE, True, f"{REMOTE}{CALLBACK}", "own"),
        ("cline", REMOTE, False, f"{REMOTE}{CALLBACK}", "own"),
        ("cline", "", False, "http://localhost:8085/callback", "paste"),
    ],
)
def test_where_the_browser_comes_back_to(name: str, origin: str, own_client: bool, uri: str, how: str) -> None:
    method = flow.load(flow.FOLDER)[name].methods[0]
    assert way_for(method, origin, own_client=own_client) == (uri, how)


@pytest.mark.parametrize(
    ("host", "local"),
    [("localhost", True), ("127.0.0.1", True), ("[::1]", True), ("localhost.evil.example", False), ("10.0.0.1", False)],
)
def test_what_is_the_same_machine(host: str, local: bool) -> None:
    assert is_loopback(host) is local


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("http://localhost:1455/auth/callback?code=c&state=s&scope=x", ("c", "s")),
        (" c#s \n", ("c", "s")),
        ("kiro://kiro.kiroAgent/authenticate-success?code=c&state=s", ("c", "s")),
        ("https://vendor.example/page#code=c&state=s", ("c", "s")),
    ],
)
def test_what_people_paste(text: str, found: tuple[str, str]) -> None:
    assert read_pasted(text) == found


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("c", "not_an_address"),
        ("https://a.example/?x=1", "no_code"),
        ("https://a.example/?error=access_denied", "access_denied"),
    ],
)
def test_what_cannot_be_pasted(text: str, code: str) -> None:
    with pytest.raises(LoginFailed) as wrong:
        read_pasted(text)
    assert wrong.value.code == code


def test_spaces_in_an_address_are_percent_encoded() -> None:
    found = flow.load(flow.FOLDER)["codex"]
    client = flow.client_of(found, lambda name: "own-app" if name == "CODEX_OAUTH_CLIENT_ID" else None)
    url = engine.authorize_url(found, found.methods[0], client, redirect_uri="http://x/", state="s", verifier="v" * 50)
    assert "scope=openid%20profile%20email%20offline_access" in url and "+" not in url and "client_id=own-app" in url


@pytest.mark.parametrize(
    ("status", "document", "final"),
    [
        (400, {"error": "invalid_grant"}, True),
        (401, {"error": {"code": "refresh_token_reused", "message": "used"}}, True),
        (400, {"__type": "com.amazonaws#InvalidGrantException"}, True),
        (401, None, True),
        (400, {"error": "temporarily_unavailable"}, False),
        (429, {"error": "rate_limited"}, False),
        (503, None, False),
        (200, {"error": "slow_down"}, False),
        (200, {"no": "token"}, False),
    ],
)
def test_what_ends_a_login_and_what_passes(status: int, document: object, final: bool) -> None:
    with pytest.raises(LoginFailed) as wrong:
        engine.granted(Told(status, document), flow.Names())
    assert wrong.value.final is final


@pytest.mark.parametrize(
    ("reply", "lasts"),
    [
        ({"expires_in": 900.5}, 900.5),
        ({"expires_in": "60"}, 60),
        ({"expires_in": True}, None),
        ({"expires_in": -5}, 60),
        ({}, None),
    ],
)
def test_how_long_a_token_lasts(reply: dict[str, object], lasts: float | None) -> None:
    assert engine.tokens_of({"access_token": "t", **reply}, flow.Names()).lasts == lasts
