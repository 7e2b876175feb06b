"""A vendor's words lose what must not be shown, and keep what helps."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.words import GONE, LONGEST, clean_words


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Incorrect API key provided: sk-abc***wxyz. Try again.", f"Incorrect API key provided: {GONE} Try again."),
        ("key gsk_0123456789abcdef is wrong", f"key {GONE} is wrong"),
        ("nvapi-0123456789 and xai-0123456789 and sk-or-v1-0123456789", f"{GONE} and {GONE} and {GONE}"),
        ("sent Authorization: Bearer abc.def/ghi+jkl=", f"sent Authorization: {GONE}"),
        ("token eyJhbGciOiJIUzI1NiJ9.e30.abc expired", f"token {GONE} expired"),
        ("odd 0123456789abcdef0123456789abcdef here", f"odd {GONE} here"),
        ("see https://platform.example/account?key=1 now", f"see {GONE} now"),
        ("dial tcp 10.1.2.3:443: connection refused", f"dial tcp {GONE}: connection refused"),
        ("dial [fe80::1]:443 or ::1 failed", f"dial {GONE} or {GONE} failed"),
        ("cannot reach api.openai.com or db-1.prod.internal:5432", f"cannot reach {GONE} or {GONE}"),
        ("upstream backend-7:8080 is down on localhost", f"upstream {GONE} is down on {GONE}"),
        ("two\r\nlines\tand\x00a\x1b[31mcolour\u202e", "two lines and a [31mcolour"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("", ""),
    ],
)
def test_what_goes(text: str, clean: str) -> None:
    assert clean_words(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "The model gpt-4.1-mini does not exist or you do not have access to it.",
        "Invalid value for 'messages[0].content': expected a string.",
        "Unsupported parameter: messages.0.content at 12:30:45",
        "This model's maximum context length is 128000 tokens. However, you requested 130000.",
        "meta-llama/Llama-3.3-70B-Instruct is loading; stream_options.include_usage is unknown",
        "Rate limit reached: 10000 tokens per min (TPM). Retry in 1.2s. Ratio 3:1.",
        "Modèle inconnu « mistral-large-latest » 模型不存在",
    ],
)
def test_what_stays(text: str) -> None:
    assert clean_words(text) == text


def test_given_secrets_go_in_any_place() -> None:
    assert (
        clean_words('{"k":"hunter22hunter22"} (hunter22)', ["hunter22", None, ""]) == f'{{"k":"{GONE}{GONE}"}} ({GONE})'
    )
    assert "longer-one" not in clean_words("a longer-one-more b", ["longer-one", "longer-one-more"])


def test_invisible_characters_do_not_hide_a_secret_from_the_eye_of_the_filter() -> None:
    assert "hunter22" not in clean_words("hunter22\u200b", ["hunter22"])


def test_very_short_secrets_do_not_blot_out_the_text() -> None:
    assert clean_words("a key is not a lock", ["a", "x"]) == "a key is not a lock"


def test_long_texts_are_cut_and_show_no_piece_of_a_secret() -> None:
    assert len(clean_words("word " * 500)) <= LONGEST and clean_words("word " * 500).endswith("…")
    for shift in range(1160, 1201):
        text = ("https://" + "u" * (shift - 9)) + " sk-0123456789abcdefghij0123456789"
        assert "sk-" not in clean_words(text)


def test_a_secret_repeated_beyond_what_is_read_leaves_no_piece() -> None:
    for shift in range(20):
        assert "Secret" not in clean_words("x" * shift + "mySecretWord" * 2000, ["mySecretWord"])


@given(st.text(max_size=500))
def test_any_text_is_one_short_line(text: str) -> None:
    clean = clean_words(text, ["secret-word"])
    assert len(clean) <= LONGEST and "\n" not in clean
    clean.encode()


@pytest.mark.parametrize("hostile", ["a.", "a-", "a:", "1.", "1:", "sk-", "Bearer ", "eyJ", "http://", "[", "a", "::"])
def test_hostile_texts_cost_little(hostile: str) -> None:
    started = time.process_time()
    clean_words(hostile * 100_000, [hostile * 5])
    assert time.process_time() - started < 0.2
