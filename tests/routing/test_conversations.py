"""The store behind previous_response_id, conversation and item references."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from openai.types.responses import ResponseItemList

from providers.wire.errors import Refusal
from providers.wire.openai_responses.replies import dump_reply
from providers.wire.openai_responses.requests import dump, parse
from providers.wire.traits import Traits
from providers.wire.translation import Asked
from providers.wire.types import Choice, Message, Part, Proof, Reasoning, Reply, Request, Text, ToolCall, ToolResult
from routing.gateway.conversations import Conversations, conversation_of

SEALED = Proof(family="openai_responses", kind="encrypted", value="gAAAA==", id="rs_up")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Conversations:
    return Conversations(capacity=10, ttl_seconds=60, clock=clock, max_bytes=100_000)


def asks(*items: Any, **fields: Any) -> Request:
    return parse({"model": "m", "input": list(items) or "hi", **fields})


def says(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}


def turn(store: Conversations, name: str, request: Request, *parts: Part, caller: str = "k1") -> Request:
    """One answered request, as the gateway does it. Returns the request with its history."""
    resumed = store.resume(caller, request)
    said = parts or (Text(text=f"answer {name}"),)
    asked = Asked(request=resumed, model="m", id=name, created=1)
    body = dump_reply(Reply(choices=(Choice(parts=said),)), asked)
    store.remember(caller, f"resp_{name}", resumed, said, body, conversation_of(resumed))
    return resumed


def words(messages: tuple[Message, ...]) -> list[str]:
    return [part.text for message in messages for part in message.parts if isinstance(part, Text)]


def refused(store: Conversations, request: Request, caller: str = "k1") -> Refusal:
    with pytest.raises(Refusal) as caught:
        store.resume(caller, request)
    return caught.value


class TestPrevious:
    def test_the_history_comes_before_what_is_new(self, store: Conversations) -> None:
        turn(store, "a", asks(says("user", "one")))
        turn(store, "b", asks(says("user", "two"), previous_response_id="resp_a"))
        resumed = store.resume("k1", asks(says("user", "three"), previous_response_id="resp_b"))
        assert words(resumed.messages) == ["one", "answer a", "two", "answer b", "three"]
        assert [message.role for message in resumed.messages] == ["user", "assistant"] * 2 + ["user"]

    def test_two_may_go_on_from_the_same_response(self, store: Conversations) -> None:
        turn(store, "a", asks(says("user", "one")))
        for text in ("left", "right"):
            resumed = store.resume("k1", asks(says("user", text), previous_response_id="resp_a"))
            assert words(resumed.messages)[-1] == text
            assert len(resumed.messages) == 3

    def test_instructions_are_not_carried_over_but_developer_items_are(self, store: Conversations) -> None:
        turn(store, "a", asks(says("developer", "be kind"), says("user", "one"), instructions="be brief"))
        resumed = store.resume("k1", asks(says("user", "two"), previous_response_id="resp_a", instructions="be long"))
        assert [text.text for text in resumed.system] == ["be long", "be kind"]
        assert words(resumed.messages) == ["one", "answer a", "two"]

    def test_a_developer_item_of_a_later_turn_stays_in_its_place(self, store: Conversations) -> None:
        turn(store, "a", asks(says("user", "one")))
        request = asks(says("developer", "now"), says("user", "two"), previous_response_id="resp_a")
        resumed = turn(store, "b", request)
        assert [message.role for message in resumed.messages] == ["user", "assistant", "system", "user"]
        assert store.history("k1", "resp_b")[:4] == resumed.messages

    def test_a_tool_result_finds_its_call_and_the_seal_goes_with_it(self, store: Conversations) -> None:
        call = ToolCall(id="c1", name="run", arguments="{}")
        turn(store, "a", asks(says("user", "go")), Reasoning(proof=SEALED), call)
        result = {"type": "function_call_output", "call_id": "c1", "output": "ok"}
        resumed = store.resume("k1", asks(result, previous_response_id="resp_a"))
        assert resumed.messages[2].parts == (ToolResult(id="c1", parts=(Text(text="ok"),)),)
        items = dump(resumed, Traits(family="openai_responses")).body["input"]
        assert [item["type"] for item in items] == ["message", "reasoning", "function_call", "function_call_output"]
        assert items[1]["encrypted_content"] == "gAAAA=="

    def test_an_unknown_response_is_refused_as_openai_does(self, store: Conversations) -> None:
        refusal = refused(store, asks(previous_response_id="resp_x"))
        assert (refusal.status, refusal.code) == (404, "previous_response_not_found")
        assert refusal.param == "previous_response_id"
        assert refusal.message == "Previous response with id 'resp_x' not found."

    def test_callers_do_not_see_each_other(self, store: Conversations) -> None:
        turn(store, "a", asks(says("user", "secret")))
        assert refused(store, asks(previous_response_id="resp_a"), caller="k2").status == 404
        with pytest.raises(Refusal):
            store.get("k2", "resp_a")
        with pytest.raises(Refusal):
            store.delete("k2", "resp_a")
        assert store.get("k1", "resp_a")

    def test_store_false_is_obeyed(self, store: Conversations) -> None:
        turn(store, "a", asks(store=False))
        assert len(store) == 0
        assert refused(store, asks(previous_response_id="resp_a")).status == 404


class TestConversation:
    @pytest.mark.parametrize("value", ["conv_1", {"id": "conv_1"}])
    def test_turns_follow_each_other(self, store: Conversations, value: Any) -> None:
        turn(store, "a", asks(says("user", "one"), conversation=value))
        turn(store, "b", asks(says("user", "two"), conversation=value))
        assert words(store.conversation("k1", "conv_1")) == ["one", "answer a", "two", "answer b"]

    def test_one_begins_with_its_first_turn(self, store: Conversations) -> None:
        assert store.conversation("k1", "conv_new") == ()
        assert store.conversation("k2", "conv_1") == ()

    def test_one_that_expired_is_refused_not_begun_anew(self, store: Conversations, clock: Clock) -> None:
        turn(store, "a", asks(conversation="conv_1"))
        clock.now += 61
        assert refused(store, asks(conversation="conv_1")).status == 404

    def test_not_together_with_a_previous_response(self, store: Conversations) -> None:
        assert refused(store, asks(conversation="conv_1", previous_response_id="resp_a")).status == 400

    def test_its_id_is_a_text(self, store: Conversations) -> None:
        assert refused(store, asks(conversation={"id": 1})).status == 400


class TestReferences:
    def test_an_output_item_by_its_id(self, store: Conversations) -> None:
        turn(store, "a", asks(says("user", "one")))
        (item,) = msgspec.json.decode(store.get("k1", "resp_a"))["output"]
        resumed = store.resume("k1", asks({"type": "item_reference", "id": item["id"]}, says("user", "two")))
        assert words(resumed.messages) == ["answer a", "two"]

    def test_an_input_item_by_its_id(self, store: Conversations) -> None:
        turn(store, "a", asks(says("user", "one")))
        (item,) = store.input_items("k1", "resp_a")
        resumed = store.resume("k1", asks({"type": "item_reference", "id": item["id"]}, says("user", "two")))
        assert [(message.role, words((message,))) for message in resumed.messages] == [
            ("user", ["one"]),
            ("user", ["two"]),
        ]

    @pytest.mark.parametrize("caller", ["k1", "k2"])
    def test_an_unknown_one_is_refused(self, store: Conversations, caller: str) -> None:
        turn(store, "a", asks(says("user", "one")), caller="k3")
        (item,) = msgspec.json.decode(store.get("k3", "resp_a"))["output"]
        refusal = refused(store, asks({"type": "item_reference", "id": item["id"]}), caller)
        assert (refusal.status, refusal.param) == (404, "input")


class TestResources:
    def test_a_response_is_given_as_it_was_answered(self, store: Conversations) -> None:
        turn(store, "a", asks(says("user", "one")))
        assert msgspec.json.decode(store.get("k1", "resp_a"))["id"] == "resp_a"

    def test_deleted_is_gone(self, store: Conversations) -> None:
        turn(store, "a", asks())
        store.delete("k1", "resp_a")
        with pytest.raises(Refusal) as caught:
            store.get("k1", "resp_a")
        assert caught.value.status == 404
        with pytest.raises(Refusal):
            store.delete("k1", "resp_a")
        assert (len(store), store.size) == (0, 0)

    def test_input_items_are_valid_and_have_ids(self, store: Conversations) -> None:
        calls = (ToolCall(id="c1", name="run", arguments="{}"), ToolCall(id="c2", name="patch", custom=True))
        turn(store, "a", asks(says("developer", "be kind"), says("user", "go")), Reasoning(proof=SEALED), *calls)
        results = [
            {"type": "function_call_output", "call_id": "c1", "output": "ok"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "ok"},
        ]
        turn(store, "b", asks(*results, previous_response_id="resp_a"))
        items = store.input_items("k1", "resp_b")
        kinds = ["message", "message", "reasoning", "function_call", "custom_tool_call"]
        assert [item["type"] for item in items] == [*kinds, "function_call_output", "custom_tool_call_output"]
        assert [item.get("role") for item in items[:2]] == ["developer", "user"]
        listed = {"object": "list", "data": items, "first_id": items[0]["id"], "last_id": items[-1]["id"]}
        read = ResponseItemList.model_validate({**listed, "has_more": False})
        assert len({item.id for item in read.data}) == len(items)


class TestBounds:
    def test_everything_expires(self, store: Conversations, clock: Clock) -> None:
        turn(store, "a", asks(says("user", "one")))
        clock.now += 59.9
        assert store.get("k1", "resp_a")
        clock.now += 0.1
        for ask in (store.get, store.history, store.input_items, store.delete):
            with pytest.raises(Refusal):
                ask("k1", "resp_a")
        assert (len(store), store.size) == (0, 0)

    def test_what_expired_makes_room_by_itself(self, store: Conversations, clock: Clock) -> None:
        for name in "abc":
            turn(store, name, asks())
        clock.now += 61
        turn(store, "d", asks())
        assert len(store) == 1

    def test_the_least_recently_used_goes_first(self, store: Conversations) -> None:
        for number in range(10):
            turn(store, f"n{number}", asks())
        store.history("k1", "resp_n0")
        turn(store, "last", asks())
        assert len(store) == 10
        assert store.get("k1", "resp_n0")
        assert refused(store, asks(previous_response_id="resp_n1")).status == 404

    def test_bytes_are_bounded(self, store: Conversations) -> None:
        for number in range(8):
            turn(store, f"n{number}", asks(says("user", "x" * 30_000)))
            assert store.size <= 100_000
        assert 0 < len(store) < 8

    def test_what_is_larger_than_all_the_room_is_not_kept(self, store: Conversations) -> None:
        turn(store, "small", asks())
        turn(store, "big", asks(says("user", "x" * 200_000)))
        assert store.get("k1", "resp_small")
        assert refused(store, asks(previous_response_id="resp_big")).status == 404

    def test_nothing_is_left_of_what_was_forgotten(self, clock: Clock) -> None:
        store = Conversations(capacity=3, ttl_seconds=60, clock=clock, max_bytes=100_000)
        for number in range(50):
            turn(store, f"n{number}", asks(conversation=f"conv_{number}"))
        assert len(store) <= 3
        assert len(store._items) <= 3
        assert len(store._latest) <= 3

    def test_the_same_id_again_replaces(self, store: Conversations) -> None:
        turn(store, "a", asks(says("user", "one")))
        size = store.size
        turn(store, "a", asks(says("user", "one")))
        assert (len(store), store.size) == (1, size)
