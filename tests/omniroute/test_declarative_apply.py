"""Applying a declarative file: plan, atomicity, idempotence, pruning, and every error with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Team, User, digest
from omniroute.declarative.apply import Applied, apply
from omniroute.declarative.document import BadDocument
from providers import proxies
from providers.connections import proxy_of, secret_of
from providers.models import Connection, Provider, ProviderModel, Proxy
from routing.combos import steps_of
from routing.models import Alias, ApiKey, Combo, GatewaySettings

pytestmark = pytest.mark.django_db

CI_KEY = "ci-key-0123456789-0123456789-0123456789"
ENVIRONMENT = {"ACME_KEY": "acme-secret-one", "CI_KEY": CI_KEY, "PRIORITY": "4"}
FULL = """\
version: 1
providers:
  - id: acme
    name: Acme
    alias: ac
    format: openai_chat
    base_url: http://127.0.0.1:9001/v1
    allow_private_network: true
    tier: api_key
    operations: {rerank: /rerank}
    models:
      - acme-large
      - {id: acme-small, input_price: 0.10, output_price: 0.40, context: 128000, capabilities: [tools, vision]}
connections:
  - {provider: acme, name: main, api_key: "${ACME_KEY}", priority: 1, enabled: true, proxy: null}
  - {provider: groq, name: spare, priority: 2}
combos:
  - name: always-on
    strategy: fill-first
    steps: [acme/acme-large, {model: openai/gpt-5.2, weight: 2}]
aliases:
  - {pattern: "fast", target: acme/acme-small}
api_keys:
  - name: ci
    key: "${CI_KEY}"
    models: ["*"]
