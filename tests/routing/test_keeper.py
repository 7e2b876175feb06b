"""Signed reasoning is kept per caller and put back where a client's format had no place for it."""

from __future__ import annotations

from msgspec.structs import replace

from providers.wire.types import Message, Part, Proof, Reasoning, Request, Text, ToolCall, ToolResult
from routing.gateway.keeper import SECONDS, Keeper

SIGNED = Reasoning(text="because", proof=Proof(family="anthropic", kind="signature", value="c2ln"))
CALL = ToolCall(id="call_1", name="look", arguments="{}")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def request(*parts: Part) -> Request:
    said = Message(role="assistant", parts=parts)
    asked = Message(role="user", parts=(Text(text="look it up"),))
    result = Message(role="user", parts=(ToolResult(id="call_1", parts=(Text(text="found"),)),))
    return Request(model="m", messages=(asked, said, result))


def turn(keeper: Keeper, caller: str, *parts: Part) -> tuple[Part, ...]:
    return keeper.attach(caller, request(*parts)).messages[1].parts


def test_a_tool_turn_gets_its_reasoning_back() -> None:
    keeper = Keeper()
    keeper.remember("7", (SIGNED, Text(text="Let me see."), CALL))
    assert turn(keeper, "7", Text(text="Let me see."), CALL) == (SIGNED, Text(text="Let me see."), CALL)


def test_reasoning_text_without_its_signature_is_replaced_by_the_whole() -> None:
    keeper = Keeper()
    keeper.remember("7", (SIGNED, CALL))
    assert turn(keeper, "7", Reasoning(text="because"), CALL) == (SIGNED, CALL)


def test_a_turn_without_calls_is_found_by_its_text() -> None:
    keeper = Keeper()
    keeper.remember("7", (SIGNED, Text(text="It is 4.")))
    assert turn(keeper, "7", Text(text="It is 4.")) == (SIGNED, Text(text="It is 4."))
    assert turn(keeper, "7", Text(text="It is 5.")) == (Text(text="It is 5."),)


def test_a_signed_call_gets_its_signature_back() -> None:
    keeper = Keeper()
    signed = replace(CALL, proof=Proof(family="gemini", kind="thought", value="dGhvdWdodA=="))
    keeper.remember("7", (signed,))
    assert turn(keeper, "7", CALL) == (signed,)


def test_nobody_gets_anothers() -> None:
    keeper = Keeper()
    keeper.remember("7", (SIGNED, CALL))
    assert turn(keeper, "8", CALL) == (CALL,)


def test_what_the_client_carries_itself_stays() -> None:
    keeper = Keeper()
    keeper.remember("7", (SIGNED, CALL))
    own = replace(SIGNED, proof=replace(SIGNED.proof or Proof(family="", kind="", value=""), value="b3du"))
    assert turn(keeper, "7", own, CALL) == (own, CALL)


def test_it_forgets_in_time() -> None:
    clock = Clock()
    keeper = Keeper(clock)
    keeper.remember("7", (SIGNED, CALL))
    clock.now = SECONDS - 1
    assert turn(keeper, "7", CALL) == (SIGNED, CALL)
    clock.now += SECONDS - 1  # used meanwhile: the time runs anew
    assert turn(keeper, "7", CALL) == (SIGNED, CALL)
    clock.now += SECONDS + 1
    assert turn(keeper, "7", CALL) == (CALL,)
    assert keeper.size == 0


def test_it_is_bounded() -> None:
    keeper = Keeper(most_bytes=10_000)
    for number in range(1000):
        keeper.remember("7", (SIGNED, replace(CALL, id=f"call_{number}")))
        assert keeper.size <= 10_000
    assert turn(keeper, "7", replace(CALL, id="call_0")) == (replace(CALL, id="call_0"),)
    assert turn(keeper, "7", replace(CALL, id="call_999")) == (SIGNED, replace(CALL, id="call_999"))
