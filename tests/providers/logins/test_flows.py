"""Every login from the first click to the stored connection, against a vendor that checks what is said."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.utils import timezone

from providers import grants, registry
from providers.fields import reveal
from providers.logins import attempts, flow
from providers.logins.attempts import Who
from providers.logins.engine import LoginFailed
from providers.logins.sentences import explain
from providers.models import Connection, Grant, LoginAttempt, Provider

ADA = Who("1", "ada@example.com", "session-of-ada")
EVE = Who("2", "eve@example.com", "session-of-eve")
HERE = "http://127.0.0.1:20128"


def entry(name: str) -> Any:
    return registry.effective_of(Provider.objects.get(pk=name))


def consent(attempt: LoginAttempt, answer: str = "yes") -> dict[str, list[str]]:
    """What the browser comes back with after the vendor's page."""
    page = httpx.get(attempt.shown["url"])
    found = page.text.split(f'id="{answer}" href="')[1].split('"')[0].replace("&amp;", "&")
    return parse_qs(urlsplit(found).query)


def log_in(name: str, method: str = "browser", who: Who = ADA, **options: Any) -> Connection:
    attempt = attempts.begin(entry(name), method, who, origin=HERE, **options)
    return attempts.answered(consent(attempt), who)


def confirm(vendors: Any, attempt: LoginAttempt) -> LoginAttempt:
    vendors.agree(attempt.shown["code"])
    return asked(attempt)


def asked(attempt: LoginAttempt) -> LoginAttempt:
    """As if the time to the next question had passed."""
    LoginAttempt.objects.filter(pk=attempt.pk).update(ask_at=timezone.now())
    return attempts.poll(attempts.own(attempt.uid, ADA), ADA)


# -- the code in the browser --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "email", "plan", "facts"),
    [
        ("claude", "ada@example.com", "claude_max", {"organization": "org-acc-1"}),
        ("codex", "ada@example.com", "max", {}),
        ("gemini-cli", "ada@example.com", "free-tier", {"project": "project-7"}),
        ("antigravity", "ada@example.com", "Free", {"project": "project-7"}),
        ("cline", "ada@example.com", "", {}),
    ],
)
def test_a_code_becomes_a_connection(vendors: Any, name: str, email: str, plan: str, facts: dict[str, str]) -> None:
    connection = log_in(name)
    grant = connection.grant
    assert (grant.email, grant.plan, grant.facts) == (email, plan, facts)
    assert connection.name == email and connection.secret is None
    assert vendors.accounts.opens(reveal(grant, "access_token") or "")
    assert grant.state == "good" and grant.accepted_by == "ada@example.com" and grant.accepted_at
    assert grants.access_token(Connection.objects.get()).endswith(reveal(grant, "access_token") or "?")


def test_a_login_by_kiros_own_page_is_pasted(vendors: Any) -> None:
    attempt = attempts.begin(entry("kiro"), "google", ADA, origin=HERE)
    assert attempt.shown["how"] == "paste"
    query = consent(attempt)
    address = f"kiro://kiro.kiroAgent/authenticate-success?code={query['code'][0]}&state={query['state'][0]}"
    grant = attempts.pasted(address, attempt, ADA).grant
    assert grant.facts["profile_arn"].startswith("arn:") and grant.plan == "KIRO PRO"


def test_code_and_state_as_the_vendors_page_shows_them(vendors: Any) -> None:
    attempt = attempts.begin(entry("claude"), "browser", ADA, origin="https://omni.example.com")
    query = consent(attempt)
    assert attempt.redirect_uri == "https://platform.claude.com/oauth/code/callback"
    assert attempts.pasted(f"{query['code'][0]}#{query['state'][0]}", attempt, ADA).grant.email == "ada@example.com"


def test_logging_in_again_updates_the_connection_of_that_account(vendors: Any) -> None:
    first = log_in("codex")
    before = reveal(first.grant, "access_token")
    again = log_in("codex")
    assert again.pk == first.pk and Connection.objects.count() == 1
    assert reveal(again.grant, "access_token") != before and again.grant.generation == 2
    vendors.accounts.account = {"email": "ada@example.com", "id": "acc-2", "plan": "team"}
    other = log_in("codex")  # one person, another workspace
    assert other.pk != first.pk and other.name == "ada@example.com 2"


