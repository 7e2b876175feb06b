"""Coding tools of the npm registry, run headless against the gateway with a vendor of another format behind it.

Optional: ``OMNIROUTE_CLIENTS_BIN`` names the folder with their programs (``node_modules/.bin`` after
``npm install @anthropic-ai/claude-code @openai/codex @google/gemini-cli opencode-ai``). Without it the tests are
skipped, under CI too.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import simulator as sim

VARIABLE = "OMNIROUTE_CLIENTS_BIN"
KEY = "sk-omni-for-the-tests-of-tools-00000000000001"
SECRET = "upstream-credential-5512"
PATIENCE = 100.0  # seconds for one task; a tool that retries for minutes has failed
TEXT = "Grüße, \"quoted\" 'twice' \\ and 🐌\n"  # what is written
DONE = "The file is written, as you asked."  # the model's last word
# The upstream of a format is a provider of this name, with this model: the vendor's newest generation, with its rules.
UPSTREAMS = {
    "openai_chat": ("by-chat", "sim-chat"),
    "openai_responses": ("by-responses", "gpt-sim"),
    "anthropic": ("by-messages", "claude-modern-5"),
    "gemini": ("by-gemini", "gemini-3-sim"),
}
Arguments = Callable[[Path], dict[str, Any] | str]  # the file → what to call with; a tool of free text takes a text


@dataclass
class Model:
    """What the vendor says: a call of one of ``tools`` to the first request that offers it, then the last word.

    Requests that offer nothing of the kind (titles, summaries) get a few words. ``calls`` and ``answers`` are the
    requests that were answered so. ``thinks``: it shows thoughts to whoever asks for them.
    """

    tools: Mapping[str, Arguments]
    file: Path
    thinks: bool = True
    calls: list[sim.Received] = field(default_factory=list)
    answers: list[sim.Received] = field(default_factory=list)

    def __call__(self, ask: sim.Ask) -> sim.Act:
        offered = names(ask.received.json.get("tools")) if ask.received.method == "POST" else set()
        wanted = next((name for name in self.tools if name in offered), None)
        if wanted is None:
            return sim.chat("A short title")
        if self.calls:
            self.answers.append(ask.received)
            return sim.chat(DONE)
        self.calls.append(ask.received)
        call = self._call(wanted, free_text=ask.received.path.endswith("/responses"))
        return sim.chat("I shall write it.", tool_calls=[call], reasoning=None if self.thinks else "")

    def _call(self, name: str, *, free_text: bool) -> sim.ToolCall:
        """``free_text``: the format has tools of free text; elsewhere they come with one argument."""
        given = self.tools[name](self.file)
        if isinstance(given, dict):
            return sim.ToolCall(name, given)
        return sim.ToolCall(name, given, custom=True) if free_text else sim.ToolCall(name, {"input": given})


def names(tools: Any) -> set[str]:
    """The names of the tools on offer, in any format's words."""
    if isinstance(tools, list):
        return set().union(*map(names, tools))
    if not isinstance(tools, dict):
        return set()
    inner = set().union(*(names(tools.get(key)) for key in ("function", "functionDeclarations", "tools")))
    return inner | ({tools["name"]} if isinstance(tools.get("name"), str) else set())


@dataclass
class Desk:
    """One gateway, one vendor and a home without anything in it. ``model`` is the name to ask the gateway for."""

    gateway: Any
    bin: Path
    home: Path
    work: Path
    model: str = ""

    @property
    def file(self) -> Path:
        return self.work / "note.txt"

    def program(self, name: str) -> str:
        path = self.bin / name
        if not path.exists():
            pytest.skip(f"{VARIABLE} has no {name}")
        return str(path)

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """A tool to its end: nothing of this machine's own settings, and no way out but to loopback addresses."""
        nowhere = f"http://127.0.0.1:{sim.closed_port()}"
        surroundings = {
            **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
            **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), nowhere),
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "CI": "1",
            "NO_COLOR": "1",
        }
        return to_its_end(command, {**surroundings, **variables}, self.work)


def to_its_end(command: Sequence[str], env: Mapping[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """What the program said. Raises TimeoutExpired after ending it with all that it started."""
    process = subprocess.Popen(
        command,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@pytest.fixture(scope="session")
def programs() -> Path:
    folder = os.environ.get(VARIABLE)
    if not folder:
        pytest.skip(f"{VARIABLE} does not name a folder with the tools' programs")
    return Path(folder)


@pytest.fixture
def desk(programs: Path, gateway: Any, make_key: Any, tmp_path: Path) -> Desk:
    from routing.models import GatewaySettings

    GatewaySettings(connection_cooldown=False, circuit_breaker=False).save()
    make_key(key=KEY)
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    subprocess.run(["git", "init", "-q", str(work)], check=True)  # tools ask for a repository, or warn without one
    return Desk(gateway, programs, home, work)


@pytest.fixture
def vendor(desk: Desk, make_provider: Any) -> Iterator[Callable[[str, Model], sim.SimulatorThread]]:
    """vendor("anthropic", model) → the strict vendor that speaks it, configured as ``desk.model``."""
    running: list[sim.SimulatorThread] = []

    def start(format: str, model: Model) -> sim.SimulatorThread:
        simulator = sim.SimulatorThread(format=format, keys={SECRET}, default=model)
        simulator.__enter__()
        running.append(simulator)
        provider, name = UPSTREAMS[format]
        make_provider(provider, simulator.url, format=format, models=(name,), keys=(SECRET,))
        desk.gateway.settle()
        desk.model = f"{provider}/{name}"
        return simulator

    yield start
    for simulator in running:
        simulator.__exit__(None, None, None)
