"""Django's system checks of ours, and the pauses between restarts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from omniroute import checks
from omniroute.supervisor import LONGEST_PAUSE, Job


def test_the_tree_passes() -> None:
    assert [message for message in run_checks() if message.id and message.id.startswith("omniroute.")] == []


def test_a_broken_catalogue_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from providers import catalogue

    (tmp_path / "acme.toml").write_text("no_such_word = 1\n")
    monkeypatch.setattr(catalogue, "entries", lambda: catalogue.load(tmp_path))
    (error,) = checks.catalogue(None)
    assert error.id == "omniroute.E001"
    assert "acme.toml" in error.msg


def test_a_short_key_is_an_error_that_does_not_show_it(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = ("hunter2",)
    (error,) = checks.encryption_keys(None)
    assert error.id == "omniroute.E002"
    assert "hunter2" not in error.msg


def test_a_translation_of_no_language_is_an_error(settings: Any, tmp_path: Path) -> None:
    for name in ("ar", "pt_BR", "xx"):
        (tmp_path / name).mkdir()
    settings.LOCALE_PATHS = [tmp_path]
    assert [error.msg.split()[0] for error in checks.locales(None)] == ["locale/xx"]


@pytest.mark.parametrize(("url", "count"), [("https://gw.example.com", 0), ("http://gw.example.com", 1), (None, 1)])
def test_a_deployment_has_an_https_address(settings: Any, url: str | None, count: int) -> None:
    settings.PUBLIC_URL = url
    assert len(checks.public_url(None)) == count


def test_pauses_grow_and_are_forgotten() -> None:
    job = Job("web", lambda ready: 0, grace=1)
    pauses = []
    for moment in (0.0, 1.0, 2.0, 3.0):
        job.crashes.append(moment)
        pauses.append(round(job.pause(moment), 3))
    assert pauses == [0.0, 0.2, 0.4, 0.8]
    assert max(pauses) <= LONGEST_PAUSE
    job.crashes.append(1000.0)
    assert job.pause(1000.0) == 0.0
