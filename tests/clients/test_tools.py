"""Coding tools do a task of two turns with a tool that writes a file, each over upstreams of other formats."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import simulator as sim
from tests.clients.conftest import DONE, KEY, PATIENCE, TEXT, UPSTREAMS, Arguments, Desk, Model

pytestmark = [pytest.mark.clients, pytest.mark.timeout(PATIENCE + 60)]

TASK = "Write the note into note.txt, then say that it is done."
Vendor = Callable[[str, Model], sim.SimulatorThread]


# -- how each tool is started ------------------------------------------------------------------------------------------
def claude(desk: Desk) -> subprocess.CompletedProcess[str]:
    (desk.home / ".claude.json").write_text(json.dumps({"hasCompletedOnboarding": True}))
    return desk.run(
        *(desk.program("claude"), "-p", TASK, "--model", desk.model, "--allowedTools", "Write"),
        ANTHROPIC_BASE_URL=desk.gateway.root,
        ANTHROPIC_API_KEY=KEY,
        ANTHROPIC_DEFAULT_HAIKU_MODEL=desk.model,
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
        DISABLE_AUTOUPDATER="1",
    )


CODEX = """
model = "{model}"
model_provider = "omniroute"
model_reasoning_effort = "high"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.omniroute]
name = "OmniRoute"
base_url = "{url}"
wire_api = "responses"
env_key = "OMNIROUTE_API_KEY"
"""


def codex(desk: Desk) -> subprocess.CompletedProcess[str]:
    folder = desk.home / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text(CODEX.format(model=desk.model, url=desk.gateway.url))
    return desk.run(
        *(desk.program("codex"), "exec", "--skip-git-repo-check", "--sandbox", "danger-full-access", TASK),
        OMNIROUTE_API_KEY=KEY,
    )


def gemini(desk: Desk) -> subprocess.CompletedProcess[str]:
    folder = desk.home / ".gemini"
    folder.mkdir()
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": False}},
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    return desk.run(
        *(desk.program("gemini"), "-m", desk.model, "-p", TASK, "--yolo"),
        GOOGLE_GEMINI_BASE_URL=desk.gateway.root,
        GEMINI_API_KEY=KEY,
    )


def opencode(desk: Desk) -> subprocess.CompletedProcess[str]:
    configuration = {
        "autoupdate": False,
        "share": "disabled",
        "permission": {"*": "allow"},
        "small_model": f"gw/{desk.model}",
        "provider": {
            "gw": {
                "npm": "@ai-sdk/openai-compatible",
                "name": "OmniRoute",
                "options": {"baseURL": desk.gateway.url, "apiKey": KEY},
                "models": {
                    desk.model: {
                        "name": "Simulated",
                        "reasoning": True,
                        "options": {"reasoningEffort": "high"},
                        "limit": {"context": 200_000, "output": 8_000},
                    }
                },
            }
        },
    }
    return desk.run(
        *(desk.program("opencode"), "run", "-m", f"gw/{desk.model}", TASK),
        OPENCODE_CONFIG_CONTENT=json.dumps(configuration),
        OPENCODE_DISABLE_AUTOUPDATE="1",
        OPENCODE_DISABLE_MODELS_FETCH="1",
        OPENCODE_DISABLE_LSP_DOWNLOAD="1",
        OPENCODE_DISABLE_DEFAULT_PLUGINS="1",
    )


@dataclass(frozen=True)
class Tool:
    """A coding tool: the format it speaks, how it is run, and its own tools that write a file."""

    format: str
    run: Callable[[Desk], subprocess.CompletedProcess[str]]
    writes: Mapping[str, Arguments]


def shell(file: Path) -> dict[str, Any]:
    return {"cmd": f"printf %s {shlex.quote(TEXT)} > {shlex.quote(str(file))}"}


def patch(file: Path) -> str:
    return f"*** Begin Patch\n*** Add File: {file.name}\n+{TEXT}*** End Patch"


TOOLS = {
    "claude": Tool("anthropic", claude, {"Write": lambda file: {"file_path": str(file), "content": TEXT}}),
    "codex": Tool("openai_responses", codex, {"exec_command": shell}),
    "gemini": Tool("gemini", gemini, {"write_file": lambda file: {"file_path": str(file), "content": TEXT}}),
    "opencode": Tool(
        "openai_chat",
        opencode,
        {  # which of them is offered, the model's name decides
            "write": lambda file: {"filePath": str(file), "content": TEXT},
            "apply_patch": lambda file: {"patchText": patch(file)},
        },
    ),
}


# Where signed or encrypted thoughts go back to the vendor.
SEALS = {"anthropic": '"signature"', "openai_responses": '"encrypted_content"', "gemini": '"thoughtSignature"'}
# Gemini CLI wants to see thoughts, but does not ask for thinking by level or budget when it does not know the model.
UNASKED = {("gemini", "anthropic")}


# -- the task ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("name", TOOLS)
def test_a_file_is_written_in_two_turns(desk: Desk, vendor: Vendor, name: str, upstream: str) -> None:
    tool = TOOLS[name]
    # OpenAI's own chats never show thoughts, and refuse them in messages: a client that speaks it would send them back.
    model = Model(tool.writes, desk.file, thinks=not tool.format == upstream == "openai_chat")
    provider = vendor(upstream, model)
    done(desk, tool, model, provider, upstream)
    if upstream in SEALS and (name, upstream) not in UNASKED:
        assert SEALS[upstream] in json.dumps(model.answers[0].json)  # the vendor has refused all that are not its own


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_a_tool_of_free_text_writes_it(desk: Desk, vendor: Vendor, upstream: str) -> None:
    """Codex offers its freeform ``apply_patch`` to models that it knows."""
    from routing.models import Alias

    tool = TOOLS["codex"]
    model = Model({"apply_patch": patch}, desk.file)
    provider = vendor(upstream, model)
    Alias.objects.create(pattern="gpt-5.5", target=desk.model)
    desk.gateway.settle()
    desk.model = "gpt-5.5"
    done(desk, tool, model, provider, upstream)


def done(desk: Desk, tool: Tool, model: Model, provider: sim.SimulatorThread, upstream: str) -> None:
    """The tool does its task; everything it asked of the gateway has gone well and reached the vendor."""
    ended = tool.run(desk)
    told = f"exit {ended.returncode}\n{ended.stdout[-4000:]}\n{ended.stderr[-4000:]}"
    assert ended.returncode == 0, told
    assert DONE in ended.stdout, told
    assert desk.file.read_text() == TEXT
    assert (len(model.calls), len(model.answers)) == (1, 1), told
    rows = desk.gateway.records(provider.count)
    assert {(row.client_format, row.upstream_format, row.result) for row in rows} == {(tool.format, upstream, "ok")}
