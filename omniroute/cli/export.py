"""``omniroute export``: the installation as a declarative file, on standard output."""

from __future__ import annotations

import argparse
import sys


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Print what `omniroute apply` would need to make this configuration again. Secrets are left out by name "
        "(${NAME}, listed at the top) unless --with-secrets is given; client keys are kept as hashes only."
    )
    parser.add_argument("--with-secrets", action="store_true", help="print provider keys and proxies in plain text")


def run(arguments: argparse.Namespace) -> int:
    """0, or 1 when a secret cannot be decrypted."""
    from omniroute.declarative.export import export
    from providers.vault import SecretUnreadable

    try:
        text = export(with_secrets=arguments.with_secrets)
    except SecretUnreadable as wrong:
        way_out = "Enter it again, give the right ENCRYPTION_KEYS, or export without --with-secrets."
        print(f"{wrong} {way_out}", file=sys.stderr)
        return 1
    sys.stdout.write(text)
    return 0
