"""Hostile bytes: honest documents with something odd in them, and extremes of every kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

GOLDEN = Path(__file__).parents[1] / "golden"
LONG = 300_000  # characters of a long text
DEEP = 20_000  # levels of a deep nesting: far beyond Python's stack


class Verbatim(str):
    """JSON text that stands for itself: what ``json.dumps`` would never write."""


# Values that take the place of honest ones.
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, "", " ", [], {}, [None], [[]], {"": None}, {"type": None}, {"type": {}}, "[DONE]",
    Verbatim("1e999"), Verbatim("-1e999"), Verbatim("1e-999"), Verbatim("9" * 5000), Verbatim("-" + "9" * 400),
    Verbatim("9007199254740993"), Verbatim("0." + "1" * 2000), Verbatim("1e400000"), Verbatim("NaN"),
    Verbatim('"\\ud800"'), Verbatim('"\\udc00\\ud800"'), Verbatim('"\\u0000"'), Verbatim('"a\\u0000b"'),
    Verbatim('{"\\ud800":"\\udfff"}'), Verbatim('{"a":1,"a":2}'), "\u2028\u2029\u0085", "\r\n\r\n", "data: {}\n\n",
    "<think>", "</think>", "<think", "{", '{"a":', "base64", "data:image/png;base64,", "data:,", "http://", "://",
    Verbatim("[" * DEEP + "]" * DEEP), Verbatim('{"a":' * DEEP + "1" + "}" * DEEP), Verbatim("[" * DEEP),
    Verbatim('{"items":' * 200 + '{"type":"string"}' + "}" * 200), {"$ref": "#"}, {"$ref": "#/$defs/a"},
    {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}, {"type": "object", "properties": {"a": {"$ref": "#"}}},
    "x" * LONG, "\u00e9" * 1000, [0] * 5000, [{}] * 2000, [""] * 2000, {str(n): n for n in range(2000)},
)  # fmt: skip


@cache
def raw_extremes() -> tuple[tuple[str, bytes], ...]:
    """Bytes that are no honest document at all, by name."""
    return (
        ("nothing", b""),
        ("NUL", b"\0"),
        ("many NULs", b"\0" * LONG),
        ("no text", bytes(range(256)) * 100),
        ("half a character", b'{"a":"\xc3'),
        ("a raw surrogate", b'{"model":"m","messages":[{"role":"user","content":"\xed\xa0\x80"}]}'),
        ("an endless line", b"x" * 2_000_000),
        ("an endless event", b"data: " + b"x" * 2_000_000),
        ("an endless comment", b":" * 2_000_000),
        ("endless blank lines", b"\n" * 2_000_000),
        ("endless carriage returns", b"\r" * 2_000_000),
        ("endless small events", b"data: {}\n\n" * 20_000),
        ("endless data lines", b"data: {\n" * 100_000),
        ("endless arrays", b"[" * 1_000_000),
        ("endless objects", b'{"a":' * 300_000),
        ("endless arrays in an event", b"data: " + b"[" * 1_000_000 + b"\n\n"),
        ("an endless number", b'{"choices":' + b"9" * 1_000_000 + b"}"),
        ("an endless string", b'"' + b"\\u0000" * 200_000 + b'"'),
        ("an endless escape", b'{"a":"' + b"\\" * 1_000_001),
        ("endless keys", b"{" + b",".join(b'"%d":0' % n for n in range(100_000)) + b"}"),
        ("one key again and again", b'{"a":0' + b',"a":0' * 100_000 + b"}"),
        ("a page", b"<html>" + b"<p>" * 100_000),
        ("endless tags", json.dumps({"choices": [{"message": {"content": "<think>" * 50_000}}]}).encode()),
        ("half tags", b"<think" * 100_000),
        ("dots and colons", b"a.b:c://" * 50_000),
        ("key-like words", b"sk-" * 100_000),
        ("words of failures", b"model is was has been " * 20_000),
        ("dashes", b"--x\r\n" * 100_000),
    )


@cache
def honest(kind: str) -> tuple[bytes, ...]:
    """Documents of one kind, as their vendors and clients write them; see ``seeds``."""
    from tests.fuzz.seeds import SEEDS

    part, _, format = kind.partition("/")
    suffix = {"stream": ".sse", "reply": ".json", "request": ".json"}.get(part, "")
    recorded = sorted((GOLDEN / format).rglob(f"*{suffix}")) if suffix else []
    asked = part == "request"
    found = [path.read_bytes() for path in recorded if path.name.startswith("request") == asked]
    assert found or kind in SEEDS, kind
    return (*SEEDS.get(kind, ()), *found)


def documents(kind: str, random: Random) -> bytes:
    """An honest document, bent somewhere."""
    chosen = random.choice(honest(kind))
    bend = random.choice(BENDS)
    bent = bend(chosen, random)
    return random.choice(BENDS)(bent, random) if random.random() < 0.3 else bent


def cuts(data: bytes, random: Random) -> Iterator[bytes]:
    """The bytes as a network might cut them."""
    at = 0
    longest = random.choice((1, 7, 4096, 65536)) if len(data) < 20_000 else 65536
    while at < len(data):
        size = random.randint(1, longest)
        yield data[at : at + size]
        at += size


# -- bends -----------------------------------------------------------------------------------------------------------
def odd_value(data: bytes, random: Random) -> bytes:
    """Something else in the place of one value, in a JSON document or in one event of a stream."""
    return _rewritten(data, random, lambda value: _replaced(value, random))


def odd_field(data: bytes, random: Random) -> bytes:
    """A field more, or one less."""
    return _rewritten(data, random, lambda value: _refielded(value, random))


def twice(data: bytes, random: Random) -> bytes:
    """An item of a list many times over."""
    return _rewritten(data, random, lambda value: _repeated(value, random))


def cut_short(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def odd_bytes(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.randbytes(random.randint(1, 8)) + data[at + random.randint(0, 8) :]


def events_in_disorder(data: bytes, random: Random) -> bytes:
    """Events left out, doubled, and in another order."""
    events = data.replace(b"\r\n", b"\n").split(b"\n\n")
    random.shuffle(events)
    kept = [event for event in events if random.random() < 0.9]
    return b"\n\n".join(kept + kept[: random.randint(0, 3)]) + b"\n\n"


BENDS: tuple[Callable[[bytes, Random], bytes], ...] = (
    odd_value, odd_value, odd_value, odd_value, odd_field, odd_field, twice, cut_short, odd_bytes, events_in_disorder,
)  # fmt: skip


def _rewritten(data: bytes, random: Random, change: Callable[[Any], Any]) -> bytes:
    try:
        return dumped(change(json.loads(data)))
    except (ValueError, RecursionError):
        pass
    lines = data.split(b"\n")
    told = [number for number, line in enumerate(lines) if line.startswith(b"data: {")]
    if not told:
        return data
    number = random.choice(told)
    try:
        lines[number] = b"data: " + dumped(change(json.loads(lines[number][6:])))
    except (ValueError, RecursionError):
        return data
    return b"\n".join(lines)


def dumped(value: Any) -> bytes:
    """JSON, with verbatim values as they are."""
    marks: dict[str, str] = {}

    def marked(inner: Any) -> Any:
        if isinstance(inner, Verbatim):
            mark = f"@verbatim{len(marks)}@"
            marks[f'"{mark}"'] = str(inner)
            return mark
        if isinstance(inner, dict):
            return {key: marked(item) for key, item in inner.items()}
        return [marked(item) for item in inner] if isinstance(inner, list) else inner

    text = json.dumps(marked(value))
    for mark, said in marks.items():
        text = text.replace(mark, said)
    return text.encode("utf-8", "surrogatepass")


Place = tuple[Any, Any]  # a container, and a key or an index in it


def places(value: Any) -> list[Place]:
    found: list[Place] = []
    left = [value]
    while left:
        inner = left.pop()
        items = inner.items() if isinstance(inner, Mapping) else enumerate(inner) if isinstance(inner, list) else ()
        for key, item in items:
            found.append((inner, key))
            left.append(item)
    return found


def _replaced(value: Any, random: Random) -> Any:
    found = places(value)
    if not found or random.random() < 0.02:
        return random.choice(ODD)
    container, key = random.choice(found)
    container[key] = random.choice(ODD)
    return value


def _refielded(value: Any, random: Random) -> Any:
    objects = [inner for inner in (value, *(holder[key] for holder, key in places(value))) if isinstance(inner, dict)]
    if not objects:
        return value
    chosen = random.choice(objects)
    if chosen and random.random() < 0.5:
        del chosen[random.choice(list(chosen))]
    else:
        other = random.choice(objects)
        name = random.choice(list(other) or ["x"])
        chosen[name] = random.choice(ODD)
    return value


def _repeated(value: Any, random: Random) -> Any:
    lists = [holder[key] for holder, key in places(value) if isinstance(holder[key], list) and holder[key]]
    if lists:
        chosen = random.choice(lists)
        item = random.choice(chosen)
        chosen.extend([item] * random.choice((1, 2, 50, 500)))
    return value
