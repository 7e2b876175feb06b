"""Server-sent events, however the network cuts them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.wire import frames
from providers.wire.frames import EventSplitter, FrameTooLong, payload

EVENTS = [
    b'data: {"a":1}',
    b": a comment",
    b"event: error\ndata: {}",
    b"data: one\ndata: two",
    "data: \u2028 and \u2029 and \x0b\x85 are data".encode(),
    b"id: 7\nretry: 10",
    b"data:",
    b"data: [DONE]",
]
ENDS = [b"\n", b"\r\n", b"\r"]


def feed_all(pieces: list[bytes]) -> list[bytes]:
    splitter = EventSplitter()
    found = [frame for piece in pieces for frame in splitter.feed(piece)]
    rest = splitter.flush()
    return [*found, rest] if rest else found


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def wire(events: list[bytes], end: bytes) -> bytes:
    return b"".join(event.replace(b"\n", end) + end + end for event in events)


@pytest.mark.parametrize("end", ENDS)
def test_every_place_to_cut_gives_the_same_events(end: bytes) -> None:
    stream = wire(EVENTS, end)
    for place in range(len(stream) + 1):
        assert feed_all([stream[:place], stream[place:]]) == EVENTS


@pytest.mark.parametrize("end", ENDS)
def test_byte_by_byte(end: bytes) -> None:
    stream = wire(EVENTS, end)
    assert feed_all([stream[i : i + 1] for i in range(len(stream))]) == EVENTS


@given(st.data())
def test_any_cutting_and_any_mix_of_line_ends(data: st.DataObject) -> None:
    events = data.draw(st.lists(st.sampled_from(EVENTS), max_size=6))
    stream = b""
    for event in events:
        # An LF right after a CR is half of one line end, so a line that ends in CR is followed by no LF of its own.
        line, blank = data.draw(st.sampled_from([(a, b) for a in ENDS for b in ENDS if (a, b) != (b"\r", b"\n")]))
        stream += event.replace(b"\n", line) + line + blank
        if blank == b"\r":
            stream += b": x\n\n"
    expected = feed_all([stream])
    places = data.draw(st.lists(st.integers(0, max(len(stream), 1)), max_size=12))
    assert feed_all(cut(stream, places)) == expected
    assert [frame for frame in expected if frame != b": x"] == events


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"data: x", b"", b":", b"\n\n", b"\x00\xff"])), st.data())
def test_whatever_comes_cutting_changes_nothing(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    places = data.draw(st.lists(st.integers(0, 60), max_size=10))
    assert feed_all(cut(stream, places)) == feed_all([stream])


def test_an_event_is_told_as_soon_as_it_ends() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: a\n") == []
    assert splitter.feed(b"\ndata: b") == [b"data: a"]
    assert splitter.feed(b"\r") == []
    assert splitter.feed(b"\r") == [b"data: b"]  # not only with the next byte, which may be long in coming
    assert splitter.feed(b"\ndata: c\n\n") == [b"data: c"]


def test_blank_lines_make_no_events() -> None:
    assert feed_all([b"\n\n\n\n\ndata: a\n\n\n\n\n\n", b"\n\ndata: b\n\n\n"]) == [b"data: a", b"data: b"]


def test_what_lacks_its_blank_line_is_given_at_the_end_once() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: a\n\ndata: b\n") == [b"data: a"]
    assert splitter.flush() == b"data: b"
    assert splitter.flush() == b""


def test_an_endless_event_is_refused_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_FRAME", 100)
    splitter = EventSplitter()
    splitter.feed(b"data: " + b"x" * 94)
    with pytest.raises(FrameTooLong, match="longer than 100 bytes"):
        splitter.feed(b"x")
    assert splitter.flush() == b""
    assert splitter.feed(b"data: a\n\n") == [b"data: a"]
    with pytest.raises(FrameTooLong):
        splitter.feed(b"data: b\n\n" + b"x" * 101)


def test_a_long_event_is_looked_through_once() -> None:
    """Linear work: what was held is neither copied nor searched again for every piece that comes."""

    class Counted(bytearray):
        looked_at = 0

        def find(self, what: bytes, start: int = 0) -> int:  # type: ignore[override]
            Counted.looked_at += len(self) - start
            return super().find(what, start)

    splitter = EventSplitter()
    held = splitter._rest = Counted()
    piece, count = b"x" * 1024, 5000
    for _ in range(count):
        assert splitter.feed(piece) == []
    assert splitter._rest is held, "what is held must grow in place"
    assert Counted.looked_at <= len(piece) * count + count
    assert splitter.feed(b"\n\n") == [piece * count]


@pytest.mark.parametrize(
    ("frame", "data"),
    [
        (b"data: x", b"x"),
        (b"data:x", b"x"),
        (b"data:  x", b" x"),
        (b"data: a\ndata: b", b"a\nb"),
        (b"data:\ndata: b", b"\nb"),
        (b"event: e\ndata: x\nid: 1", b"x"),
        (b": data: x", b""),
        (b"database: x", b""),
        (b"event: ping", b""),
        (b"", b""),
        ("data: \u2028x".encode(), "\u2028x".encode()),
    ],
)
def test_payload(frame: bytes, data: bytes) -> None:
    assert payload(frame) == data
