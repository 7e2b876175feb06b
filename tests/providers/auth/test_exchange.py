"""Secrets that are exchanged for tokens, against vendors on real sockets: one exchange for everybody who waits, a new
one before the token ends and after a refusal, by the connection's own way."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from providers.auth import schemes, secrets
from providers.auth.copilot import Copilot
from providers.auth.exchange import Exchanged, Way
from providers.auth.vertex import ServiceAccount
from providers.entry import AUTH_HEADERS
from providers.transport.base import Outbound, Route, Timeouts
from providers.upstream import Attempt, Upstream
from providers.wire.errors import Kind, UpstreamFailure
from tests.routing.samples import Clock, connect, entry
from tests.simulator import Simulator
from tests.simulator.vendor import Seen, Vendor

NEAR = Way(allow_private=True, headers=((b"user-agent", b"OmniRoute/0"),))
BODY = b'{"model": "echo", "messages": [{"role": "user", "content": "hi"}]}'
REQUEST = Outbound("POST", "/", (), b"", Route("https", "api.example.com", 443), Timeouts())


@pytest.fixture(scope="session")
def private() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def pem(private: rsa.RSAPrivateKey) -> str:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private.private_bytes(*form).decode()


@pytest.fixture
async def sender() -> AsyncIterator[Upstream]:
    sender = Upstream()
    yield sender
    await sender.aclose()


def account(pem: str, uri: str) -> str:
    return json.dumps(
        {
            "type": "service_account", "client_email": "robot@project.iam.gserviceaccount.com", "private_key": pem,
            "private_key_id": "key-1", "project_id": "project", "token_uri": uri, "universe_domain": "googleapis.com",
        }
    )  # fmt: skip


def google(tokens: Callable[[int], str] = "ya29.token-{}".format, lasts: int = 3600) -> Vendor:
    """Numbers its tokens from 1."""
    count = iter(range(1, 1000))
    lock = threading.Lock()

    def answer(seen: Seen) -> Any:
        with lock:
            return 200, {"access_token": tokens(next(count)), "expires_in": lasts, "token_type": "Bearer"}

    return Vendor(answer)


async def token_of(credential: Exchanged) -> str:
    signed = await credential.sign(REQUEST)
    return dict(signed.headers)[b"authorization"].decode().removeprefix("Bearer ")


def robot(pem: str, uri: str, clock: Any = None, way: Way = NEAR) -> ServiceAccount:
    said = secrets.service_account(secrets.normalised("vertex", account(pem, uri)))
    return ServiceAccount(said, way, **({"clock": clock} if clock else {}))


# -- Google -----------------------------------------------------------------------------------------------------------
async def test_the_assertion_is_signed_and_says_who_asks_for_what(pem: str, private: rsa.RSAPrivateKey) -> None:
    with google() as vendor:
        clock = Clock(1_800_000_000)
        assert await token_of(robot(pem, f"{vendor.url}/token", clock)) == "ya29.token-1"
    seen = vendor.seen[0]
    assert (seen.method, seen.target) == ("POST", "/token") and seen.headers["user-agent"] == "OmniRoute/0"
    form = parse_qs(seen.body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    head, claims, signature = form["assertion"][0].split(".")
    private.public_key().verify(decoded(signature), f"{head}.{claims}".encode(), PKCS1v15(), hashes.SHA256())
    assert json.loads(decoded(head)) == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
    assert json.loads(decoded(claims)) == {
        "iss": "robot@project.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": f"{vendor.url}/token",
        "iat": 1_800_000_000,
        "exp": 1_800_003_600,
    }


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


async def test_a_token_is_kept_until_shortly_before_its_end(pem: str) -> None:
    clock = Clock()
    with google() as vendor:
        credential = robot(pem, vendor.url, clock)
        assert [await token_of(credential) for _ in range(3)] == ["ya29.token-1"] * 3
        clock.now += 3600 - 121
        assert await token_of(credential) == "ya29.token-1"
        clock.now += 2
        assert await token_of(credential) == "ya29.token-2"
        assert len(vendor.seen) == 2


async def test_fifty_who_wait_cause_one_exchange_and_one_that_leaves_does_not_end_it(pem: str) -> None:
    gate = threading.Event()

    def answer(seen: Seen) -> Any:
        gate.wait(10)
        return 200, {"access_token": "the-token", "expires_in": 3600}

    with Vendor(answer) as vendor:
        credential = robot(pem, vendor.url)
        waiting = [asyncio.create_task(token_of(credential)) for _ in range(50)]
        while not vendor.seen:
            await asyncio.sleep(0)
        waiting[0].cancel()
        gate.set()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(answers[0], asyncio.CancelledError) and answers[1:] == ["the-token"] * 49
        assert len(vendor.seen) == 1


async def test_a_refused_token_is_renewed_once_for_all_who_were_refused(pem: str) -> None:
    with google() as vendor:
        credential = robot(pem, vendor.url)
        old = [await credential.sign(REQUEST) for _ in range(50)]
        assert all(await asyncio.gather(*(credential.refused(request) for request in old)))
        assert await token_of(credential) == "ya29.token-2" and len(vendor.seen) == 2


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, Kind.AUTH, "invalid_grant"),
        (403, {"error": {"message": "Disabled."}}, Kind.PERMISSION, "Disabled."),
        (429, {}, Kind.RATE_LIMITED, "HTTP 429"),
        (500, {}, Kind.SERVER, "HTTP 500"),
        (302, {}, Kind.SERVER, "HTTP 302"),
        (200, {"id_token": "x"}, Kind.PROTOCOL, "no token"),
        (200, b"<html>", Kind.SERVER, "HTTP 200"),
    ],
)
async def test_a_failed_exchange_says_why(pem: str, status: int, body: Any, kind: Kind, words: str) -> None:
    with Vendor(lambda _: (status, body)) as vendor, pytest.raises(UpstreamFailure) as told:
        await token_of(robot(pem, vendor.url))
    assert told.value.kind is kind and words in told.value.message


async def test_no_message_repeats_the_secret(pem: str) -> None:
    told_all = (400, {"error": "no", "error_description": f"bad key {pem}"})
    with Vendor(lambda seen: told_all) as vendor, pytest.raises(UpstreamFailure) as told:
        await token_of(robot(pem, vendor.url))
    assert not any(line in told.value.message for line in pem.splitlines()[1:-1])


async def test_the_address_guard_and_the_proxy_hold_for_exchanges_too(pem: str) -> None:
    with google() as vendor:
        with pytest.raises(UpstreamFailure, match="loopback"):
            await token_of(robot(pem, vendor.url, way=Way()))
        with google() as other:
            through = Way(allow_private=True, proxy=other.url)  # a proxy sees the whole address of plain HTTP
            assert await token_of(robot(pem, f"{vendor.url}/token", way=through)) == "ya29.token-1"
            assert other.seen[0].target == f"{vendor.url}/token"
    assert vendor.seen == []


async def test_a_dead_proxy_is_a_failure_and_never_a_direct_call(pem: str) -> None:
    with google() as vendor, google() as gone:
        pass
    with google() as vendor, pytest.raises(UpstreamFailure) as told:
        await token_of(robot(pem, vendor.url, way=Way(allow_private=True, proxy=gone.url)))
    assert told.value.kind is Kind.NETWORK and vendor.seen == []


# -- GitHub -----------------------------------------------------------------------------------------------------------
def github(api: str = "", *, tokens: int = 9) -> Vendor:
    count = iter(range(1, tokens + 1))

    def answer(seen: Seen) -> Any:
        ends = 2_000_000_000
        return 200, {"token": f"tid={next(count)};exp=1", "expires_at": ends, "endpoints": {"api": api}}

    return Vendor(answer)


async def test_a_copilot_token_goes_where_the_reply_says(sender: Upstream) -> None:
    async with Simulator(keys={"tid=1;exp=1"}) as plan, Simulator() as usual:
        with github(plan.root) as vendor:
            to = entry(
                base_url=usual.url, auth="copilot", token_url=f"{vendor.url}/copilot_internal/v2/token",
                allow_private_network=True, models=("echo",), headers={"editor-version": "OmniRoute/0"},
            )  # fmt: skip
            attempt = Attempt(to, connect(to, secret="gho_secret"), "echo")
            reply = await sender.open(attempt, "chat", BODY, stream=False, timeouts=Timeouts())
            await reply.aclose()
    assert reply.status == 200 and plan.count == 1 and usual.count == 0
    asked = vendor.seen[0]
    assert (asked.method, asked.target) == ("GET", "/copilot_internal/v2/token")
    assert asked.headers["authorization"] == "token gho_secret" and asked.headers["editor-version"] == "OmniRoute/0"
    assert asked.headers["user-agent"] == "OmniRoute/0"


@pytest.mark.parametrize("api", ["https://api.example.com", "http://169.254.169.254/", "ftp://x.example", "", "no"])
async def test_an_address_that_may_not_be_called_is_passed_over(api: str) -> None:
    with github(api) as vendor:
        signed = await Copilot("gho_secret", NEAR, url=vendor.url, scheme="http").sign(REQUEST)
    assert signed.route == REQUEST.route


async def test_a_401_of_the_model_api_is_cured_by_one_new_exchange(sender: Upstream) -> None:
    async with Simulator(keys={"tid=2;exp=1"}) as upstream:
        with github() as vendor:
            said = {"auth": "copilot", "token_url": vendor.url, "allow_private_network": True}
            to = entry(base_url=upstream.url, models=("echo",), **said)
            attempt = Attempt(to, connect(to, secret="gho_secret"), "echo")
            reply = await sender.open(attempt, "chat", BODY, stream=False, timeouts=Timeouts())
            await reply.aclose()
    assert reply.status == 200 and len(vendor.seen) == 2
    assert [seen.key for seen in upstream.requests] == ["tid=1;exp=1", "tid=2;exp=1"]


# -- the table --------------------------------------------------------------------------------------------------------
def test_a_token_outlives_a_change_of_the_configuration(pem: str) -> None:
    to = entry(auth="vertex")
    secret = secrets.normalised("vertex", account(pem, "https://oauth2.googleapis.com/token"))
    first, second = connect(to, secret=secret), connect(to, 2, secret=secret)
    assert first.credential is second.credential is not None
    assert connect(to, secret=secret, proxy="http://proxy.example:1").credential is not first.credential
    assert b"authorization" not in dict(first.headers) and pem not in repr(first)
    assert any("PRIVATE KEY" in part for part in first.secrets)


def test_a_bedrock_key_is_a_header_and_an_access_key_signs() -> None:
    to = entry(auth="sigv4")
    bearer = connect(to, secret="bedrock-api-key", parameters={"region": "eu-west-1"})
    assert dict(bearer.headers)[b"authorization"] == b"Bearer bedrock-api-key" and bearer.credential is None
    stored = secrets.normalised("sigv4", "AKIDEXAMPLEEXAMPLE:the-secret-half:the-token")
    signing = connect(to, secret=stored, parameters={"region": "eu-west-1"})
    assert signing.credential is not None and b"authorization" not in dict(signing.headers)
    assert {"the-secret-half", "the-token"} <= set(signing.secrets)


@pytest.mark.parametrize("auth", sorted(AUTH_HEADERS))
def test_plain_schemes_are_fixed_headers(auth: str) -> None:
    to = entry(auth=auth)
    header, value = schemes.fixed_header(to, "k-1") or ("", "")
    assert "k-1" in value and connect(to, secret="k-1").credential is None
    assert dict(connect(to, secret="k-1").headers)[header.encode()] == value.encode()
