"""``omniroute apply``: make the database match a declarative file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

DESCRIPTION = """\
Make the database match FILE: all of it or, when anything is wrong, nothing. Prints what changes:
  + made   ~ changed   - deleted   = nothing to do
${NAME} in the file is taken from the environment ($${ is a plain ${). Of a catalogue provider and of the settings only
the given fields change; a credential the file does not give stays as it is, null removes it."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.formatter_class = DESCRIPTION, argparse.RawDescriptionHelpFormatter
    parser.add_argument("file", metavar="FILE", help="the file; - reads standard input")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and change nothing")
    parser.add_argument(
        "--prune",
        action="store_true",
        help="also delete what the file does not name: custom providers (with their connections), connections, combos, "
        "aliases and client keys, each kind only when its section is present in the file ([] deletes all of it)",
    )


def run(arguments: argparse.Namespace) -> int:
    """0 when the file was applied (or would be), 1 with every problem and its line otherwise."""
    from django.db import DatabaseError

    from omniroute.declarative.apply import apply
    from omniroute.declarative.document import BadDocument

    try:
        text = _text(arguments.file)
        applied = apply(text, prune=arguments.prune, dry_run=arguments.dry_run)
    except BadDocument as bad:
        for problem in bad.problems:
            print(f"{arguments.file}: {problem}", file=sys.stderr)
        print("Nothing was changed.", file=sys.stderr)
        return 1
    except (OSError, UnicodeDecodeError) as wrong:
        reason = "it is not UTF-8 text" if isinstance(wrong, UnicodeDecodeError) else wrong.strerror
        print(f"{arguments.file} cannot be read: {reason}.", file=sys.stderr)
        return 1
    except DatabaseError as wrong:
        print(f"The database did not take the changes: {wrong}. Nothing was changed.", file=sys.stderr)
        return 1
    for change in applied.changes:
        print(change)
    if not applied.changes:
        print("= nothing to do")
    elif arguments.dry_run:
        print("Dry run: nothing was changed.")
    for name, key in applied.generated:
        print(f"The key of {name}, shown this once: {key}")
    return 0


def _text(name: str) -> str:
    """The file's text, whichever byte order mark it begins with. Raises OSError, UnicodeDecodeError."""
    raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    return raw.decode("utf-8-sig")