settings: {require_api_key: true, connection_cooldown: false, circuit_breaker: true}
"""
ACME = "providers: [{id: acme, base_url: 'https://acme.example/v1'}]\n"


def run(text: str, **options: bool) -> Applied:
    return apply(text, variable=ENVIRONMENT.get, **options)


def plan(text: str, **options: bool) -> list[str]:
    return [str(change) for change in run(text, **options).changes]


def problems(text: str, **options: bool) -> list[str]:
    with pytest.raises(BadDocument) as caught:
        run(text, **options)
    return [str(problem) for problem in caught.value.problems]


def counts() -> tuple[int, ...]:
    kinds = (ProviderModel, Connection, Combo, Alias, ApiKey)
    return (Provider.objects.filter(custom=True).count(), *(kind.objects.count() for kind in kinds))


# -- what it makes -------------------------------------------------------------------------------------------
def test_the_whole_file_is_made() -> None:
    assert plan(FULL) == [
        "+ provider acme",
        "+ connection acme/main",
        "+ connection groq/spare",
        "+ combo always-on",
        "+ alias fast",
        "+ api key ci",
        "~ settings gateway (connection_cooldown true → false)",
    ]
    acme = Provider.objects.get(id="acme")
    assert (acme.custom, acme.alias, acme.operations) == (True, "ac", {"rerank": "/rerank"})
    small = acme.models.get(model_id="acme-small")
    assert (str(small.input_price), small.context, small.capabilities) == ("0.100000", 128000, ["tools", "vision"])
    main = Connection.objects.get(name="main")
    assert secret_of(main) == "acme-secret-one" and main.origin == "http://127.0.0.1:9001"
    assert [str(step) for step in steps_of(Combo.objects.get())] == ["acme/acme-large", "openai/gpt-5.2×2"]
    assert ApiKey.objects.get().key_hash == digest(CI_KEY)
    assert GatewaySettings.load().connection_cooldown is False


def test_the_second_run_has_nothing_to_do() -> None:
    run(FULL)
    before = Connection.objects.get(name="main").secret
    assert plan(FULL) == plan(FULL, prune=True) == []
    assert Connection.objects.get(name="main").secret == before


def test_json_is_read_as_well() -> None:
    text = json.dumps(
        {
            "providers": [
                {"id": "acme", "base_url": "https://acme.example/v1", "models": ["m", {"id": "n", "input_price": 1e-3}]}
            ]
        },
        indent="\t",
    )
    assert plan(text) == ["+ provider acme"]
    assert plan(text) == []


def test_a_dry_run_tells_the_plan_and_changes_nothing() -> None:
    before = counts()
    dry = run(FULL, dry_run=True)
    assert len(dry.changes) == 7 and counts() == before and GatewaySettings.load().connection_cooldown is True
    assert [str(change) for change in dry.changes] == plan(FULL)


def test_changes_are_told_without_secrets() -> None:
    run(FULL)
    changed = (
        FULL.replace("priority: 1,", "priority: 3,")
        .replace("${ACME_KEY}", "another-secret")
        .replace("fill-first", "p2c")
    )
    assert plan(changed.replace("input_price: 0.10", "input_price: 0.2")) == [
        "~ provider acme (model acme-small input_price 0.1 → 0.2)",
        "~ connection acme/main (priority 1 → 3, secret changed)",
        "~ combo always-on (strategy fill-first → p2c)",
    ]
    assert secret_of(Connection.objects.get(name="main")) == "another-secret"


def test_a_model_that_leaves_a_custom_providers_list_is_deleted() -> None:
    run(FULL)
    assert plan(FULL.replace("      - acme-large\n", "")) == ["~ provider acme (- model acme-large)"]
    assert plan("providers: [{id: acme, base_url: 'https://acme.example/v1', models: [], any_model: true}]")
    assert not ProviderModel.objects.exists() and Provider.objects.get(id="acme").any_model


def test_an_absent_list_of_models_leaves_them() -> None:
    run(FULL)
    run("providers: [{id: acme, base_url: 'https://acme.example/v1'}]")
    assert ProviderModel.objects.count() == 2


def test_an_override_changes_the_given_fields_only() -> None:
    run("providers: [{id: openai, name: Ours, models: [{id: gpt-4o, input_price: 1}]}]")
    assert plan("providers: [{id: openai, base_url: 'https://proxy.example/v1/'}]") == [
        "~ provider openai (base_url none → https://proxy.example/v1)"
    ]
    row = Provider.objects.get(id="openai")
    assert (row.custom, row.name, row.models.count()) == (False, "Ours", 1)
    assert plan("providers: [{id: openai, name: null}]") == ["~ provider openai (name Ours → none)"]
    assert plan("providers: [{id: openai, models: []}]") == []
    assert plan("providers: [{id: openai, models: []}]", prune=True) == ["~ provider openai (- model gpt-4o)"]


def test_two_providers_may_swap_their_aliases() -> None:
    text = (
        "providers:\n  - {id: acme, alias: x, base_url: 'https://a.example'}\n"
        "  - {id: bert, alias: y, base_url: 'https://b.example'}\n"
    )
    run(text)
    swapped = text.replace("alias: x", "alias: z").replace("alias: y", "alias: x").replace("alias: z", "alias: y")
    assert plan(swapped) == ["~ provider acme (alias x → y)", "~ provider bert (alias y → x)"]
    assert plan(swapped) == []


def test_a_moved_provider_gets_its_secret_again_from_the_file() -> None:
    run(FULL)
    assert "~ connection acme/main (secret changed)" in plan(FULL.replace(":9001", ":9002"))
    assert Connection.objects.get(name="main").origin == "http://127.0.0.1:9002"


def test_a_credential_the_file_does_not_give_stays() -> None:
    run(FULL)
    assert plan("connections: [{provider: acme, name: main}]") == []
    assert plan("connections: [{provider: acme, name: main, api_key: null}]") == [
        "~ connection acme/main (secret removed)"
    ]
    assert secret_of(Connection.objects.get(name="main")) is None


def test_proxies_are_secrets_too() -> None:
    text = "connections: [{provider: groq, name: a, proxy: 'socks5h://me:hush@proxy.example:1080'}]"
    run(text)
    assert proxy_of(Connection.objects.get()) == "socks5h://me:hush@proxy.example:1080"
    assert plan(text) == []
    assert plan(text.replace("hush", "quiet")) == ["~ connection groq/a (proxy changed)"]


def test_numbers_and_switches_may_come_from_the_environment() -> None:
    run("connections: [{provider: groq, name: a, priority: '${PRIORITY}'}]")
    assert Connection.objects.get().priority == 4


# -- client keys ---------------------------------------------------------------------------------------------
def test_a_key_is_generated_once() -> None:
    first = run("api_keys: [{name: laptop}]")
    ((name, key),) = first.generated
    assert name == "laptop" and key.startswith("sk-omni-") and ApiKey.objects.get().key_hash == digest(key)
    assert key not in repr(first)
    again = run("api_keys: [{name: laptop}]")
    assert again.changes == () and again.generated == ()


def test_a_changed_key_replaces_the_old_one() -> None:
    run(FULL)
    assert plan(FULL.replace("${CI_KEY}", "x" * 32)) == ["~ api key ci (key changed)"]
    assert ApiKey.objects.get().key_hash == digest("x" * 32)


def test_a_key_is_known_by_its_hash_whatever_its_name() -> None:
    run(FULL)
    assert plan(FULL.replace("name: ci", "name: build").replace('["*"]', '["openai/*"]')) == [
        "~ api key build (name ci → build, models [*] → [openai/*])"
    ]


def test_keys_of_people_and_teams() -> None:
    user = User.objects.create_user("ann@example.com")
    team = Team.objects.create(name="Red")
    text = "api_keys: [{name: k, user: Ann@Example.com, team: Red, enabled: false, expires_at: 2030-01-02}, {name: k}]"
    run(text)
    key = ApiKey.objects.get(owner=user)
    assert (key.team, key.enabled, key.expires_at.isoformat()) == (team, False, "2030-01-02T00:00:00+00:00")
    assert plan(text) == [] and ApiKey.objects.count() == 2


def test_a_persons_key_of_the_same_name_is_not_taken_over() -> None:
    user = User.objects.create_user("ann@example.com")
    theirs = ApiKey.objects.create(name="ci", key_hash="a", last4="aaaa", owner=user)
    run(FULL)
    theirs.refresh_from_db()
    assert theirs.key_hash == "a" and theirs.owner == user and ApiKey.objects.count() == 2


# -- pruning -------------------------------------------------------------------------------------------------
def test_without_prune_nothing_is_deleted() -> None:
    run(FULL)
    assert plan("providers: []\nconnections: []\ncombos: []\naliases: []\napi_keys: []") == []


def test_prune_deletes_what_present_sections_do_not_name() -> None:
    run(FULL)
    run("aliases: [{pattern: other, target: acme/acme-large}]")
    assert plan("aliases: [{pattern: fast, target: acme/acme-small}]", prune=True) == ["- alias other"]
    assert Provider.objects.filter(id="acme").exists() and ApiKey.objects.exists()


def test_prune_with_empty_sections_deletes_all_of_them() -> None:
    run(FULL)
    text = "connections: []\ncombos: []\naliases: []\napi_keys: []\nproviders: []"
    assert (
        plan(text, prune=True, dry_run=True)
        == plan(text, prune=True)
        == [
            "- provider acme (with its 1 connections)",
            "- connection groq/spare",
            "- combo always-on",
            "- alias fast",
            "- api key ci",
        ]
    )
    assert counts() == (0, 0, 0, 0, 0, 0) and Provider.objects.filter(id="openai").exists()


def test_a_connection_of_a_pruned_provider_is_an_error() -> None:
    run(FULL)
    assert problems("providers: []\nconnections:\n  - {provider: acme, name: main}\n", prune=True) == [
        "line 3: connections[1].provider: there is no usable provider 'acme' any more: --prune deletes it, "
        "for providers does not name it."
    ]
    assert Provider.objects.filter(id="acme").exists()


# -- what is refused -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version: 2\n", "line 1: version: must be a whole number from 1 to 1"),
        ("version: 1\nprovider: []\n", "line 2: provider: unknown key; known here: version, proxies, providers,"),
        ("version: 1\nproviders:\n", "line 2: providers: must be a list (write [] for none)"),
        ("- a\n", "line 1: the document: must be a mapping"),
        ("providers:\n  - id: acme\n    base_ulr: x\n", "line 3: providers[1].base_ulr: unknown key"),
        ("providers:\n  - name: Acme\n", "line 2: providers[1]: id is missing."),
        ("providers:\n  - id: acme\n    name: A\n", "line 2: providers[1].base_url: a custom provider needs one."),
        ("providers:\n  - id: Acme Corp\n", "line 2: providers[1].id: 'Acme Corp' may hold small letters"),
        ("providers:\n  - id: [a]\n", "line 2: providers[1].id: must be text"),
        (
            "providers:\n  - {id: a, base_url: 'https://a.example'}\n  - {id: a, base_url: 'https://b.example'}\n",
            "line 3: providers[2]: provider a is there twice (first on line 2).",
        ),
        (
            "providers:\n  - id: a\n    base_url: ftp://a.example/v1\n",
            "line 3: providers[1].base_url: The URL must begin with",
        ),
        (
            "providers:\n  - id: a\n    base_url: http://127.0.0.1:9/v1\n",
            "line 3: providers[1].base_url: 127.0.0.1 is a loopback",
        ),
        (
            "providers:\n  - id: a\n    allow_private_network: true\n    base_url: http://169.254.169.254/v1\n",
            "line 4: providers[1].base_url: 169.254.169.254 is a cloud metadata address",
        ),
        (
            "providers:\n  - id: openai\n    base_url: http://10.0.0.1/v1\n",
            "line 3: providers[1].base_url: 10.0.0.1 is a private",
        ),
        (
            "connections:\n  - provider: claude\n    name: a\n    api_key: abcdefgh\n",
            "line 4: connections[1].api_key: Claude Code is connected by logging in",
        ),
        ("providers:\n  - id: a\n    format: soap\n", "line 3: providers[1].format: must be one of openai_chat"),
        ("providers:\n  - id: a\n    tier: gold\n", "line 3: providers[1].tier: must be one of subscription"),
        ("providers:\n  - id: a\n    any_model: yes\n", "line 3: providers[1].any_model: must be true or false"),
        (
            "providers:\n  - id: a\n    operations: {dance: /x}\n",
            "line 3: providers[1].operations: 'dance' is not a name",
        ),
        ("providers:\n  - id: a\n    operations: {rerank: rerank}\n", "line 3: providers[1].operations.rerank: a path"),
        (
            "providers:\n  - id: a\n    alias: groq\n    base_url: https://a.example\n",
            "line 3: providers[1].alias: The prefix groq belongs to",
        ),
        (
            "providers:\n  - id: a\n    models: [x, 12]\n",
            "line 3: providers[1].models[2]: must be text; put it in quotes",
        ),
        (
            "providers:\n  - id: a\n    models:\n      - x\n      - {id: x}\n",
            "line 5: providers[1].models[2]: model x is there twice",
        ),
        (
            "providers:\n  - id: a\n    models: [{id: x, input_price: -1}]\n",
            "line 3: providers[1].models[1].input_price: must be",
        ),
        (
            "providers:\n  - id: a\n    models: [{id: x, input_price: 0.1234567}]\n",
            "input_price: must have at most 6 decimals",
        ),
        ("providers:\n  - id: a\n    models: [{id: x, context: 1.5}]\n", "context: must be a whole number"),
        ("providers:\n  - id: a\n    models: [{id: x, capabilities: [flight]}]\n", "capabilities[1]: must be one of"),
        (
            "connections:\n  - {provider: nobody, name: a}\n",
            "line 2: connections[1].provider: there is no usable provider 'nobody'.",
        ),
        ("connections:\n  - {provider: groq}\n", "line 2: connections[1]: name is missing."),
        (
            "connections:\n  - {provider: groq, name: a}\n  - {provider: groq, name: a}\n",
            "line 3: connections[2]: connection groq/a is",
        ),
        ("connections:\n  - {provider: groq, name: a, api_key: 12}\n", "api_key: must be text; put it in quotes"),
        ("connections:\n  - {provider: groq, name: a, priority: -1}\n", "priority: must be a whole number from 0"),
        ("connections:\n  - {provider: groq, name: a, priority: high}\n", "priority: must be a whole number from 0"),
        (
            "connections:\n  - provider: groq\n    name: a\n    proxy: gopher://x\n",
            "line 4: connections[1].proxy: A proxy is",
        ),
        ("combos:\n  - {name: 'a b', steps: [x]}\n", "line 2: combos[1].name: 'a b': Letters, digits"),
        ("combos:\n  - name: a\n    steps: []\n", "line 3: combos[1].steps: a combo needs at least one step."),
        (
            "combos:\n  - name: a\n    strategy: best\n    steps: [x]\n",
            "line 3: combos[1].strategy: must be one of priority",
        ),
        (
            "combos:\n  - name: a\n    steps: [{model: x, weight: 101}]\n",
            "line 3: combos[1].steps[1].weight: must be a whole",
        ),
        (
            "combos:\n  - {name: a, steps: [b]}\n  - name: b\n    steps: [a]\n",
            "line 4: combos[2].steps: the combo comes back to itself",
        ),
        (
            "combos:\n  - {name: a, steps: [b]}\n  - {name: b, steps: [c]}\n  - {name: c, steps: [d]}\n"
            "  - {name: d, steps: [x/y]}\n",
            "line 2: combos[1].steps: combos may be 3 deep at most: a → b → c → d.",
        ),
        ("aliases:\n  - {pattern: 'a b', target: c}\n", "line 2: aliases[1].pattern: 'a b': A name holds no spaces"),
        ("aliases:\n  - {pattern: a, target: 'b/*'}\n", "line 2: aliases[1].target: 'b/*': A target is one name"),
        ("aliases:\n  - {pattern: a, target: a}\n", "line 2: aliases[1].target: an alias must not point at itself."),
        ("api_keys:\n  - name: a\n    key: short\n", "line 3: api_keys[1].key: must have at least 32 characters"),
        ("api_keys:\n  - name: a\n    models: '*'\n", "line 3: api_keys[1].models: must be a list"),
        ("api_keys:\n  - name: a\n    models: ['a b']\n", "line 3: api_keys[1].models[1]: 'a b' must not hold spaces"),
        ("api_keys:\n  - name: a\n    user: nobody@example.com\n", "line 3: api_keys[1].user: there is no user"),
        ("api_keys:\n  - name: a\n    team: Nobody\n", "line 3: api_keys[1].team: there is no team"),
        ("api_keys:\n  - name: a\n    expires_at: soon\n", "line 3: api_keys[1].expires_at: must be a time"),
        ("api_keys: [{name: a},\n {name: a}]\n", "line 2: api_keys[2]: api key a is there twice"),
        ("settings: {require_api_key: 1}\n", "line 1: settings.require_api_key: must be true or false"),
        ("settings: {notice: {xx: hello}}\n", "line 1: settings.notice: 'xx' is not a name"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, expected: str) -> None:
    before = counts()
    assert any(expected in problem for problem in problems(text)), problems(text)
    assert counts() == before


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_changed() -> None:
    before = counts()
    text = FULL + "  \n"
    text = text.replace("tier: api_key", "tier: gold").replace("priority: 2", "priority: two")
    assert [problem.partition(":")[0] for problem in problems(text)] == ["line 9", "line 16"]
    assert counts() == before


def test_an_error_in_the_last_section_takes_the_first_back() -> None:
    before = counts()
    assert problems(FULL.replace('models: ["*"]', "user: nobody@example.com"))
    assert counts() == before and GatewaySettings.load().connection_cooldown is True


def test_no_message_holds_a_secret() -> None:
    hidden = "hidden secret with spaces"
    told = problems(f"connections: [{{provider: groq, name: a, api_key: '{hidden}', proxy: 'http://u:{hidden}@'}}]")
    told += problems(f"api_keys: [{{name: a, key: '{hidden}'}}]")
    assert len(told) == 3 and not any("hidden" in problem for problem in told)
    borrowed = problems(
        "aliases: [{pattern: '${SPACED}', target: x}]".replace("SPACED", "PRIORITY").replace("pattern", "target")
    )
    assert not any("'4'" in problem for problem in borrowed)


def test_notices_may_be_in_several_languages() -> None:
    assert plan("settings: {notice: {en: Hello, ar: مرحبا}}") == [
        "~ settings gateway (notice_en none → Hello, notice_ar none → مرحبا)"
    ]
    row = GatewaySettings.load()
    assert (row.notice_en, row.notice_ar) == ("Hello", "مرحبا")
    assert plan("settings: {notice: Hello}") == []


# -- the command ---------------------------------------------------------------------------------------------
def command(path: Path, *options: str) -> int:
    import argparse

    from omniroute.cli import apply as module

    parser = argparse.ArgumentParser()
    module.configure(parser)
    return module.run(parser.parse_args([str(path), *options]))


def test_the_command_prints_the_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "omniroute.yaml"
    path.write_text("\ufeff" + ACME + "api_keys: [{name: laptop}]\n", encoding="utf-8")
    assert command(path, "--dry-run") == 0
    assert capsys.readouterr().out == "+ provider acme\n+ api key laptop\nDry run: nothing was changed.\n"
    assert command(path) == 0
    assert "The key of laptop, shown this once: sk-omni-" in capsys.readouterr().out
    assert command(path) == 0
    assert capsys.readouterr().out == "= nothing to do\n"


def test_the_command_fails_with_line_and_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "omniroute.yaml"
    path.write_text("version: 1\ncombo: []\n")
    assert command(path) == 1
    out, err = capsys.readouterr()
    assert out == "" and f"{path}: line 2: combo: unknown key" in err and "Nothing was changed." in err
    path.write_bytes(b"\xff\xfe\xfa")
    assert command(path) == 1 and "not UTF-8" in capsys.readouterr().err
    assert command(tmp_path / "absent.yaml") == 1 and "cannot be read: No such file" in capsys.readouterr().err


# -- proxies ----------------------------------------------------------------------------------------------------------
PROXIES = """
proxies:
  - {name: eu, url: "http://u:hush@10.0.0.1:3128", note: "In Europe"}
  - {name: all, url: "socks5h://10.0.0.2:1080", global: true}
