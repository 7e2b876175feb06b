"""Whatever a gateway sends, the simulator refuses it or answers it, and never breaks."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.formats import FORMATS
from tests.simulator.moments import Moment
from tests.simulator.types import Ask, Received, Rules, Speech
from tests.test_simulator_anthropic import ACCEPTED as MESSAGES
from tests.test_simulator_gemini import ACCEPTED as GENERATE
from tests.test_simulator_openai import ACCEPTED as CHAT
from tests.test_simulator_responses import ACCEPTED as RESPONSES

BODIES: dict[str, tuple[str, list[Any]]] = {
    "openai_chat": ("/v1/chat/completions", list(CHAT.values())),
    "openai_responses": ("/v1/responses", list(RESPONSES.values())),
    "anthropic": ("/v1/messages", list(MESSAGES.values())),
    "gemini": ("/v1beta/models/sim-3:generateContent", [body for _, body in GENERATE.values()]),
}
HEADERS = (("content-type", "application/json"), ("anthropic-version", "2023-06-01"))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(-3, 3)
    | st.sampled_from(["", "x", "user", "text", "type"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "role", "name", "x"]), inner),
    max_leaves=4,
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything inside a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, it in inner for path in [(*at, key), *places(it, (*at, key))]]


def bent(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    """The value with something else at a place; deleted there when it is `...`."""
    value = copy.deepcopy(value)
    holder = value
    for key in at[:-1]:
        holder = holder[key]
    if new is ...:
        del holder[at[-1]]
    else:
        holder[at[-1]] = new
    return value


def answered(format: str, body: Any) -> int:
    """The status of what the simulator says to a body."""
    vendor, path = FORMATS[format], BODIES[format][0]
    received = Received("POST", path, "", HEADERS, json.dumps(body).encode(), 0.0, Moment())
    operation, rules = vendor.operation("POST", path), Rules()
    assert operation is not None
    if refusal := vendor.refusal(operation, received, rules):
        assert vendor.error(refusal)
        return refusal.status
    return vendor.reply(Ask(received, operation, vendor, rules, 1), Speech()).status


@pytest.mark.parametrize("format", BODIES)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_bent_bodies_are_refused_or_answered(format: str, data: st.DataObject) -> None:
    body = data.draw(st.sampled_from(BODIES[format][1]))
    body = bent(body, data.draw(st.sampled_from(places(body))), data.draw(st.just(...) | JSON))
    assert answered(format, body) in (200, 400, 404)


@pytest.mark.parametrize("format", BODIES)
@settings(max_examples=50, deadline=None)
@given(body=JSON)
def test_any_json_is_refused(format: str, body: Any) -> None:
    assert answered(format, body) == 400
