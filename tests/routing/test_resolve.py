"""A model name → what it stands for."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import pytest

from providers.wire.errors import Refusal
from routing import resolve as resolving
from routing.names import Branch, Leaf, Node, find
from routing.resolve import offered, resolve, resolve_once
from routing.snapshot import EVERYTHING, Access, Caller, Snapshot
from tests.routing.samples import ANYONE, provider, snapshot


def told(node: Node) -> Any:
    """A leaf as ``provider/model``, a branch as a list."""
    if isinstance(node, Leaf):
        return f"{node.provider.entry.id}/{node.model}"
    return [told(child) for child, _ in node.children]


def refused(config: Snapshot, name: str, caller: Caller = ANYONE) -> Refusal:
    with pytest.raises(Refusal) as caught:
        resolve(config, name, caller)
    return caught.value


ACME = provider("acme", models=("large", "small"), off=("old",), alias="ac", also=("acme-ai",))
BETA = provider("beta", models=("large", "org/deep:free"), connections=(2, 3))
OPEN = provider("open", models=("known",), off=("hidden",), any_model=True, connections=(4,))
DEAD = provider("dead", models=("large", "only"), connections=())


class TestOnce:
    """What a name stands for is worked out once for each version, and for each caller."""

    keyed, other = (replace(ANYONE, key_id=number) for number in (1, 2))

    def test_the_same_answer(self) -> None:
        config = snapshot(ACME)
        first = resolve_once(config, "acme/large", self.keyed)
        assert told(first) == "acme/large" and resolve_once(config, "acme/large", self.keyed) is first

    def test_of_nobody_else_and_of_no_other_version(self) -> None:
        config = snapshot(ACME)
        resolve_once(config, "acme/large", self.keyed)
        narrow = replace(self.other, access=Access(models=("acme/small",)))
        with pytest.raises(Refusal, match="that this key may use"):
            resolve_once(config, "acme/large", narrow)
        gone = replace(config, providers={}, prefixes={}, bare={})
        with pytest.raises(Refusal):
            resolve_once(gone, "acme/large", self.keyed)

    def test_names_that_clients_make_up_do_not_pile_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(resolving, "MOST_RESOLVED", 3)
        config = snapshot(OPEN)
        for number in range(10):
            assert told(resolve_once(config, f"open/{number}", self.keyed)) == f"open/{number}"
        assert len(config.resolved) <= 3


class TestNames:
    config = snapshot(ACME, BETA, OPEN, DEAD)

    @pytest.mark.parametrize(
        ("name", "stands_for"),
        [
            ("acme/large", "acme/large"),
            ("ac/large", "acme/large"),
            ("acme-ai/large", "acme/large"),
            ("small", "acme/small"),
            ("org/deep:free", "beta/org/deep:free"),
            ("beta/org/deep:free", "beta/org/deep:free"),
            ("open/known", "open/known"),
            ("open/whatever/new:thing", "open/whatever/new:thing"),
        ],
    )
    def test_known(self, name: str, stands_for: str) -> None:
        assert told(resolve(self.config, name, ANYONE)) == stands_for

    @pytest.mark.parametrize(
        "name",
        [
            "nothing", "acme/nothing", "acme/", "/large", "/", "acme", "Acme/large",
            "acme/LARGE", "acme-x/large", "gone/large",
            "acme/old", "old", "open/hidden", "hidden", "whatever", "acme//large", "acme/large/", " ",
        ],
    )  # fmt: skip
    def test_unknown_or_switched_off(self, name: str) -> None:
        wrong = refused(self.config, name)
        assert (wrong.status, wrong.code, wrong.param) == (404, "model_not_found", "model")

    @pytest.mark.parametrize("name", ["", "x" * 261, "a\nb", "a\x00b", "acme/../../x", "a\u202eb", "\ud800"])
    def test_no_names(self, name: str) -> None:
        assert refused(self.config, name).status == 400

    def test_a_name_of_two_providers_is_ambiguous(self) -> None:
        wrong = refused(self.config, "large")
        assert (wrong.status, wrong.code) == (400, "ambiguous_model")
        assert "'ac/large'" in wrong.message and "'beta/large'" in wrong.message
        assert "dead" not in wrong.message, "who has no connection does not make a name ambiguous"

    def test_only_the_connected_one_counts(self) -> None:
        assert told(resolve(snapshot(ACME, DEAD), "large", ANYONE)) == "acme/large"

    def test_without_a_connection(self) -> None:
        for name in ("dead/only", "only"):
            wrong = refused(self.config, name)
            assert (wrong.status, wrong.code) == (503, "no_connection")
            assert wrong.message == "The provider 'dead' cannot be used now: An API key is needed."
        idle = dataclasses.replace(DEAD, unusable={})
        assert "no connection that is switched on" in refused(snapshot(idle), "dead/only").message


class TestOrder:
    """Combo, alias, alias pattern, prefix, bare: each hides what comes after it."""

    def test_each_hides_the_next(self) -> None:
        layers: list[tuple[dict[str, Any], str]] = [
            ({"combos": {"acme/large": ["beta/large"]}}, "beta/large"),
            ({"aliases": {"acme/large": "open/alias"}}, "open/alias"),
            ({"wildcards": (("acme/*", "open/pattern"),)}, "open/pattern"),
            ({}, "acme/large"),
        ]
        for at in range(len(layers)):
            said: dict[str, Any] = {}
            for layer, _ in layers[at:]:
                said |= layer
            expected: Any = [layers[at][1]] if "combos" in said else layers[at][1]
            assert told(resolve(snapshot(ACME, BETA, OPEN, **said), "acme/large", ANYONE)) == expected

    def test_a_prefix_hides_a_bare_name(self) -> None:
        reseller = provider("reseller", models=("acme/tiny", "acme/large"), connections=(9,))
        assert told(find(snapshot(ACME, reseller), "acme/large")) == "acme/large"
        assert refused(snapshot(ACME, reseller), "acme/tiny").status == 404
        assert told(find(snapshot(reseller), "acme/tiny")) == "reseller/acme/tiny"

    def test_the_first_pattern_that_fits(self) -> None:
        config = snapshot(ACME, wildcards=(("gpt-*", "acme/large"), ("*", "acme/small")))
        assert told(find(config, "GPT-4o")) == "acme/large"
        assert told(find(config, "claude")) == "acme/small"
        assert told(find(config, "acme/large")) == "acme/small"


class TestAliases:
    def test_of_aliases_up_to_a_depth(self) -> None:
        chain = {f"a{i}": f"a{i + 1}" for i in range(4)} | {"a4": "acme/large"}
        config = snapshot(ACME, aliases=chain)
        assert told(find(config, "a1")) == "acme/large"
        assert refused(config, "a0").status == 404

    @pytest.mark.parametrize("aliases", [{"a": "a"}, {"a": "b", "b": "a"}, {"a": "b", "b": "c", "c": "b"}])
    def test_loops_end(self, aliases: dict[str, str]) -> None:
        assert refused(snapshot(ACME, aliases=aliases), "a").status == 404

    def test_pattern_loops_end(self) -> None:
        config = snapshot(ACME, wildcards=(("a*", "b"), ("b*", "a")))
        assert refused(config, "a").status == 404

    def test_an_alias_may_have_the_name_of_its_model(self) -> None:
        assert told(find(snapshot(ACME, aliases={"small": "small"}), "small")) == "acme/small"

    def test_a_catch_all_is_for_what_clients_write(self) -> None:
        everything = (("*", "acme/small"),)
        config = snapshot(
            ACME, BETA, aliases={"fast": "beta/large"}, combos={"team": ["acme/large", "fast"]}, wildcards=everything
        )
        assert told(find(config, "fast")) == "beta/large"
        assert told(find(config, "team")) == ["acme/large", "beta/large"]
        assert told(find(config, "anything")) == "acme/small"

    def test_to_a_combo(self) -> None:
        config = snapshot(ACME, combos={"team": ["acme/large"]}, aliases={"fast": "team"})
        assert told(resolve(config, "fast", ANYONE)) == ["acme/large"]


class TestCombos:
    def test_steps_in_order_with_weights(self) -> None:
        config = snapshot(ACME, BETA, combos={"team": ("weighted", [("beta/large", 3), "small"])})
        node = find(config, "team")
        assert isinstance(node, Branch) and node.combo.strategy == "weighted"
        assert told(node) == ["beta/large", "acme/small"] and [weight for _, weight in node.children] == [3, 1]

    def test_steps_that_cannot_be_used_are_left_out(self) -> None:
        steps = ["dead/only", "acme/old", "gone/x", "large", "none", "acme/small"]
        assert told(find(snapshot(ACME, BETA, DEAD, combos={"team": steps}), "team")) == ["acme/small"]

    @pytest.mark.parametrize("steps", [[], ["dead/only"], ["gone/x", "old"]])
    def test_without_any_step_left(self, steps: list[str]) -> None:
        wrong = refused(snapshot(ACME, DEAD, combos={"team": steps}), "team")
        assert (wrong.status, wrong.code) == (503, "no_usable_step")

    def test_within_combos(self) -> None:
        combos = {"outer": ["inner", "acme/small"], "inner": ["acme/large", "beta/large"]}
        assert told(find(snapshot(ACME, BETA, combos=combos), "outer")) == [["acme/large", "beta/large"], "acme/small"]

    def test_too_deep(self) -> None:
        combos = {"c0": ["c1"], "c1": ["c2"], "c2": ["c3"], "c3": ["acme/large"]}
        config = snapshot(ACME, combos=combos)
        assert told(find(config, "c1")) == [[["acme/large"]]]
        assert refused(config, "c0").status == 503

    @pytest.mark.parametrize(
        "combos",
        [{"a": ["a"]}, {"a": ["b"], "b": ["a"]}, {"a": ["b"], "b": ["c"], "c": ["b", "a"]}, {"a": ["a", "a", "a"]}],
    )
    def test_cycles_end(self, combos: dict[str, list[str]]) -> None:
        assert refused(snapshot(ACME, combos=combos), "a").status == 503

    def test_a_cycle_leaves_the_other_steps(self) -> None:
        node = find(snapshot(ACME, combos={"a": ["a", "acme/large"]}), "a")
        flat = str(told(node))
        assert "acme/large" in flat and isinstance(node, Branch)

    def test_a_cycle_through_an_alias_ends(self) -> None:
        config = snapshot(ACME, combos={"a": ["x"]}, aliases={"x": "a"})
        assert refused(config, "a").status == 503


class TestPermission:
    resold = provider("resold", models=("openai/gpt-4o",), connections=(5,))
    config = snapshot(
        provider("openai", models=("gpt-4o",), alias="oai"),
        provider("openai-x", models=("gpt-4o", "own"), connections=(2,)),
        resold,
        combos={"team": ["openai-x/gpt-4o", "openai/gpt-4o"]},
        aliases={"fast": "openai/gpt-4o", "both": "team"},
    )

    @pytest.mark.parametrize(
        ("pattern", "name", "may"),
        [
            ("*", "openai-x/own", True),
            ("openai/*", "openai/gpt-4o", True),
            ("openai/*", "oai/gpt-4o", True),
            ("oai/*", "openai/gpt-4o", True),
            ("openai/*", "fast", True),
            ("openai/*", "openai-x/gpt-4o", False),
            ("openai/*", "openai-x/own", False),
            ("openai/*", "own", False),
            ("openai-x/*", "own", True),
            ("openai-?/own", "own", True),
            ("own", "own", True),
            ("own", "openai-x/own", False),
            ("openai/gpt-4o", "openai/gpt-4o", True),
            ("openai/gpt-4o", "resold/openai/gpt-4o", False),
            ("openai/*", "resold/openai/gpt-4o", False),
            ("resold/*", "resold/openai/gpt-4o", True),
            ("OPENAI/*", "openai/gpt-4o", True),
            ("fast", "fast", True),
            ("fast", "openai/gpt-4o", False),
            ("team", "team", True),
            ("team", "openai-x/gpt-4o", False),
            ("openai/*", "team", False),
            ("openai*/*", "team", False),
            ("team", "both", False),
            ("both", "both", True),
        ],
    )
    def test_patterns(self, pattern: str, name: str, may: bool) -> None:
        caller = Caller(key_id=1, key_name="k", access=Access(models=(pattern,)))
        if may:
            assert resolve(self.config, name, caller)
        else:
            wrong = refused(self.config, name, caller)
            assert (wrong.status, wrong.code) == (403, "model_not_allowed")

    def test_any_of_several_patterns(self) -> None:
        caller = Caller(key_id=1, key_name="k", access=Access(models=("nothing", "openai-x/*")))
        assert resolve(self.config, "openai-x/own", caller)

    def test_no_patterns_allow_nothing(self) -> None:
        caller = Caller(key_id=1, key_name="k", access=Access(models=()))
        assert refused(self.config, "openai/gpt-4o", caller).status == 403

    def test_a_prefix_that_is_gone_is_no_way_round(self) -> None:
        """With OpenAI switched off, a reseller's id ``openai/gpt-4o`` is a bare name: ``openai/*`` does not mean it."""
        config = snapshot(self.resold)
        assert told(find(config, "openai/gpt-4o")) == "resold/openai/gpt-4o"
        for pattern in ("openai/*", "openai/gpt-4o"):
            caller = Caller(key_id=1, key_name="k", access=Access(models=(pattern,)))
            assert refused(config, "openai/gpt-4o", caller).status == 403
        assert resolve(config, "openai/gpt-4o", Caller(key_id=1, key_name="k", access=Access(models=("resold/*",))))