providers:
  - {id: acme, base_url: "https://acme.example/v1", proxy: eu}
  - {id: groq, proxy: direct}
connections:
  - {provider: acme, name: a, proxy: all}
  - {provider: acme, name: b, proxy: "https://u:hush@10.0.0.3"}
  - {provider: acme, name: c, proxy: direct}
  - {provider: acme, name: d, proxy: null}
"""


def test_proxies_at_three_levels() -> None:
    plan(PROXIES)
    assert plan(PROXIES) == plan(PROXIES, prune=True) == []
    ways = {row.name: proxies.way_of(row).label for row in Connection.objects.all()}
    assert ways == {
        "a": "connection 10.0.0.2:1080",
        "b": "connection 10.0.0.3:443",
        "c": "",
        "d": "provider 10.0.0.1:3128",
    }
    assert proxies.everywhere() == Proxy.objects.get(name="all")
    changed = plan(PROXIES.replace("global: true", "enabled: false").replace("10.0.0.1:3128", "10.0.0.9:1"))
    assert changed == ["~ proxy eu (url changed)", "~ proxy all (enabled true → false, is_global true → false)"]


def test_proxies_are_pruned_when_nobody_goes_through_them() -> None:
    plan(PROXIES)
    told = plan("proxies: []\nproviders: [{id: acme, base_url: 'https://acme.example/v1'}]", prune=True)
    assert "- proxy eu" in told and {row.name for row in Proxy.objects.all()} == {"all", "acme/b"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("proxies: [{name: direct, url: 'http://h:1'}]", "must not be a URL"),
        ("proxies: [{name: a}]", "needs a URL"),
        ("proxies: [{name: a, url: 'ftp://hush'}]", "A proxy is written"),
        ("proxies: [{name: a, url: 'http://h'}, {name: a, url: 'http://h'}]", "is there twice"),
        ("proxies: [{name: a, url: 'http://h', global: true}, {name: b, url: 'http://h', global: true}]", "twice"),
        ("connections: [{provider: groq, name: a, proxy: nowhere}]", "no proxy nowhere"),
        ("providers: [{id: groq, proxy: nowhere}]", "no proxy nowhere"),
    ],
)
def test_a_wrong_proxy_is_told(text: str, told: str) -> None:
    found = problems(text)
    assert told in str(found) and "hush" not in str(found) and not Proxy.objects.exists()


def test_a_connection_more_costs_the_database_its_row_its_providers_breaker_and_the_configurations_number() -> None:
    """Whatever its provider has of models; files of thousands of connections are applied in seconds."""

    def queries(count: int) -> int:
        rows = [{"provider": "openai", "name": f"c{number}", "api_key": f"sk-{number}"} for number in range(count)]
        with CaptureQueriesContext(connection) as made:
            apply(json.dumps({"connections": rows}), dry_run=True)
        return len(made)

    queries(1)  # what is read once
    assert queries(30) - queries(10) == 3 * 20
