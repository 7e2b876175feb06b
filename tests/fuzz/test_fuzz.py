"""A short run of every fuzz entry; ``python -m tests.fuzz`` looks longer."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.wire.formats import FORMATS
from providers.wire.frames import MAX_FRAME
from providers.wire.media.events import Watch
from providers.wire.translation import Names
from routing.gateway.streams import ChatStream, PassedStream
from tests.fuzz.bounds import within_memory, within_time
from tests.fuzz.entries import ASKED, ENTRIES, Entry, translated
from tests.fuzz.inputs import documents, raw_extremes

entries = pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)


@entries
def test_odd_documents_are_read_or_refused(entry: Entry) -> None:
    @settings(max_examples=25)
    @given(seed=st.integers(0, 2**32))
    def run(seed: int) -> None:
        within_time(entry.run, documents(entry.kind, Random(seed)))

    run()


@entries
def test_extremes_take_little_time(entry: Entry) -> None:
    for name, data in raw_extremes():
        try:
            within_time(entry.run, data)
        except Exception as wrong:
            wrong.add_note(f"with {name}")
            raise


@entries
def test_extremes_take_little_memory(entry: Entry) -> None:
    for name, data in raw_extremes():
        if name.startswith("endless"):
            try:
                within_memory(entry.run, data[:60_000])
            except Exception as wrong:
                wrong.add_note(f"with {name}")
                raise


CHAT = FORMATS["openai_chat"]
STREAMS: dict[str, Callable[[], Any]] = {
    "chat": lambda: ChatStream(pass_usage=True),
    "passed": lambda: PassedStream(reader=CHAT.reader(Names()), tell=lambda parts, body: None),
    "translated": lambda: translated(CHAT.reader(Names()), CHAT.writer(ASKED)),
    "media": Watch,
}


@pytest.mark.parametrize("make", STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize("begins", [b"data: ", b": ", b'data: {"choices":[{"delta":{"content":"', b""])
def test_an_event_without_end_is_a_failure_and_not_kept(make: Callable[[], Any], begins: bytes) -> None:
    """What a provider sends without ever ending an event is let go of at MAX_FRAME."""
    stream = make()
    stream.feed(begins)
    piece = b"x" * (1024 * 1024)
    fed = 0
    while stream.failure is None:
        assert fed <= MAX_FRAME + len(piece)
        assert not stream.feed(piece)
        fed += len(piece)
