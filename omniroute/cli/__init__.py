"""The ``omniroute`` command. One module per sub-command with ``configure(parser)`` and ``run(arguments) -> int``.

A module is imported when its command is chosen, so that ``--help`` and a wrong option answer at once.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

from omniroute import __version__


class Command(NamedTuple):
    """``installed``: works on the database, so the installation is made ready (silently) before it runs."""

    name: str
    module: str
    help: str
    installed: bool = True


COMMANDS = (
    Command("serve", "omniroute.cli.serve", "run the gateway and its dashboard (the default)", installed=False),
    Command("apply", "omniroute.cli.apply", "make the database match a declarative file"),
    Command("export", "omniroute.cli.export", "print the database as a declarative file"),
    Command("keys", "omniroute.cli.keys", "create client keys"),
    Command("secrets", "omniroute.cli.secrets", "seal stored secrets under another key"),
    Command("doctor", "omniroute.cli.doctor", "check the installation", installed=False),
)
OWN_OPTIONS = ("-h", "--help", "--version")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0 done, 1 refused with a sentence on stderr, 2 wrong usage."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or (words[0].startswith("-") and words[0] not in OWN_OPTIONS):
        words.insert(0, "serve")
    arguments = _parser(words[0]).parse_args(words)
    try:
        if arguments.installed:
            _make_ready()
        return int(importlib.import_module(arguments.module).run(arguments))
    except KeyboardInterrupt:
        return 130
    except Exception as wrong:
        if not _is_for_the_operator(wrong):
            raise
        print(f"omniroute: {wrong}", file=sys.stderr)
        return 1


def _parser(chosen: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="omniroute", description="A self-hosted AI gateway for teams.")
    parser.add_argument("--version", action="version", version=f"omniroute {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        own = commands.add_parser(command.name, help=command.help, description=command.help)
        own.set_defaults(module=command.module, installed=command.installed)
        if command.name == chosen:
            importlib.import_module(command.module).configure(own)
    return parser


def _make_ready() -> None:
    from omniroute import bootstrap

    bootstrap.set_up()
    bootstrap.prepare()


def _is_for_the_operator(wrong: Exception) -> bool:
    """Errors whose message is a sentence about the operator's own files and settings."""
    from omniroute.environment import BadEnvironment
    from omniroute.keyfiles import KeyFileError
    from omniroute.refusal import Refusal
    from providers.vault import BadKey

    return isinstance(wrong, BadEnvironment | KeyFileError | Refusal | BadKey)
