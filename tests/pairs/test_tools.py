"""Tools: their schemas, choices, calls and results, of every client with every upstream."""

from __future__ import annotations

import json

from tests import simulator as sim
from tests.pairs.conftest import Bench, pairs, streams
from tests.pairs.words import PICTURE, Spec, Wish, plain

PLACE = {
    "type": "object",
    "properties": {
        "place": {"$ref": "#/$defs/Place"},
        "days": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2},
        "unit": {"anyOf": [{"type": "string", "enum": ["C", "F"]}, {"type": "null"}]},
    },
    "required": ["place", "days", "unit"],
    "additionalProperties": False,
    "$defs": {
        "Place": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "zip": {"type": ["string", "null"]}},
            "required": ["city", "zip"],
            "additionalProperties": False,
        }
    },
}
WEATHER = Spec("get_weather", PLACE)
CLOCK = Spec("get_time", None)
NAMED = Spec("mcp__files__read-all", {"type": "object", "properties": {"path": {"type": "string"}}})
LONG = Spec("a_tool_whose_name_is_as_long_as_any_vendor_takes_them_to_be_long", {"type": "object", "properties": {}})
TOOLS = (WEATHER, CLOCK, NAMED)
ARGUMENTS = {"place": {"city": "Łódź \u2028", "zip": None}, "days": [1, 2], "unit": "C", "exact": 1.5e-7}


@streams
@pairs
def test_a_loop_of_two_turns(bench: Bench, client: str, upstream: str, stream: bool) -> None:
    bench.provider.plays(sim.chat("I shall look.", tool_calls=[sim.ToolCall("get_weather", ARGUMENTS)]))
    talk = bench.talk(client, upstream)
    talk.say("What is the weather?")
    said = talk.ask(Wish(tools=TOOLS), stream=stream)
    assert said.finish == "tool_calls"
    assert [(it.name, it.arguments) for it in said.calls] == [("get_weather", ARGUMENTS)]
    assert said.text == "I shall look."
    talk.result(said.calls[0], "12 degrees")
    said = talk.ask(Wish(tools=TOOLS), stream=stream)
    assert "12 degrees" in said.text
    assert said.finish == "stop"
    assert bench.dropped == set()
    assert [row.result for row in bench.records(2)] == ["ok", "ok"]


@streams
@pairs
def test_calls_at_once_without_and_with_arguments(bench: Bench, client: str, upstream: str, stream: bool) -> None:
    calls = [sim.ToolCall("get_time"), sim.ToolCall("mcp__files__read-all", {"path": "/a"}), sim.ToolCall("get_time")]
    bench.provider.plays(sim.chat((), tool_calls=calls))
    talk = bench.talk(client, upstream)
    talk.say("Use them all")
    said = talk.ask(Wish(tools=TOOLS), stream=stream)
    assert [(it.name, it.arguments) for it in said.calls] == [
        ("get_time", {}),
        ("mcp__files__read-all", {"path": "/a"}),
        ("get_time", {}),
    ]
    if client != "gemini":
        assert len({it.id for it in said.calls}) == 3
        assert all(it.id for it in said.calls)
    for number, call in enumerate(said.calls):
        talk.result(call, f"result {number}")
    assert all(f"result {number}" in talk.ask(Wish(tools=TOOLS), stream=stream).text for number in range(1))


@pairs
def test_a_forced_tool_and_its_schema(bench: Bench, client: str, upstream: str) -> None:
    """The upstream makes the arguments up from the schema it was given: all of it must have come through."""
    talk = bench.talk(client, upstream)
    talk.say("Go")
    [call] = talk.ask(Wish(tools=TOOLS, choice="get_weather")).calls
    assert (call.name, call.arguments) == (
        "get_weather",
        {"place": {"city": "text", "zip": "text"}, "days": [1, 1], "unit": "C"},
    )


@pairs
def test_any_tool_or_none(bench: Bench, client: str, upstream: str) -> None:
    for choice, names in (("required", ["get_time"]), ("none", []), ("auto", [])):
        talk = bench.talk(client, upstream)
        talk.say("Go on")
        said = talk.ask(Wish(tools=(CLOCK, WEATHER), choice=choice))
        assert [it.name for it in said.calls] == names, choice


@pairs
def test_a_forced_tool_while_reasoning_is_never_refused(bench: Bench, client: str, upstream: str) -> None:
    if client == upstream == "anthropic":
        return  # passed through: the vendor refuses it, and says so
    talk = bench.talk(client, upstream)
    talk.say("Go on")
    talk.ask(Wish(tools=(CLOCK,), choice="required", effort="high"))
    assert bench.dropped == ({"tool_choice"} if upstream == "anthropic" else set())


@streams
@pairs
def test_a_long_name_comes_back_as_it_was(bench: Bench, client: str, upstream: str, stream: bool) -> None:
    talk = bench.talk(client, upstream)
    talk.say("Use the tool")
    said = talk.ask(Wish(tools=(LONG,), choice=LONG.name), stream=stream)
    assert [it.name for it in said.calls] == [LONG.name]
    talk.result(said.calls[0], "done")
    assert "done" in talk.ask(Wish(tools=(LONG,)), stream=stream).text


@pairs
def test_a_result_that_is_an_error(bench: Bench, client: str, upstream: str) -> None:
    talk = bench.talk(client, upstream)
    talk.say("Use the tool")
    [call] = talk.ask(Wish(tools=(CLOCK,))).calls
    talk.result(call, "the clock is broken", error=True)
    assert "the clock is broken" in talk.ask(Wish(tools=(CLOCK,))).text
    told = json.dumps(bench.sent)
    if client in ("anthropic", "gemini"):  # the others have no word for it
        assert '"is_error": true' in told if upstream == "anthropic" else "rror" in told


@pairs
def test_a_result_with_a_picture(bench: Bench, client: str, upstream: str) -> None:
    if client == "openai_chat":
        return  # its results are text
    talk = bench.talk(client, upstream)
    talk.say("Use the tool")
    [call] = talk.ask(Wish(tools=(CLOCK,))).calls
    talk.result(call, "see here", PICTURE)
    talk.ask(Wish(tools=(CLOCK,)))
    told = plain(bench.sent)
    assert "see here" in told
    assert told.count(PICTURE.base64.rstrip("=")) == 1


@pairs
def test_a_conversation_may_move_to_another_upstream(bench: Bench, client: str, upstream: str) -> None:
    """Reasoning, calls and results of one vendor never make another refuse, nor the first one afterwards."""
    talk = bench.talk(client, upstream)
    talk.say("Use the tool")
    wish = Wish(tools=(CLOCK,), effort="high")
    said = talk.ask(wish, stream=True)
    talk.result(said.calls[0], "noon")
    for other in ("openai_chat", "openai_responses", "anthropic", "gemini", upstream):
        talk.model = bench.name(other)
        assert talk.ask(wish).text
        talk.say("Use the tool again")
        said = talk.ask(wish, stream=True)
        assert [it.name for it in said.calls] == ["get_time"]
        talk.result(said.calls[0], "later")
