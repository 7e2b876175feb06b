"""AWS event streams: whole messages whatever the network does, and nothing that its checksums do not vouch for."""

from __future__ import annotations

import struct
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.special.events import Messages
from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.eventstream import BrokenStream, Message, MessageSplitter, encoded, error_from, failure_of
from providers.wire.frames import MAX_FRAME, FrameTooLong

HELLO = encoded({":message-type": "event", ":event-type": "chunk"}, b'{"a":1}')
# Written out by hand from the format's description: no headers, payload "{}".
PRELUDE = struct.pack(">II", 18, 0)
BARE = PRELUDE + struct.pack(">I", crc32(PRELUDE)) + b"{}"
BARE += struct.pack(">I", crc32(BARE))


def read(*pieces: bytes) -> list[Message]:
    split = MessageSplitter()
    found = [message for piece in pieces for message in split.feed(piece)]
    assert not split.cut
    return found


def test_a_message() -> None:
    assert read(HELLO) == [Message(headers={":message-type": "event", ":event-type": "chunk"}, payload=b'{"a":1}')]
    assert read(BARE) == [Message(headers={}, payload=b"{}")]
    assert encoded({}, b"{}") == BARE


@given(st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=60)), max_size=4), st.data())
def test_messages_do_not_depend_on_where_the_network_cuts(said: list[tuple[str, bytes]], data: st.DataObject) -> None:
    stream = b"".join(encoded({":event-type": name}, payload) for name, payload in said)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [(m.headers[":event-type"], m.payload) for m in read(*pieces)] == said


@given(st.integers(0, len(HELLO) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed_or_waits_for_more(at: int, by: int) -> None:
    bent = bytearray(HELLO)
    bent[at] ^= by
    with pytest.raises((BrokenStream, FrameTooLong)):
        MessageSplitter().feed(bytes(bent))


def test_what_is_whole_before_a_broken_message_is_not_lost() -> None:
    split = MessageSplitter()
    bent = bytes([*HELLO[:-1], HELLO[-1] ^ 1])
    assert [message.payload for message in split.feed(HELLO + HELLO + bent + HELLO)] == [b'{"a":1}'] * 2
    assert split.cut
    for _ in range(2):
        with pytest.raises(BrokenStream):
            split.feed(b"")


@pytest.mark.parametrize("again", [lambda messages: messages.feed(b""), lambda messages: messages.end()])
def test_what_was_said_before_a_failure_is_not_lost(again: Any) -> None:
    failing = encoded({":message-type": "exception", ":exception-type": "throttlingException"}, b'{"message":"Slow"}')
    messages = Messages(lambda message: message.payload)
    assert messages.feed(HELLO + failing + HELLO) == b'{"a":1}'
    with pytest.raises(UpstreamFailure, match="Slow"):
        again(messages)
    with pytest.raises(UpstreamFailure, match="Slow"):
        Messages(lambda message: message.payload).feed(failing + HELLO)


def test_other_types_of_headers_are_passed_over() -> None:
    lines = b"\x01a\x00" + b"\x01b\x04\x00\x00\x00\x07" + b"\x01c\x06\x00\x02xy" + b"\x01d\x07\x00\x01z"
    prelude = struct.pack(">II", 16 + len(lines), len(lines))
    head = prelude + struct.pack(">I", crc32(prelude)) + lines
    assert read(head + struct.pack(">I", crc32(head))) == [Message(headers={"d": "z"}, payload=b"")]


@pytest.mark.parametrize("lines", [b"\x05ab", b"\x01a\x63", b"\x01a\x07\x00\x09x", b"\x01a\x04\x00"])
def test_broken_headers(lines: bytes) -> None:
    prelude = struct.pack(">II", 16 + len(lines), len(lines))
    head = prelude + struct.pack(">I", crc32(prelude)) + lines
    with pytest.raises(BrokenStream):
        MessageSplitter().feed(head + struct.pack(">I", crc32(head)))


def prelude(total: int, headers: int) -> bytes:
    lengths = struct.pack(">II", total, headers)
    return lengths + struct.pack(">I", crc32(lengths))


def test_lengths_are_bounded_before_anything_is_kept() -> None:
    with pytest.raises(FrameTooLong):
        MessageSplitter().feed(prelude(MAX_FRAME + 1, 0))
    for total, headers in ((15, 0), (20, 5)):
        with pytest.raises(BrokenStream):
            MessageSplitter().feed(prelude(total, headers))


def test_a_stream_that_stops_within_a_message_is_cut() -> None:
    split = MessageSplitter()
    assert split.feed(HELLO[:-1]) == [] and split.cut
    assert len(split.feed(HELLO[-1:])) == 1 and not split.cut


def test_failures_keep_their_name_and_words() -> None:
    failure = failure_of("throttlingException", b'{"message":"Too many tokens"}')
    assert (failure.code, failure.message, failure.status) == ("ThrottlingException", "Too many tokens", None)
    told = error_from(b'{"__type":"com.amazon#AccessDeniedException","Message":"No"}', 403)
    assert told is not None and (told.code, told.message, told.status) == ("AccessDeniedException", "No", 403)
    assert error_from(b"<html>", 502) is None and error_from(b"[]", 500) is None
    assert failure_of("x", b"\xff").kind is Kind.SERVER
