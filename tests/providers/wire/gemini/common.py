"""What the tests of this format share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from providers.wire.frames import EventSplitter, payload
from providers.wire.gemini.stream import Reader
from providers.wire.translation import Asked, Names
from providers.wire.types import Event, Request

GOLDEN = Path(__file__).parents[3] / "golden" / "gemini"
STREAMS = sorted(path.stem for path in GOLDEN.glob("*.sse"))

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
ANY_JSON = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def golden_json(name: str) -> Any:
    return json.loads(golden(name))


def asked(**fields: Any) -> Asked:
    return Asked(request=Request(model="m", family="gemini", **fields), model="team/fast", id="abc123", created=1)


def read(pieces: list[bytes], names: Names | None = None) -> list[Event]:
    """The events of a stream that comes in these pieces."""
    reader, split = Reader(names or Names()), EventSplitter()
    frames = [frame for piece in pieces for frame in split.feed(piece)] + [split.flush()]
    events = [event for frame in frames for event in reader.frame(payload(frame))]
    events += reader.end()
    assert reader.done
    return events