class TestOffered:
    config = snapshot(
        ACME,
        BETA,
        DEAD,
        combos={"team": ["beta/large"], "broken": ["dead/only"]},
        aliases={"fast": "acme/small", "lost": "x"},
    )

    def test_everything_that_can_be_asked_for(self) -> None:
        assert dict(offered(self.config, ANYONE)) == {
            "ac/large": "acme",
            "ac/small": "acme",
            "beta/large": "beta",
            "beta/org/deep:free": "beta",
            "team": "omniroute",
            "fast": "omniroute",
        }

    def test_what_is_offered_can_be_asked_for(self) -> None:
        for patterns in (("*",), ("acme/*",), ("team", "ac/large"), ()):
            caller = Caller(key_id=1, key_name="k", access=Access(models=patterns))
            for name, _ in offered(self.config, caller):
                assert resolve(self.config, name, caller)

    def test_only_what_the_caller_may(self) -> None:
        caller = Caller(key_id=1, key_name="k", access=Access(models=("acme/*",)))
        assert [name for name, _ in offered(self.config, caller)] == ["ac/large", "ac/small", "fast"]


class TestAccess:
    """What a key, and its team, may use: models, combos, providers."""

    combos = {
        "open": ["acme/large", "beta/large"],
        "narrow": ["acme/large", "beta/large"],
        "outer": ["narrow", "acme/small"],
        "around": ["narrow"],
        "around-both": ["narrow", "acme/small"],
        "held": ["open", "acme/small"],
    }

    @property
    def config(self) -> Snapshot:
        config = snapshot(ACME, BETA, combos=self.combos, aliases={"fast": "acme/small"})
        closed = {name: replace(config.combos[name], grants_steps=False) for name in ("narrow", "outer", "held")}
        return replace(config, combos={**config.combos, **closed})

    def caller(self, team: Access = EVERYTHING, **access: Any) -> Caller:
        return Caller(key_id=1, key_name="k", access=Access(**access), team_access=team)

    def test_a_combo_grants_its_steps(self) -> None:
        node = resolve(self.config, "open", self.caller(models=("open",)))
        assert told(node) == ["acme/large", "beta/large"]

    def test_unless_it_does_not(self) -> None:
        node = resolve(self.config, "narrow", self.caller(models=("narrow", "beta/*")))
        assert told(node) == ["beta/large"]
        assert refused(self.config, "narrow", self.caller(models=("narrow",))).code == "model_not_allowed"

    def test_within_one_another(self) -> None:
        node = resolve(self.config, "outer", self.caller(models=("outer", "narrow", "acme/*")))
        assert told(node) == [["acme/large"], "acme/small"]

    def test_a_combo_around_grants_no_more_than_the_one_inside(self) -> None:
        """The inner combo's name is granted; its steps are what its own setting says."""
        assert refused(self.config, "around", self.caller(models=("around",))).code == "model_not_allowed"
        assert told(resolve(self.config, "around", self.caller(models=("around", "beta/*")))) == [["beta/large"]]
        assert told(resolve(self.config, "around-both", self.caller(models=("around-both",)))) == ["acme/small"]
        team = self.caller(Access(models=("around*",)))
        assert told(resolve(self.config, "around-both", team)) == ["acme/small"]

    def test_a_combo_inside_grants_no_more_than_the_one_around(self) -> None:
        caller = self.caller(providers=frozenset(("beta",)))
        assert told(resolve(self.config, "open", caller)) == ["acme/large", "beta/large"]
        assert told(resolve(self.config, "held", caller)) == [["beta/large"]]
        nobody = self.caller(providers=frozenset(("other",)))
        assert refused(self.config, "held", nobody).code == "model_not_allowed"

    def test_combos_by_a_list_of_their_own(self) -> None:
        caller = self.caller(models=("*",), combos=("open",))
        assert resolve(self.config, "open", caller)
        assert refused(self.config, "narrow", caller).code == "model_not_allowed"
        assert resolve(self.config, "acme/large", caller)

    def test_providers(self) -> None:
        caller = self.caller(providers=frozenset(("beta",)))
        assert resolve(self.config, "beta/large", caller)
        for name in ("acme/large", "fast"):
            assert refused(self.config, name, caller).code == "model_not_allowed"
        assert told(resolve(self.config, "narrow", caller)) == ["beta/large"]

    def test_a_team_narrows_what_its_keys_may(self) -> None:
        team = Access(models=("acme/*",))
        assert resolve(self.config, "acme/large", self.caller(team))
        assert refused(self.config, "beta/large", self.caller(team)).code == "model_not_allowed"
        assert refused(self.config, "acme/large", self.caller(team, models=("beta/*",))).code == "model_not_allowed"

    def test_an_ambiguous_name_tells_only_of_what_may_be_used(self) -> None:
        assert refused(self.config, "large", self.caller(models=("open",))).code == "model_not_allowed"
        told = refused(self.config, "large", self.caller(models=("beta/*", "open")))
        assert (told.status, told.message) == (400, "'large' is ambiguous; ask for one of 'beta/large'.")
        bare = refused(self.config, "large", self.caller(models=("large",)))
        assert bare.message == "'large' is ambiguous; several providers have it."
        team = self.caller(Access(providers=frozenset(("acme",))))
        assert refused(self.config, "large", team).message.endswith("one of 'ac/large'.")

    def test_the_list_shows_exactly_what_may_be_used(self) -> None:
        caller = self.caller(Access(providers=frozenset(("beta",))), models=("*",))
        names = [name for name, _ in offered(self.config, caller)]
        assert names == ["beta/large", "beta/org/deep:free", "open", "narrow", "outer", "around", "around-both", "held"]
        assert all(resolve(self.config, name, caller) for name in names)

    def test_a_model_that_may_only_be_asked_for_bare_is_listed_bare(self) -> None:
        caller = self.caller(models=("small", "large", "fast"))
        names = [name for name, _ in offered(self.config, caller)]
        assert names == ["small", "fast"], "several have a 'large', so that name is no one's"
        assert all(resolve(self.config, name, caller) for name in names)

    def test_an_alias_of_a_models_own_id_is_listed_once(self) -> None:
        config = replace(self.config, aliases={"small": "acme/small"})
        assert [name for name, _ in offered(config, self.caller(models=("small",)))] == ["small"]