def test_logging_in_again_with_another_account_changes_nothing(vendors: Any) -> None:
    first = log_in("claude")
    vendors.accounts.account = {"email": "bob@example.com", "id": "b", "plan": "pro"}
    with pytest.raises(LoginFailed, match="bob") as wrong:
        log_in("claude", connection=first)
    assert wrong.value.code == "other_account"
    assert Grant.objects.get().email == "ada@example.com" and Connection.objects.count() == 1


# -- devices --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "method", "email"),
    [
        ("github", "device", "ada"),
        ("codex", "device", "ada@example.com"),
        ("kiro", "builder_id", "ada@example.com"),
        ("kimi-coding", "device", ""),
        ("kilocode", "device", "ada@example.com"),
    ],
)
def test_a_confirmed_device_becomes_a_connection(vendors: Any, name: str, method: str, email: str) -> None:
    attempt = attempts.begin(entry(name), method, ADA, origin=HERE)
    assert attempt.shown["code"] and attempt.shown["url"].startswith(("http", "https"))
    assert asked(attempt).status == "open"
    done = confirm(vendors, attempt)
    assert done.status == "done", done.message
    assert done.connection is not None and done.connection.grant.email == email


def test_a_made_client_stays_with_its_login(vendors: Any) -> None:
    done = confirm(vendors, attempts.begin(entry("kiro"), "builder_id", ADA))
    grant = done.connection.grant
    assert grants.hidden_of(grant) == {"client_id": "made-client", "client_secret": "made-secret"}
    assert grants.refresh(grant.pk).generation == 2


def test_a_made_client_that_has_ended_ends_its_login(vendors: Any) -> None:
    grant = confirm(vendors, attempts.begin(entry("kiro"), "builder_id", ADA)).connection.grant
    vendors.accounts.fails.append((401, {"error": "invalid_client", "error_description": "Expired client secret."}))
    with pytest.raises(grants.NotRenewed, match="Expired client secret") as wrong:
        grants.refresh(grant.pk)
    grant.refresh_from_db()
    assert wrong.value.ended and grant.state == "ended"


def test_a_vendor_that_wants_it_slower_is_asked_slower(vendors: Any) -> None:
    attempt = attempts.begin(entry("github"), "device", ADA)
    vendors.slow_down = 1
    before = attempt.interval
    assert asked(attempt).interval == before + 5
    calls = len(vendors.calls)
    again = attempts.poll(attempts.own(attempt.uid, ADA), ADA)
    assert again.status == "open" and len(vendors.calls) == calls  # too early: nobody is asked


