"""A model name, as a client wrote it → what it stands for, as far as the client may use it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from providers.wire.errors import Refusal
from routing.names import Ambiguous, Branch, Leaf, Node, Unknown, Unusable, find
from routing.patterns import matches
from routing.snapshot import EVERYTHING, Access, Caller, Snapshot

LONGEST_NAME = 260
MOST_RESOLVED = 10_000  # names that are remembered


def resolve(snapshot: Snapshot, name: str, caller: Caller) -> Node:
    """What a name stands for, when the caller may use it.

    Raises Refusal: 400 ambiguous, 403 not allowed,
    404 unknown, 503 known but without a usable connection; 403 also when every connection is another team's. Who may
    not use a name is told the same whether or not it stands for something.
    """
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or "../" in name:
        raise Refusal(400, "That is not a model name.", code="invalid_value", param="model")
    seen = snapshot.seen_by(caller)
    try:
        usable = allowed(caller, name, find(seen, name))
    except Ambiguous as several:
        if any(allowed(caller, name, leaf) for leaf in several.leaves):
            known = several.name if _free(seen, caller, several.name) else name
            raise _seen_by(caller, several, known) from None
        usable = None
    except Unusable as why:
        if all(_named(access, name, why.node) for access in (caller.access, caller.team_access)):
            raise
        usable = None
    except Unknown as unknown:
        if _free(seen, caller, name):
            raise unknown if _free(seen, caller, unknown.name) else Unknown(name) from None
        usable = None
    if usable is None:
        raise Refusal(
            403,
            f"There is no model '{name}' that this key may use.",
            type="permission_error",
            code="model_not_allowed",
            param="model",
        )
    return usable


def _seen_by(caller: Caller, several: Ambiguous, name: str) -> Ambiguous:
    """The same of this name, with the spellings only that the caller may ask for."""
    spelled = [(f"{leaf.provider.entry.alias}/{leaf.model}", leaf) for leaf in several.leaves]
    return Ambiguous(name, [leaf for spelling, leaf in spelled if allowed(caller, spelling, leaf)])


def _free(snapshot: Snapshot, caller: Caller, name: str) -> bool:
    """Whether the caller might ask for a name whatever it stood for: a model of any provider, a combo or an alias."""
    return all(_free_in(snapshot, access, name) for access in (caller.access, caller.team_access))


def _free_in(snapshot: Snapshot, access: Access, name: str) -> bool:
    if access.providers:
        return False
    prefix, slash, _ = name.partition("/")
    if slash and prefix not in snapshot.prefixes and "*" not in access.models:
        return False  # a bare id with a slash in it is held against by its full spellings, see _leaf_allowed
    tables = [access.models] if access.combos is None else [access.models, access.combos]
    return all(any(matches(pattern, name) for pattern in patterns) for patterns in tables)


def resolve_once(snapshot: Snapshot, name: str, caller: Caller) -> Node:
    """As :func:`resolve`, for one of the snapshot's own callers: remembered as long as this version is in force."""
    key = (caller.key_id, name)
    node: Node | None = snapshot.resolved.get(key)
    if node is None:
        node = resolve(snapshot, name, caller)
        if len(snapshot.resolved) >= MOST_RESOLVED:  # clients may make names up that a pattern takes
            snapshot.resolved.clear()
        snapshot.resolved[key] = node
    return node


def allowed(caller: Caller, asked: str, node: Node) -> Node | None:
    """What of node the caller may use; None when nothing.

    A combo grants its steps, unless it is set not to: then everything that it leads to, combos within it included, is
    held against what the caller may use by itself, and what is left of the combo is returned. A combo around it grants
    no more than it does.
    """
    for access in (caller.access, caller.team_access):
        if access is not EVERYTHING:
            narrowed = _inside(access, node) if _named(access, asked, node) else None
            if narrowed is None:
                return None
            node = narrowed
    return node


def _named(access: Access, asked: str, node: Node) -> bool:
    """Whether a model or a combo may be asked for by this name."""
    if isinstance(node, Leaf):
        return _leaf_allowed(access, asked, node)
    patterns = access.models if access.combos is None else access.combos
    return any(matches(pattern, asked) for pattern in patterns)


def _inside(access: Access, node: Node, granted: bool = True) -> Node | None:
    """What is left of something that may be asked for; ``granted``: by every combo around it."""
    if isinstance(node, Leaf):
        return node
    granted = granted and node.combo.grants_steps
    if granted and not any(isinstance(child, Branch) for child, _ in node.children):
        return node
    inside = [
        (_inside(access, child, granted), weight)
        for child, weight in node.children
        if granted or _named(access, _name(child), child)
    ]
    children = tuple((child, weight) for child, weight in inside if child is not None)
    return Branch(node.combo, children, node.left_out) if children else None


def _leaf_allowed(access: Access, asked: str, leaf: Leaf) -> bool:
    """A single model is held against by the name as asked and its two full spellings. A model id that was asked for
    bare and has a slash in it (``openai/gpt-oss`` of another provider) by its full spellings only: the word before the
    slash is no prefix, and ``openai/*`` does not mean it.
    """
    entry = leaf.provider.entry
    if access.providers and entry.id not in access.providers:
        return False
    if "*" in access.models:
        return True
    full = {f"{entry.alias}/{leaf.model}", f"{entry.id}/{leaf.model}"}
    names = full if asked == leaf.model and "/" in asked else full | {asked}
    return any(matches(pattern, name) for pattern in access.models for name in names)


def _name(node: Node) -> str:
    return f"{node.provider.entry.id}/{node.model}" if isinstance(node, Leaf) else node.combo.name


def offered(snapshot: Snapshot, caller: Caller) -> Iterator[tuple[str, str]]:
    """(name, owner) of everything the caller may ask for: models of connected providers, combos, plain aliases."""
    snapshot = snapshot.seen_by(caller)
    for provider in snapshot.providers.values():
        if not provider.links:
            continue
        for model in filter(provider.has, provider.entry.models):
            name = _offered_as(snapshot, caller, Leaf(provider, model))
            if name is not None:
                yield name, provider.entry.id
    for name in (*snapshot.combos, *snapshot.aliases):
        try:
            node = find(snapshot, name)
        except Refusal:
            continue
        if allowed(caller, name, node) is not None:
            yield name, "omniroute"


def _offered_as(snapshot: Snapshot, caller: Caller, leaf: Leaf) -> str | None:
    """The name by which the caller may ask for a model: in full, else bare where that means this model and no other."""
    full = f"{leaf.provider.entry.alias}/{leaf.model}"
    if allowed(caller, full, leaf) is not None:
        return full
    if leaf.model in snapshot.aliases or allowed(caller, leaf.model, leaf) is None:
        return None
    try:
        return leaf.model if find(snapshot, leaf.model) == leaf else None
    except Refusal:
        return None