class TestUnseen:
    """Who may not use a name cannot find out whether it stands for something."""

    whole = snapshot(
        provider("acme", models=("large", "small"), alias="ac"),
        provider("beta", models=("large", "only", "org/deep"), connections=(2,)),
        provider("dead", models=("late",), connections=()),
        replace(provider("theirs", models=("kept",), connections=()), withheld=True),
        combos={
            "team": ["acme/large"], "acme/team": ["beta/only"], "broken": ["dead/late"], "within": ["w2"],
            "w2": ["w3"], "w3": ["w4"], "w4": ["acme/large"],
        },
        aliases={"fast": "acme/small", "acme/fast": "beta/only", "lost": "beta/gone", "late-one": "dead/late"},
        wildcards=(("wild-*", "beta/only"),),
    )  # fmt: skip
    NAMES = (
        "acme/large", "ac/small", "small", "large", "beta/only", "only", "org/deep", "beta/org/deep", "dead/late",
        "late", "theirs/kept", "kept", "team", "acme/team", "broken", "within", "fast", "acme/fast", "lost", "late-one",
        "wild-card",
    )  # fmt: skip
    ACCESSES = (
        {"models": ()},
        {"models": ("acme/*",)},
        {"models": ("ac/*", "small")},
        {"models": ("beta/only", "fast")},
        {"models": ("org/*",)},
        {"models": ("*",), "combos": ()},
        {"models": ("*",), "combos": ("team",)},
        {"models": ("acme/*",), "combos": ("*",)},
        {"models": ("*",), "providers": frozenset(("acme",))},
        {"models": ("acme/*",), "providers": frozenset(("acme", "beta"))},
    )  # fmt: skip

    def without(self, name: str) -> Snapshot:
        """As it would be, had nothing this name."""
        config, (prefix, _, model) = self.whole, name.partition("/")
        having = [
            (one.entry.id, spelling)
            for one in config.providers.values()
            for spelling in ({model} if prefix in one.entry.prefixes else {name})
            if spelling in one.entry.models
        ]
        providers = {
            id: replace(one, entry=replace(one.entry, models={
                key: value for key, value in one.entry.models.items() if (id, key) not in having
            }))
            for id, one in config.providers.items()
        }  # fmt: skip
        made = snapshot(*providers.values())
        rest = {
            "combos": {key: value for key, value in config.combos.items() if key != name},
            "aliases": {key: value for key, value in config.aliases.items() if key != name},
            "wildcards": () if name.startswith("wild-") else config.wildcards,
        }
        return replace(made, **rest)  # type: ignore[arg-type]

    @pytest.mark.parametrize("team", [False, True], ids=["key", "team"])
    @pytest.mark.parametrize("access", ACCESSES, ids=lambda access: "+".join(access))
    def test_no_name_gives_itself_away(self, access: Any, team: bool) -> None:
        bounds = Access(**access)
        caller = Caller(key_id=1, key_name="k", access=EVERYTHING if team else bounds)
        caller = replace(caller, team_access=bounds if team else EVERYTHING)
        kept = 0
        for name in self.NAMES:
            try:
                resolve(self.whole, name, caller)
            except Refusal as wrong:
                if wrong.code != "model_not_allowed":
                    continue
                kept += 1
                gone = refused(self.without(name), name, caller)
                told, unknown = [(one.status, one.message, one.type, one.code, one.param) for one in (wrong, gone)]
                assert told == unknown, name
        assert kept, "something was out of its reach"

    @pytest.mark.parametrize(
        ("name", "code"),
        [
            ("dead/late", "no_connection"), ("late", "no_connection"), ("theirs/kept", "no_connection_for_key"),
            ("broken", "no_usable_step"), ("within", "no_usable_step"), ("late-one", "no_connection"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_used_now_is_told_to_who_may(self, name: str, code: str) -> None:
        for access in (Access(models=(name,)), Access(models=("dead/*", "theirs/*", name))):
            caller = Caller(key_id=1, key_name="k", access=access, team_access=Access(models=("*",)))
            assert refused(self.whole, name, caller).code == code
        other = Caller(key_id=1, key_name="k", access=Access(models=("acme/*",)))
        assert refused(self.whole, name, other).code == "model_not_allowed"

    def test_what_nobody_has_is_told_to_who_may_have_it(self) -> None:
        for access in (Access(models=("acme/*",)), Access(models=("*",), combos=("acme/*", "x"))):
            caller = Caller(key_id=1, key_name="k", access=access)
            assert refused(self.whole, "acme/gone", caller).code == "model_not_found"
        assert refused(self.whole, "gone", ANYONE).code == "model_not_found"

    def test_a_dead_alias_names_its_target_only_to_who_may_use_that(self) -> None:
        assert refused(self.whole, "lost", ANYONE).message == "The model 'beta/gone' does not exist."
        caller = Caller(key_id=1, key_name="k", access=Access(models=("lost",)))
        told = refused(self.whole, "lost", caller)
        assert (told.status, told.message) == (404, "The model 'lost' does not exist.")
        config = replace(self.whole, aliases={"fast": "large"})
        told = refused(config, "fast", Caller(key_id=1, key_name="k", access=Access(models=("fast",))))
        assert told.message == "'fast' is ambiguous; several providers have it."
