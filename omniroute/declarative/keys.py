"""The section ``api_keys``: client keys, by the hash of a given key, else by name, user and team."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.exceptions import ValidationError

from accounts.models import Team, User, digest
from omniroute.declarative.changes import Work, assign
from omniroute.declarative.readers import Item
from routing import keys
from routing.models import ApiKey

Identity = tuple[str, int | None, int | None]


def apply_api_keys(items: Sequence[Item], work: Work) -> None:
    """Make the named keys. One whose ``key`` changed in the file is changed in place: the old key stops."""
    rows = list(ApiKey.objects.order_by("-pk"))
    by_hash = {row.key_hash: row for row in rows}
    by_name = {_identity(row): row for row in rows}
    given = {digest(item["key"]) for item in items if item.get("key")}
    kept: set[Identity] = set()
    found: set[int] = set()
    for item in items:
        people = _people(item, work)
        if people is None:
            continue
        identity = (item["name"], people[0].pk if people[0] else None, people[1].pk if people[1] else None)
        row = by_hash.get(digest(item["key"])) if item.get("key") else None
        if row is None:
            row = by_name.get(identity)
            row = None if row is not None and row.key_hash in given else row  # another item's own
        kept.add(identity)
        found.add(_store(row, item, people, work))
    if work.prune:
        for row in rows:
            if row.pk not in found and _identity(row) not in kept:
                work.removed("api key", row.name)
                row.delete()


def _identity(row: ApiKey) -> Identity:
    return row.name, row.owner_id, row.team_id


def _people(item: Item, work: Work) -> tuple[User | None, Team | None] | None:
    """The user and the team of a key; None when one of them is unknown, which is noted."""
    user = User.objects.filter(email__iexact=item["user"]).first() if item.get("user") else None
    team = Team.objects.filter(name=item["team"]).first() if item.get("team") else None
    if item.get("user") and user is None:
        work.refuse(item, "user", f"there is no user {item['user']!r}.")
    if item.get("team") and team is None:
        work.refuse(item, "team", f"there is no team {item['team']!r}.")
    return None if (item.get("user") and user is None) or (item.get("team") and team is None) else (user, team)


def check_providers(kept: Sequence[str], item: Item, work: Work) -> None:
    """Note a provider that is none; ``kept``: those that the row names already."""
    try:
        keys.check_providers(item.get("providers", ()), kept)
    except ValidationError as wrong:
        work.refuse(item, "providers", " ".join(wrong.messages))


def _store(row: ApiKey | None, item: Item, people: tuple[User | None, Team | None], work: Work) -> int:
    check_providers(row.providers if row else (), item, work)
    patterns = keys.checked_patterns(item.get("models", ["*"]))
    enabled, expires_at = item.get("enabled", True), item.get("expires_at")
    access = {"combo_patterns": item.get("combos")}
    access |= {name: item.get(name, []) for name in ("providers", "endpoints")}
    if row is None:
        try:
            row, text = keys.create(
                name=item["name"], owner=people[0], team=people[1], patterns=patterns,
                expires_at=expires_at, key=item.get("key"),
            )  # fmt: skip
        except ValidationError as wrong:
            work.refuse(item, None, " ".join(wrong.messages))
            return 0
        if assign(row, {"enabled": enabled, **access}):
            row.save()
        if not item.get("key"):
            work.generated.append((row.name, text))
        work.added("api key", row.name)
        return row.pk
    wanted = {"name": item["name"], "owner": people[0], "team": people[1], "enabled": enabled}
    details = assign(row, wanted | access | {"model_patterns": patterns, "expires_at": expires_at})
    if item.get("key") and row.key_hash != digest(item["key"]):
        row.key_hash, row.last4 = digest(item["key"]), item["key"][-4:]
        details.append("key changed")
    if details:
        row.save()
    said = [text.replace("model_patterns", "models", 1).replace("combo_patterns", "combos", 1) for text in details]
    work.changed("api key", row.name, said)
    return row.pk
