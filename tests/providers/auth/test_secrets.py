"""Secrets made of several values: what is typed becomes one text, and what is wrong with it is said without it."""

from __future__ import annotations

import json

import pytest

from providers.auth.secrets import BadSecret, aws_key, fits, joined, normalised
from tests.providers.auth.test_exchange import account, pem, private

__all__ = ["pem", "private"]  # fixtures
ID = "AKIDEXAMPLEEXAMPLE"


def test_an_access_key_in_each_of_its_forms() -> None:
    stored = '{"access_key_id":"AKIDEXAMPLEEXAMPLE","secret_access_key":"s/+="}'
    assert normalised("sigv4", f"{ID}:s/+=") == stored
    assert normalised("sigv4", json.dumps(json.loads(stored), indent=2)) == stored
    assert (
        joined("sigv4", {"access_key_id": ID, "secret_access_key": " s/+= ", "session_token": "", "api_key": ""})
        == stored
    )
    assert joined("sigv4", {"api_key": "ABSKkey"}) == normalised("sigv4", "ABSKkey") == "ABSKkey"
    key = aws_key(normalised("sigv4", f"{ID}:s:t"))
    assert key is not None and (key.secret_access_key, key.session_token) == ("s", "t") and aws_key("ABSKkey") is None


def test_a_service_account_keeps_only_what_is_needed(pem: str) -> None:
    stored = normalised("vertex", account(pem, ""))
    assert joined("vertex", {"service_account": account(pem, "")}) == stored and fits("vertex", stored)
    said = json.loads(stored)
    assert said["token_uri"] == "https://oauth2.googleapis.com/token" and said["private_key"] == pem
    assert "universe_domain" not in said


def test_nothing_stays_nothing() -> None:
    assert normalised("sigv4", " ") == normalised("bearer", "") == joined("sigv4", {"api_key": " "}) == ""


@pytest.mark.parametrize(
    ("auth", "text", "words"),
    [
        ("bearer", "two words", "one line"),
        ("sigv4", "two words", "one line"),
        ("sigv4", "{broken", "JSON object"),
        ("sigv4", '{"access_key_id": "short", "secret_access_key": "x"}', "16 or more"),
        ("sigv4", '{"access_key_id": "AKIDEXAMPLEEXAMPLE"}', "secret_access_key is missing"),
        ("sigv4", '{"access_key_id": "AKIDEXAMPLEEXAMPLE", "secret_access_key": 7}', "visible ASCII"),
        ("sigv4", "AKIASHORT:secretsecretsecret", "looks like an AWS access key"),
        ("sigv4", "AKIAIOSFODNN7EXAMPLE", "looks like an AWS access key"),
        ("sigv4", '{"AccessKeyId": "x"}', "AccessKeyId is not a field"),
        ("vertex", "AIzaSecret", "JSON object"),
        ("vertex", '{"type": "authorized_user"}', "not the JSON file of a service account"),
        ("vertex", '{"type": "service_account"}', "client_email"),
        ("vertex", '{"type": "service_account", "client_email": "a@b", "private_key": "-----"}', "RSA key"),
    ],
)
def test_what_is_wrong_is_said_without_the_secret(auth: str, text: str, words: str) -> None:
    with pytest.raises(BadSecret) as told:
        normalised(auth, text)
    assert words in str(told.value) and text not in str(told.value)


def test_both_kinds_of_key_at_once_are_a_question() -> None:
    with pytest.raises(BadSecret) as told:
        joined("sigv4", {"access_key_id": ID, "secret_access_key": "s", "api_key": "k"})
    assert told.value.field == "api_key"
