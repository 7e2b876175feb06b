"""What ``omniroute serve`` listens on, and when it opens a browser."""

from __future__ import annotations

import argparse
import socket
import sys
from typing import Any

import pytest

from omniroute.cli import main, serve
from omniroute.refusal import Refusal


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would have been started, on a terminal with a display."""
    commands: list[list[str]] = []
    monkeypatch.setattr(serve, "_detached", commands.append)
    monkeypatch.setattr(serve, "_has_terminal", lambda: True)
    monkeypatch.setenv("DISPLAY", ":0")
    return commands


def announce(no_open: bool = False) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        doors = serve.Doors((door,), "127.0.0.1", 20128, 20128)
        serve._announcer(argparse.Namespace(no_open=no_open), doors, "http://127.0.0.1:20128/link")()


def test_a_person_at_a_desktop_gets_the_page(opened: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    announce()
    assert [command[1:] for command in opened] == [["-m", "webbrowser", "http://127.0.0.1:20128/link"]]
    assert capsys.readouterr().out == "OmniRoute is running on http://127.0.0.1:20128\n"


@pytest.mark.parametrize("reason", ["flag", "no terminal", "no display"])
def test_nobody_else_does(opened: list[list[str]], monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    if reason == "no terminal":
        monkeypatch.setattr(serve, "_has_terminal", lambda: False)
    if reason == "no display":
        monkeypatch.setattr(sys, "platform", "linux")
        for name in ("DISPLAY", "WAYLAND_DISPLAY"):
            monkeypatch.delenv(name, raising=False)
    announce(no_open=reason == "flag")
    assert opened == []


@pytest.mark.parametrize(
    ("ports", "count"), [((0, None, None), 1), ((0, 0, None), 2), ((0, None, 0), 2), ((0, 0, 0), 2)]
)
def test_a_socket_for_each_port(ports: tuple[Any, ...], count: int) -> None:
    doors = serve.open_doors("127.0.0.1", *ports)
    assert len(doors.sockets) == count
    assert (doors.api == doors.dashboard) == (count == 1)
    doors.close()


def test_two_sides_cannot_share_a_named_port() -> None:
    with pytest.raises(Refusal, match="must differ"):
        serve.open_doors("127.0.0.1", 20128, api_port=4000, dashboard_port=4000)


@pytest.mark.parametrize(
    ("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("localhost", "localhost")]
)
def test_the_address_shown_can_be_opened(host: str, shown: str) -> None:
    doors = serve.open_doors(host, 0)
    assert doors.dashboard_url == f"http://{shown}:{doors.dashboard}"
    doors.close()


@pytest.mark.parametrize(
    ("host", "public_url", "told"),
    [
        ("0.0.0.0", None, True),
        ("::", None, True),
        ("0.0.0.0", "https://gateway.example", False),
        ("127.0.0.1", None, False),
        ("192.0.2.7", None, False),  # a name that the dashboard takes
    ],
)
def test_who_listens_everywhere_is_told_to_say_the_name(host: str, public_url: str | None, told: bool) -> None:
    assert ("PUBLIC_URL" in serve.names_hint(host, public_url)) is told


def test_a_name_that_is_no_address_is_refused() -> None:
    with pytest.raises(Refusal, match="Cannot listen on"):
        serve.open_doors("256.256.256.256", 0)


@pytest.mark.parametrize("words", [["--port", "70000"], ["--workers", "0"], ["keys"], ["dance"]])
def test_wrong_usage_exits_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(words)
    assert leaving.value.code == 2
    assert "usage: omniroute" in capsys.readouterr().err
