"""A model name, as a client wrote it → what it stands for. Pure: a snapshot in, a target out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from msgspec import Struct

from providers.wire.errors import Refusal
from routing.patterns import is_plain, matches
from routing.snapshot import EVERYTHING, Access, Caller, Combo, Provider, Snapshot, Step

DEEPEST = 3  # combos within combos
MOST_ALIASES = 4  # aliases of aliases
LONGEST_NAME = 260
MOST_SPELLINGS = 4  # told of an ambiguous name
MOST_RESOLVED = 10_000  # names that are remembered
MOST_MATCHING = 200  # models that one pattern in a combo stands for
EVERY_MODEL = (Step("*"),)  # what "tiers" orders when it has no steps


class Leaf(Struct, frozen=True):
    """A model of a provider, by the provider's own name for it."""

    provider: Provider
    model: str


class LeftOut(NamedTuple):
    """A step that stands for nothing now: its name, why in a sentence, and the code of that (a refusal's)."""

    name: str
    why: str
    code: str


@dataclass(frozen=True, slots=True)
class Branch:
    """A combo and what its steps stand for; steps that stand for nothing now are left out."""

    combo: Combo
    children: tuple[tuple[Node, int], ...]  # (node, weight)
    left_out: tuple[LeftOut, ...] = ()


Node = Leaf | Branch


class Ambiguous(Refusal):
    """Several connected providers have a bare model. The words name ``leaves`` by their full spellings."""

    def __init__(self, name: str, leaves: Sequence[Leaf]) -> None:
        spellings = ", ".join(f"'{leaf.provider.entry.alias}/{leaf.model}'" for leaf in leaves[:MOST_SPELLINGS])
        hint = f"ask for one of {spellings}" if leaves else "several providers have it"
        super().__init__(400, f"'{name}' is ambiguous; {hint}.", code="ambiguous_model", param="model")
        self.name, self.leaves = name, leaves

    def seen_by(self, caller: Caller, name: str) -> Ambiguous:
        """The same of this name, with the spellings only that the caller may ask for."""
        spelled = [(f"{leaf.provider.entry.alias}/{leaf.model}", leaf) for leaf in self.leaves]
        return Ambiguous(name, [leaf for spelling, leaf in spelled if allowed(caller, spelling, leaf)])


class Unknown(Refusal):
    """Nothing has this ``name``, which may be what an alias leads to."""

    def __init__(self, name: str) -> None:
        super().__init__(404, f"The model '{name}' does not exist.", code="model_not_found", param="model")
        self.name = name


class Unusable(Refusal):
    """A name stands for ``node``, and nobody can be asked for it now."""

    def __init__(self, node: Node, status: int, message: str, *, type: str = "server_error", code: str) -> None:
        super().__init__(status, message, type=type, code=code)
        self.node = node


def resolve(snapshot: Snapshot, name: str, caller: Caller) -> Node:
    """What a name stands for, when the caller may use it.

    Order: combo, alias, alias pattern, ``prefix/model``, bare model. Raises Refusal: 400 ambiguous, 403 not allowed,
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
            raise several.seen_by(caller, several.name if _free(seen, caller, several.name) else name) from None
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


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that a name fits. ``kind``: combo, alias, pattern, prefix (of a provider) or bare (a model's id);
    ``target`` is what it leads to."""

    kind: str
    name: str
    target: str


def rules(snapshot: Snapshot, name: str) -> Iterator[Rule]:
    """All that a client's name fits, the one that wins first, as :func:`find` goes by."""
    if name in snapshot.combos:
        yield Rule("combo", name, snapshot.combos[name].strategy)
    if (target := snapshot.aliases.get(name)) is not None:
        yield Rule("alias", name, target)
    for pattern, target in snapshot.wildcards:
        if target != name and matches(pattern, name):
            yield Rule("pattern", pattern, target)
    prefix, slash, model = name.partition("/")
    if slash and prefix in snapshot.prefixes:
        yield Rule("prefix", prefix, f"{snapshot.prefixes[prefix].entry.id}/{model}")
    else:
        for provider in snapshot.bare.get(name, ()):
            yield Rule("bare", name, f"{provider.entry.id}/{name}")


def left_out(node: Node) -> Iterator[LeftOut]:
    """Steps of the combo, and of combos in it, that stand for nothing now."""
    if isinstance(node, Branch):
        yield from node.left_out
        for child, _ in node.children:
            yield from left_out(child)


def is_single(node: Node) -> bool:
    """One model over one connection: nothing to choose."""
    return isinstance(node, Leaf) and len(node.provider.links) == 1


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


def _branch(snapshot: Snapshot, combo: Combo, depth: int) -> Branch:
    if depth >= DEEPEST:
        raise Unusable(Branch(combo, ()), 503, "This combo is nested too deeply.", code="bad_combo")
    children: list[tuple[Node, int]] = []
    left_out: list[LeftOut] = []
    for step in combo.steps or (EVERY_MODEL if combo.strategy == "tiers" else ()):
        if not is_plain(step.name):
            children.extend((leaf, step.weight) for leaf in matching(snapshot, step.name))
            continue
        try:
            children.append((find(snapshot, step.name, depth + 1), step.weight))
        except Refusal as why:  # a step that is switched off or gone leaves the others
            left_out.append(LeftOut(step.name, why.message, why.code or ""))
    if not children:
        raise Unusable(Branch(combo, ()), 503, "No step of this combo can be used now.", code="no_usable_step")
    return Branch(combo, tuple(children), tuple(left_out))


def matching(snapshot: Snapshot, pattern: str) -> list[Leaf]:
    """Models of connected providers that fit, by either full spelling: the first of each provider, then the second of
    each, and so on, so that a provider with a long list does not stand before all others."""
    fitting: list[tuple[int, Leaf]] = []
    for provider in snapshot.providers.values():
        entry, rank = provider.entry, 0
        for model in entry.models if provider.links else ():
            names = (f"{entry.alias}/{model}", f"{entry.id}/{model}")
            if provider.has(model) and any(matches(pattern, name) for name in names):
                fitting.append((rank, Leaf(provider, model)))
                rank += 1
    return [leaf for _, leaf in sorted(fitting, key=lambda row: row[0])[:MOST_MATCHING]]


def _listed(provider: Provider, model: str, name: str) -> Leaf:
    if not model or not provider.takes(model):
        raise Unknown(name)
    return _connected(provider, model)


def _bare(snapshot: Snapshot, name: str) -> Leaf:
    having = snapshot.bare.get(name, ())
    connected = [provider for provider in having if provider.links] or list(having)
    if not connected:
        raise Unknown(name)
    if len(connected) > 1:
        raise Ambiguous(name, [Leaf(provider, name) for provider in connected])
    return _connected(connected[0], name)


def _connected(provider: Provider, model: str) -> Leaf:
    if not provider.links and provider.withheld:
        raise Unusable(
            Leaf(provider, model),
            403,
            f"The provider '{provider.entry.id}' has no connection for this key: those it has belong to a team.",
            type="permission_error",
            code="no_connection_for_key",
        )
    if not provider.links:
        why = next(iter(provider.unusable.values()), "it has no connection that is switched on")
        raise Unusable(
            Leaf(provider, model),
            503,
            f"The provider '{provider.entry.id}' cannot be used now: {why.rstrip('.')}.",
            code="no_connection",
        )
    return Leaf(provider, model)
