"""A model name → what it stands for, for anybody. Pure: a snapshot in, a node out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from msgspec import Struct

from providers.wire.errors import Refusal
from routing.patterns import is_plain, matches
from routing.snapshot import Combo, Provider, Snapshot, Step

DEEPEST = 3  # combos within combos
MOST_ALIASES = 4  # aliases of aliases
MOST_SPELLINGS = 4  # told of an ambiguous name
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


def find(snapshot: Snapshot, name: str, depth: int = 0, aliases: int = 0) -> Node:
    """What a name stands for, whoever asks. Order: combo, alias, alias pattern, ``prefix/model``, bare model.

    Patterns are for what clients write: a catch-all leaves targets and steps be. Raises Refusal: Ambiguous, Unknown,
    Unusable, or 403 where every connection is another team's.
    """
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