@pytest.mark.parametrize("status", [429, 503])
def test_a_vendor_that_is_busy_is_asked_again(vendors: Any, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    attempt = attempts.begin(entry("kilocode"), "device", ADA)
    with monkeypatch.context() as busy:
        busy.setattr(vendors, "_kilo", lambda *_: (status, {"message": "Too much to do."}))
        assert asked(attempt).status == "open"
    assert confirm(vendors, attempt).status == "done"


@pytest.mark.parametrize(("name", "says"), [("github", "refused"), ("kilocode", "refused"), ("kimi-coding", "refused")])
def test_a_denied_device(vendors: Any, name: str, says: str) -> None:
    attempt = attempts.begin(entry(name), "device", ADA)
    vendors.deny(attempt.shown["code"])
    failed = asked(attempt)
    assert failed.status == "failed" and says in failed.message and not Connection.objects.exists()


def test_a_device_code_that_ran_out(vendors: Any) -> None:
    vendors.device_lasts = 0
    attempt = attempts.begin(entry("github"), "device", ADA)
    failed = asked(attempt)
    assert failed.status == "failed" and "in time" in failed.message


# -- imports --------------------------------------------------------------------------------------------------------
IDC = {"authMethod": "IdC", "provider": "Enterprise", "region": "eu-central-1", "clientIdHash": "5f" * 20}
CLIENT = {"clientId": "made-client", "clientSecret": "made-secret", "expiresAt": "2020-01-01T00:00:00Z"}


def idc_file(vendors: Any, **changes: Any) -> str:
    """What Kiro keeps of a login at an organization of AWS; the client it was made with lies in another file."""
    family = vendors.accounts.log_in()
    until = (timezone.now() + timedelta(minutes=40)).isoformat()
    found = {"accessToken": family.access, "refreshToken": family.refresh, "expiresAt": until, **IDC, **changes}
    return json.dumps({name: value for name, value in found.items() if value is not None}, indent=2)


def imported(text: str) -> Grant:
    return attempts.pasted(text, attempts.begin(entry("kiro"), "import", ADA), ADA).grant


@pytest.mark.parametrize(
    "changes",
    [{}, {"accessToken": None}, {"authMethod": None}, {"expiresAt": "2020-01-01T00:00:00Z"}],
    ids=["whole", "refresh token alone", "unnamed", "expired"],
)
@pytest.mark.parametrize("order", [1, -1])
def test_a_kiro_login_of_an_organization_is_renewed_where_it_was_made(
    vendors: Any, changes: dict[str, Any], order: int
) -> None:
    pasted = "\n".join([idc_file(vendors, **changes), json.dumps(CLIENT)][::order])
    grant = imported(pasted)
    assert grant.email == "ada@example.com" and grant.facts["region"] == "eu-central-1"
    assert grant.expires_at and grant.expires_at > timezone.now() + timedelta(minutes=30)
    before = vendors.accounts.asked
    assert vendors.accounts.opens(grants.refresh(grant.pk).text)
    assert vendors.accounts.asked == before + 1 and vendors.accounts.reused == 0
    (*_, (_method, path, _headers, said)) = [call for call in vendors.calls if call[1].endswith("/token")]
    assert path == "/oidc.eu-central-1.amazonaws.com/token" and not vendors.said("refreshToken")
    assert (said["clientId"], said["clientSecret"]) == ("made-client", "made-secret")
    assert said["grantType"] == "refresh_token"
    assert grants.hidden_of(grant) == {"client_id": "made-client", "client_secret": "made-secret"}


def test_both_in_one_object(vendors: Any) -> None:
    both = json.loads(idc_file(vendors)) | {name: CLIENT[name] for name in ("clientId", "clientSecret")}
    assert grants.refresh(imported(json.dumps(both)).pk).generation == 2


def test_a_kiro_login_of_an_organization_without_its_client(vendors: Any) -> None:
    """It could not be renewed, and would end within the hour."""
    text = idc_file(vendors)
    attempt = attempts.begin(entry("kiro"), "import", ADA)
    with pytest.raises(LoginFailed) as wrong:
        attempts.pasted(text, attempt, ADA)
    assert f"~/.aws/sso/cache/{'5f' * 20}.json" in explain(wrong.value) and not Connection.objects.exists()
    assert attempts.pasted(f"{text}{json.dumps(CLIENT)}", attempt, ADA).grant  # the login is open still


def test_a_client_of_another_login_is_noticed_at_once(vendors: Any) -> None:
    with pytest.raises(LoginFailed, match="invalid_client"):
        imported(idc_file(vendors) + json.dumps(CLIENT | {"clientId": "another"}))
    assert not Connection.objects.exists()


@pytest.mark.parametrize("region", ["evil.example/", "eu-central-1.evil.example", "x@y", 7])
def test_a_region_that_is_none_is_not_called(vendors: Any, region: Any) -> None:
    text = idc_file(vendors, region=region) + json.dumps(CLIENT)
    before = len(vendors.calls)
    with pytest.raises(LoginFailed, match="region"):
        imported(text)
    assert len(vendors.calls) == before


def test_a_login_by_another_way_forgets_the_client_of_the_one_before(vendors: Any) -> None:
    first = imported(idc_file(vendors) + json.dumps(CLIENT))
    social = imported(idc_file(vendors, authMethod="social", clientIdHash=None))
    assert social.pk == first.pk and grants.hidden_of(social) == {} and social.method == "import"
    assert grants.refresh(social.pk).generation and vendors.said("refreshToken")


def test_tokens_that_are_brought_along(vendors: Any) -> None:
    family = vendors.accounts.log_in()
    attempt = attempts.begin(entry("kiro"), "import", ADA)
    connection = attempts.pasted(family.refresh, attempt, ADA)
    assert reveal(connection.grant, "refresh_token") == family.refresh and vendors.accounts.asked == 1
    tokens = f'{{"tokens": {{"access_token": "{family.access}", "refresh_token": "r-12345678", "account_id": "w"}}}}'
    codex = attempts.pasted(tokens, attempts.begin(entry("codex"), "import", ADA), ADA)
    assert codex.grant.account_id == "w"
    cursor = f'{{"accessToken": "{family.access}", "machineId": "m1", "cachedEmail": "c@example.com"}}'
    grant = attempts.pasted(cursor, attempts.begin(entry("cursor"), "import", ADA), ADA).grant
    assert (grant.email, grant.facts) == ("c@example.com", {"machine_id": "m1"})


@pytest.mark.parametrize(
    ("text", "code"), [("", "empty"), ("{nope", "not_json"), ("two words", "not_a_token"), ('{"a": 1}', "no_token")]
)
def test_what_is_no_token(vendors: Any, text: str, code: str) -> None:
    attempt = attempts.begin(entry("cursor"), "import", ADA)
    with pytest.raises(LoginFailed) as wrong:
        attempts.pasted(text, attempt, ADA)
    assert wrong.value.code == code
    assert attempts.own(attempt.uid, ADA).status == "open"  # may try again


# -- what must not work -----------------------------------------------------------------------------------------------
def test_a_wrong_state(vendors: Any) -> None:
    attempt = attempts.begin(entry("claude"), "browser", ADA, origin=HERE)
    with pytest.raises(LoginFailed, match="state"):
        attempts.answered({**consent(attempt), "state": ["guessed"]}, ADA)
    with pytest.raises(LoginFailed, match="state"):
        attempts.answered({"code": ["x"]}, ADA)


def test_a_replay(vendors: Any) -> None:
    attempt = attempts.begin(entry("claude"), "browser", ADA, origin=HERE)
    query = consent(attempt)
    attempts.answered(query, ADA)
    with pytest.raises(LoginFailed, match="used"):
        attempts.answered(query, ADA)
    assert Connection.objects.count() == 1


@pytest.mark.parametrize("who", [EVE, Who("1", "ada@example.com", "another-session"), Who("2", "", "session-of-ada")])
def test_another_session_or_person(vendors: Any, who: Who) -> None:
    attempt = attempts.begin(entry("claude"), "browser", ADA, origin=HERE)
    query = consent(attempt)
    with pytest.raises(LoginFailed, match="session"):
        attempts.answered(query, who)
    with pytest.raises(LoginFailed, match="session"):
        attempts.own(attempt.uid, who)
    assert attempts.answered(query, ADA).grant  # it is still hers


def test_another_provider(vendors: Any) -> None:
    mine = attempts.begin(entry("claude"), "browser", ADA, origin=HERE)
    query = consent(mine)
    other = attempts.begin(entry("codex"), "browser", ADA, origin=HERE)
    with pytest.raises(LoginFailed, match="provider"):
        attempts.pasted(f"http://localhost/callback?code={query['code'][0]}&state={query['state'][0]}", other, ADA)


def test_after_ten_minutes(vendors: Any) -> None:
    attempt = attempts.begin(entry("claude"), "browser", ADA, origin=HERE)
    query = consent(attempt)
    LoginAttempt.objects.update(expires_at=timezone.now())
    with pytest.raises(LoginFailed, match="expired"):
        attempts.answered(query, ADA)


def test_a_refusal_at_the_vendors_page(vendors: Any) -> None:
    attempt = attempts.begin(entry("claude"), "browser", ADA, origin=HERE)
    with pytest.raises(LoginFailed, match="access_denied"):
        attempts.answered(consent(attempt, "no"), ADA)
    assert "refused" in attempts.own(attempt.uid, ADA).message


def test_a_code_the_vendor_does_not_take(vendors: Any) -> None:
    attempt = attempts.begin(entry("claude"), "browser", ADA, origin=HERE)
    with pytest.raises(LoginFailed, match="Unknown code"):
        attempts.answered({**consent(attempt), "code": ["forged"]}, ADA)
    assert not Connection.objects.exists()


@pytest.mark.parametrize("name", ["qwen", "iflow"])
def test_what_has_ended_cannot_be_connected(vendors: Any, name: str) -> None:
    method = flow.flows()[name].methods[0].id
    with pytest.raises(LoginFailed, match="ended"):
        attempts.begin(entry(name), method, ADA)
    assert vendors.calls == []


def test_a_login_that_needs_a_secret_names_its_variable(vendors: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEMINI_CLI_OAUTH_CLIENT_SECRET")
    with pytest.raises(LoginFailed, match="GEMINI_CLI_OAUTH_CLIENT_SECRET"):
        attempts.begin(entry("gemini-cli"), "browser", ADA)


def test_nothing_secret_is_stored_in_the_open(vendors: Any) -> None:
    grant = log_in("codex").grant
    attempt = LoginAttempt.objects.get()
    secrets = [reveal(grant, name) for name in ("access_token", "refresh_token", "id_token")]
    secrets += [reveal(attempt, "secrets")]
    rows = [repr(list(model.objects.values_list())) for model in (Grant, LoginAttempt, Connection)]
    assert all(secrets) and not [secret for secret in secrets if any(secret in row for row in rows)]
