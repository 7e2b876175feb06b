"""A model name, as a client wrote it → what it stands for. Pure: a snapshot in, a target out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from providers.wire.errors import Refusal
from routing.patterns import matches
from routing.snapshot import Caller, Combo, Provider, Snapshot

DEEPEST = 3  # combos within combos
MOST_ALIASES = 4  # aliases of aliases
LONGEST_NAME = 260


@dataclass(frozen=True, slots=True)
class Leaf:
    """A model of a provider, by the provider's own name for it."""

    provider: Provider
    model: str


@dataclass(frozen=True, slots=True)
class Branch:
    """A combo and what its steps stand for; steps that stand for nothing now are left out."""

    combo: Combo
    children: tuple[tuple[Node, int], ...]  # (node, weight)


Node = Leaf | Branch


def resolve(snapshot: Snapshot, name: str, caller: Caller) -> Node:
    """What a name stands for, when the caller may use it.

    Order: combo, alias, alias pattern, ``prefix/model``, bare model. Raises Refusal: 400 ambiguous, 403 not allowed,
    404 unknown, 503 known but without a usable connection.
    """
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or "../" in name:
        raise Refusal(400, "That is not a model name.", code="invalid_value", param="model")
    node = find(snapshot, name)
    if not allowed(caller, name, node):
        raise Refusal(
            403,
            f"This key may not use the model '{name}'.",
            type="permission_error",
            code="model_not_allowed",
            param="model",
        )
    return node


def find(snapshot: Snapshot, name: str, depth: int = 0, aliases: int = 0) -> Node:
    """As :func:`resolve`, for anybody. Patterns are for what clients write: a catch-all leaves targets and steps be."""
    combo = snapshot.combos.get(name)
    if combo is not None:
        return _branch(snapshot, combo, depth)
    target = snapshot.aliases.get(name)
    if target is None and depth == 0 and aliases == 0:
        target = next((to for pattern, to in snapshot.wildcards if matches(pattern, name)), None)
    if target is not None and target != name and aliases < MOST_ALIASES:
        return find(snapshot, target, depth, aliases + 1)
    prefix, slash, model = name.partition("/")
    if slash and prefix in snapshot.prefixes:
        return _listed(snapshot.prefixes[prefix], model, name)
    return _bare(snapshot, name)


def allowed(caller: Caller, asked: str, node: Node) -> bool:
    """A caller's patterns are held against the name as asked and, for a single model, its two full spellings.

    A combo grants its steps: only its own name counts. A model id that was asked for bare and has a slash in it
    (``openai/gpt-oss`` of another provider) is held against by its full spellings only: the word before the slash is
    no prefix, and ``openai/*`` does not mean it.
    """
    if "*" in caller.patterns:
        return True
    names = {asked}
    if isinstance(node, Leaf):
        entry = node.provider.entry
        full = {f"{entry.alias}/{node.model}", f"{entry.id}/{node.model}"}
        names = full if asked == node.model and "/" in asked else full | names
    return any(matches(pattern, name) for pattern in caller.patterns for name in names)


def offered(snapshot: Snapshot, caller: Caller) -> Iterator[tuple[str, str]]:
    """(name, owner) of everything the caller may ask for: models of connected providers, combos, plain aliases."""
    for provider in snapshot.providers.values():
        if not provider.links:
            continue
        for model in provider.entry.models:
            name = f"{provider.entry.alias}/{model}"
            if provider.has(model) and allowed(caller, name, Leaf(provider, model)):
                yield name, provider.entry.id
    for name in (*snapshot.combos, *snapshot.aliases):
        try:
            node = find(snapshot, name)
        except Refusal:
            continue
        if allowed(caller, name, node):
            yield name, "omniroute"


def _branch(snapshot: Snapshot, combo: Combo, depth: int) -> Branch:
    if depth >= DEEPEST:
        raise Refusal(503, f"The combo '{combo.name}' is nested too deeply.", type="server_error", code="bad_combo")
    children: list[tuple[Node, int]] = []
    for step in combo.steps:
        try:
            children.append((find(snapshot, step.name, depth + 1), step.weight))
        except Refusal:
            continue  # a step that is switched off or gone leaves the others
    if not children:
        raise Refusal(
            503, f"No step of the combo '{combo.name}' can be used now.", type="server_error", code="no_usable_step"
        )
    return Branch(combo, tuple(children))


def _listed(provider: Provider, model: str, name: str) -> Leaf:
    if not model or not provider.takes(model):
        raise Refusal(404, f"The model '{name}' does not exist.", code="model_not_found", param="model")
    return _connected(provider, model)


def _bare(snapshot: Snapshot, name: str) -> Leaf:
    having = snapshot.bare.get(name, ())
    connected = [provider for provider in having if provider.links] or list(having)
    if not connected:
        raise Refusal(404, f"The model '{name}' does not exist.", code="model_not_found", param="model")
    if len(connected) > 1:
        spellings = ", ".join(f"'{p.entry.alias}/{name}'" for p in connected[:4])
        raise Refusal(400, f"'{name}' is ambiguous; ask for one of {spellings}.", code="ambiguous_model", param="model")
    return _connected(connected[0], name)


def _connected(provider: Provider, model: str) -> Leaf:
    if not provider.links:
        why = next(iter(provider.unusable.values()), "it has no connection that is switched on")
        raise Refusal(
            503,
            f"The provider '{provider.entry.id}' cannot be used now: {why.rstrip('.')}.",
            type="server_error",
            code="no_connection",
        )
    return Leaf(provider, model)
