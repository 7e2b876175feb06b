"""Reasoning: asked for, told in each format's own field, and given back whole to those who sealed it."""

from __future__ import annotations

from typing import Any

from tests import simulator as sim
from tests.pairs.conftest import Bench, clients, each, pairs, streams
from tests.pairs.words import Spec, Wish

CLOCK = Spec("get_time", None)
ZONE = Spec("get_zone", {"type": "object", "properties": {"of": {"type": "string"}}, "required": ["of"]})
THINKING = Wish(tools=(CLOCK, ZONE), effort="high")
# Every way of thinking that vendors of each format have.
MODELS = {
    "openai_chat": ("sim-chat",),
    "openai_responses": ("gpt-sim",),
    "anthropic": ("claude-modern-5", "claude-budget-4-5"),
    "gemini": ("gemini-3-sim", "gemini-2.5-sim"),
}
SEALING = [(upstream, model) for upstream in MODELS if upstream != "openai_chat" for model in MODELS[upstream]]
sealing = each(model=[model for _, model in SEALING])
FORMAT_OF = {model: upstream for upstream, model in SEALING}
UNFIT = (
    "claude-budget-4-5",
    "gemini-2.5-sim",
)  # their own format passes the client's words through, made for newer ones


def proofs(value: Any) -> list[str]:
    """Everything in a body that is signed or sealed, in order."""
    if isinstance(value, list):
        return [found for it in value for found in proofs(it)]
    if not isinstance(value, dict):
        return []
    named = ("signature", "data", "encrypted_content", "thoughtSignature")
    own = [value[name] for name in named if isinstance(value.get(name), str)]
    return own + [found for it in value.values() for found in proofs(it)]


def answered(bench: Bench, upstream: str, model: str) -> list[str]:
    """The proofs in the history that the upstream got last."""
    where = {"openai_responses": "input", "anthropic": "messages", "gemini": "contents"}[upstream]
    return proofs(bench.sent[where])


@streams
@pairs
def test_thoughts_come_in_the_field_of_the_client(bench: Bench, client: str, upstream: str, stream: bool) -> None:
    bench.provider.plays(sim.chat("The answer", reasoning="First this. Then that."))
    talk = bench.talk(client, upstream)
    talk.say("Think")
    said = talk.ask(Wish(effort="high"), stream=stream)
    assert (said.reasoning, said.text) == ("First this. Then that.", "The answer")


@pairs
def test_the_wanted_effort_is_said_in_the_words_of_every_model(bench: Bench, client: str, upstream: str) -> None:
    for model in MODELS[upstream]:
        talk = bench.talk(client, upstream, model)
        if client == upstream and model in UNFIT:
            continue
        talk.say("Think")
        said = talk.ask(Wish(effort="high", most=20_000))
        if client == "openai_chat" and upstream == "openai_responses":
            assert bench.sent["reasoning"] == {"effort": "high"}  # shows no thoughts to who has not asked for a summary
        else:
            assert said.reasoning == "The user says: Think. I shall think about it.", (model, bench.sent)


@streams
@sealing
@clients
def test_sealed_reasoning_goes_back_whole(bench: Bench, client: str, model: str, stream: bool) -> None:
    """Whatever the client's format has a field for. The vendor checks each seal and refuses a changed one."""
    upstream = FORMAT_OF[model]
    talk = bench.talk(client, upstream, model)
    if client == upstream and model in UNFIT:
        return
    talk.say("Use the tool")
    wish = Wish(tools=(CLOCK, ZONE), effort="high", most=20_000)
    counts = []
    for round in ("one", "two"):
        said = talk.ask(wish, stream=stream)
        assert [it.name for it in said.calls] == ["get_time"]
        talk.result(said.calls[0], f"noon {round}")
        said = talk.ask(wish, stream=stream)
        assert f"noon {round}" in said.text
        counts.append(len(answered(bench, upstream, model)))
        talk.say("Use the tool again")
    assert counts[0] >= 1
    assert counts[1] > counts[0]
    assert [row.result for row in bench.records(4)] == ["ok"] * 4


@streams
@clients
def test_hidden_reasoning_goes_back_whole(bench: Bench, client: str, stream: bool) -> None:
    hidden = sim.chat((), reasoning="A secret thought", redacted=True, tool_calls=[sim.ToolCall("get_time")])
    bench.provider.plays(hidden)
    talk = bench.talk(client, "anthropic")
    talk.say("Use the tool")
    said = talk.ask(THINKING, stream=stream)
    assert "secret" not in said.reasoning + said.text
    talk.result(said.calls[0], "noon")
    talk.ask(THINKING, stream=stream)
    [block] = [it for it in bench.sent["messages"][1]["content"] if it["type"] == "redacted_thinking"]
    assert block["data"]


@streams
@sealing
@clients
def test_calls_at_once_keep_their_seals(bench: Bench, client: str, model: str, stream: bool) -> None:
    upstream = FORMAT_OF[model]
    if client == upstream and model in UNFIT:
        return
    calls = [sim.ToolCall("get_time"), sim.ToolCall("get_zone", {"of": "Rome"})]
    bench.provider.plays(sim.chat((), reasoning="Two things.", tool_calls=calls))
    talk = bench.talk(client, upstream, model)
    talk.say("Use both tools")
    wish = Wish(tools=(CLOCK, ZONE), effort="high", most=20_000)
    said = talk.ask(wish, stream=stream)
    for call in said.calls:
        talk.result(call, f"result of {call.name}")
    said = talk.ask(wish, stream=stream)
    assert "result of get_zone" in said.text
    assert answered(bench, upstream, model)


def test_one_callers_reasoning_is_not_given_to_another(bench: Bench) -> None:
    talk: Any = bench.talk("openai_chat", "anthropic")
    talk.say("Use the tool")
    said = talk.ask(THINKING)
    talk.result(said.calls[0], "noon")
    from routing import keys

    other = keys.create(name="other")[1]
    bench.gateway.settle()
    talk.client = talk.client.with_options(api_key=other)
    talk.ask(THINKING)
    assert proofs(bench.sent["messages"]) == []


TAGGED = [
    (["<think>Let me see.</think>The answer"], "Let me see.", "The answer"),
    (["<th", "ink>\nLet", " me see.", "</thi", "nk>", "\n\nThe ", "answer"], "Let me see.", "The answer"),
    (["<", "t", "h", "i", "n", "k", ">", "a<b", "<", "/think", ">", "c"], "a<b", "c"),
    (["The tag <think> in the middle stays"], "", "The tag <think> in the middle stays"),
]


@streams
@clients
@each(tagged=TAGGED)
def test_think_tags_become_reasoning(bench: Bench, client: str, stream: bool, tagged: tuple[Any, str, str]) -> None:
    pieces, thought, text = tagged
    bench.provider.plays(sim.chat(pieces, reasoning=""))
    talk = bench.talk(client, "openai_chat")
    talk.say("Think")
    said = talk.ask(stream=stream)
    assert (said.reasoning.strip(), said.text.strip()) == (thought, text)
