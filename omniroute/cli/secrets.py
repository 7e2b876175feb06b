"""``omniroute secrets rotate``: everything sealed under the first encryption key, while the server runs."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from omniroute.environment import Environment, current
from omniroute.refusal import Refusal

if TYPE_CHECKING:
    from providers.rotation import Rotation
    from providers.vault import KeyRing


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    rotate = actions.add_parser(
        "rotate",
        help="seal every stored secret under the first encryption key",
        description=(
            "Seal every stored secret under the first of the encryption keys. It may be ended at any moment and run "
            "again; the server goes on meanwhile."
        ),
    )
    rotate.add_argument("--dry-run", action="store_true", help="open and count everything, change nothing")
    rotate.add_argument(
        "--new-key", action="store_true", help="put a fresh key in front of those in the data directory's file first"
    )
    rotate.add_argument(
        "--only-machine",
        action="store_true",
        help="with --new-key on a database server: no other machine uses this database",
    )


def run(arguments: argparse.Namespace) -> int:
    """0 when nothing is left under an older key. Raises Refusal, KeyFileError."""
    from providers.keyring import ring

    if arguments.new_key:
        _new_key(current(), ring(), dry_run=arguments.dry_run, only_machine=arguments.only_machine)
    keys = ring()
    return _rotate(keys, dry_run=arguments.dry_run)


# -- another key ------------------------------------------------------------------------------------------------------
def _new_key(environment: Environment, keys: KeyRing, *, dry_run: bool, only_machine: bool) -> None:
    """Refuses where it is unsafe; else the file has a new first key, which running processes read by themselves."""
    from omniroute import keyfiles
    from providers import rotation

    if environment.encryption_keys:
        raise Refusal(
            "The keys are given by ENCRYPTION_KEYS: put the new one first there, keep the old one after it, restart "
            "every server, then run `omniroute secrets rotate`."
        )
    if environment.database_url and not environment.database_url.startswith("sqlite") and not only_machine:
        raise Refusal(
            "Other machines may share this database, and would not know the new key. Add --only-machine when there is "
            "none; else give every machine both keys (ENCRYPTION_KEYS=new,old), restart them, then rotate."
        )
    if process := _server(environment, keys.primary):
        raise Refusal(f"The running omniroute (process {process}) has its keys from elsewhere; stop it first.")
    if rotation.survey(keys).old:
        raise Refusal("An earlier rotation is not finished; run `omniroute secrets rotate` without --new-key first.")
    if dry_run:
        print("A new key would be put in front; everything would be sealed under it.")
        return
    copy = keyfiles.add_key(environment)
    print(f"Made a new key. The file as it was: {copy} (keep it for older backups, or delete it).")


def _server(environment: Environment, key_id: str) -> str | None:
    from omniroute import bootstrap

    return bootstrap.server_without_key(environment.data_dir, key_id)


# -- sealing ----------------------------------------------------------------------------------------------------------
def _rotate(keys: KeyRing, *, dry_run: bool) -> int:
    from providers import rotation

    if not dry_run and (process := _server(current(), keys.primary)):
        raise Refusal(
            f"The running omniroute (process {process}) does not know the first key {keys.primary} and could not read "
            "what it seals; restart it first."
        )
    done = rotation.rotate(keys, dry_run=dry_run, tell=_progress)
    for sentence in done.unreadable:
        print(f"Cannot be opened: {sentence}", file=sys.stderr)
    print(_summary(done, keys, dry_run=dry_run))
    return 1 if done.unreadable or done.missed else 0


def _progress(place: str, done: int) -> None:
    print(f"{place}: {done}", flush=True)


def _summary(done: Rotation, keys: KeyRing, *, dry_run: bool) -> str:
    if dry_run:
        said = f"{done.resealed} secrets would be sealed under the key {keys.primary}; nothing was changed."
    elif done.missed:
        said = f"{done.resealed} secrets are sealed anew; {done.missed} were saved meanwhile: run this again."
    elif done.resealed:
        said = f"{done.resealed} secrets are sealed anew; every one that can be opened is under the key {keys.primary}."
        said += " The older keys are needed for older backups only." if len(keys.ids) > 1 else ""
    else:
        said = f"There is nothing to do: every secret that can be opened is under the key {keys.primary} already."
    if done.unreadable:
        said += f" {len(done.unreadable)} cannot be opened with these keys; enter them again."
    return said
