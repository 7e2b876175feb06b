"""The data of logins and providers, pointed at the fake vendors: files in a folder of the test's own."""

from __future__ import annotations

import re
from pathlib import Path

from providers.logins import flow

ADDRESS = re.compile(r'^((?:\w+_)?url = ")https://', re.MULTILINE)
ENDED = re.compile(r"^ended = .*\n", re.MULTILINE)
LISTS = re.compile(r"^elsewhere = \[.*\]$", re.MULTILINE)


def flows_at(folder: Path, url: str, *, codex_port: int = 1455, revived: bool = False) -> Path:
    """Every login's file, its addresses at ``url``. ``revived``: those that their vendors ended as well."""
    folder.mkdir()
    for path in flow.FOLDER.glob("*.toml"):
        text = ADDRESS.sub(rf"\g<1>{url}/", path.read_text(encoding="utf-8"))
        text = ENDED.sub("", text) if revived else text
        (folder / path.name).write_text(text.replace("localhost:1455", f"localhost:{codex_port}"), encoding="utf-8")
    return folder


def catalogue_at(folder: Path, url: str) -> Path:
    """A catalogue of one provider per login, each of the OpenAI format, served at ``url``; Claude speaks its own."""
    folder.mkdir()
    for path in flow.FOLDER.glob("*.toml"):
        auth = "x_api_key" if path.stem == "kimi-coding" else "oauth"
        format = "anthropic" if path.stem == "claude" else "openai_chat"
        (folder / path.name).write_text(
            f'name = "{path.stem.title()}"\nalias = "{path.stem}"\nformat = "{format}"\nauth = "{auth}"\n'
            f'login = "{path.stem}"\ntier = "subscription"\nallow_private_network = true\n'
            f'base_url = "{url}/upstream/v1"\nterms_risk = "The vendor restricts use outside its own programs."\n'
            '[[models]]\nid = "large"\n',
            encoding="utf-8",
        )
    return folder


def entries_at(folder: Path, url: str) -> Path:
    """The catalogue's own files of the providers with a login, their addresses at ``url``, ended ones revived."""
    from providers import catalogue  # its rows want Django set up

    folder.mkdir()
    for path in flow.FOLDER.glob("*.toml"):
        text = (catalogue.FOLDER / path.name).read_text(encoding="utf-8")
        text = ADDRESS.sub(rf"\g<1>{url}/", text)
        text = LISTS.sub(lambda line: line[0].replace("https://", f"{url}/"), text)
        if ENDED.search(text):
            text = ENDED.sub("any_model = true\n", text)
        text = text.replace("\nname = ", "\nallow_private_network = true\nname = ", 1)
        (folder / path.name).write_text(text, encoding="utf-8")
    return folder


def use(flows: Path, entries: Path) -> None:
    """For a process of its own, once Django is set up: read these folders instead."""
    from providers import catalogue

    flow.FOLDER, catalogue.FOLDER = flows, entries
    flow.flows.cache_clear()
    catalogue.entries.cache_clear()
