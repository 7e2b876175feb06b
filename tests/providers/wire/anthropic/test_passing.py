"""Messages that go through under the name of the model that was asked for."""

from __future__ import annotations

import json

import pytest

from providers.wire.anthropic.passing import named, named_start
from providers.wire.frames import payload

REPLY = (
    b'{"id":"msg_1","model":"their-name","content":[{"type":"text","text":"caf\xc3\xa9"}],"big":1e400,"new":{"a":[]}}'
)
START = b'event: message_start\ndata: {"type":"message_start","message":' + REPLY + b',"more":1}'


def test_only_the_name_of_a_whole_reply_changes() -> None:
    assert named(REPLY, 'a/"b"') == REPLY.replace(b'"their-name"', b'"a/\\"b\\""')


@pytest.mark.parametrize("reply", [b"", b"<html>", b"[1]", b'{"type":"error","error":{}}', b'{"model":'])
def test_what_has_no_model_stays_as_it_is(reply: bytes) -> None:
    assert named(reply, "mine") == reply


def test_only_the_name_in_the_opening_frame_changes() -> None:
    frame = named_start(START, "mine")
    assert frame == START.replace(b'"their-name"', b'"mine"')
    assert json.loads(payload(frame))["message"]["model"] == "mine"


@pytest.mark.parametrize(
    "frame",
    [
        b'event: ping\ndata: {"type":"ping"}',
        b'data: {"type":"content_block_delta","delta":{"text":"\\"message_start\\""}}',
        b'data: {"type":"content_block_delta","index":"message_start"}',
        b'data: {"type":"message_start"}',
        b'data: {"type":"message_start","message":[]}',
        b'data: {"type":"message_start","message":',
        b": comment",
        b"",
    ],
)
def test_other_frames_are_not_touched(frame: bytes) -> None:
    assert named_start(frame, "mine") is None
