"""``omniroute keys create``: a client key from the command line."""

from __future__ import annotations

import argparse

from omniroute.refusal import Refusal


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a client key and print it, once")
    create.add_argument("--name", required=True, help="what the key is called in the dashboard")
    create.add_argument(
        "--models",
        nargs="+",
        default=["*"],
        metavar="PATTERN",
        help="models it may use: *, openai/*, openai/gpt-4o",
    )
    create.add_argument("--user", metavar="EMAIL", help="the person the key belongs to")


def run(arguments: argparse.Namespace) -> int:
    """Print the key and nothing else. Raises Refusal."""
    print(create(arguments.name, arguments.models, arguments.user))
    return 0


def create(name: str, patterns: list[str], email: str | None) -> str:
    """The plain text of a new key. Raises Refusal for an unknown person, a bad name or pattern."""
    from django.core.exceptions import ValidationError

    from accounts.models import User
    from routing import keys

    owner = User.objects.filter(email__iexact=email.strip()).first() if email else None
    if email and owner is None:
        raise Refusal(f"There is no user {email}.")
    try:
        return keys.create(name=name, owner=owner, patterns=patterns)[1]
    except ValidationError as wrong:
        raise Refusal(" ".join(wrong.messages)) from None
