"""How a reply goes over the wire: whole and at once, or slowly, in pieces, and not to its end."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from .moments import Moment
from .sockets import Connection
from .types import Received, Reply

PIECES = 4  # a plain body that is to be interrupted is sent in this many


@dataclass(frozen=True)
class Delivery:
    """Times in seconds; `after` and `gate_after` count frames of a stream, or quarters of a plain body."""

    delay: float | None = 0.0  # before the first byte; None: for ever
    interval: float = 0.0
    gate: Moment | None = None
    gate_after: int | None = None  # None: the gate is before the first byte
    end: Literal["whole", "cut", "reset", "stall"] = "whole"
    after: int = 0
    sizes: Sequence[int] = ()  # cut the body anew, across frames, into pieces of these sizes, repeated
    newline: str = "\n"
    comment: str | None = None  # a comment before every frame
    until_close: bool = False  # no length and no chunks: the body ends with the connection
    then_close: bool = False  # close the kept-alive connection after the answer, unannounced


class Cutter:
    """Cuts bytes into pieces of the given sizes, whatever pieces they come in."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = sizes
        self._turn = 0
        self._kept = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        if not self._sizes:
            yield data
            return
        self._kept += data
        while len(self._kept) >= (size := self._sizes[self._turn % len(self._sizes)]):
            yield self._kept[:size]
            self._kept = self._kept[size:]
            self._turn += 1

    def rest(self) -> Iterator[bytes]:
        if self._kept:
            yield self._kept
            self._kept = b""


async def deliver(reply: Reply, how: Delivery, wire: Connection, received: Received) -> bool:
    """Play a reply. True when the connection can carry another request."""
    if how.gate is not None and how.gate_after is None:
        await how.gate.wait(None)
    await _pause(how.delay)
    if reply.raw is not None:
        await wire.send(reply.raw)
        await wire.hang_up()
        return False
    chunked = reply.frames is not None and not how.until_close
    await wire.send(_head(reply, chunked, how))
    await _body(reply, how, wire, received, chunked)
    if how.end == "stall":
        await _pause(None)
    elif how.end == "whole" and chunked:
        await wire.send(b"0\r\n\r\n")
    received.answered.set()
    if how.end != "whole" or how.until_close or how.then_close:
        await wire.hang_up(reset=how.end == "reset")
        return False
    return True


async def _body(reply: Reply, how: Delivery, wire: Connection, received: Received, chunked: bool) -> None:
    cutter = Cutter(how.sizes)

    async def send(pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            await wire.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            await asyncio.sleep(0)

    async def pass_gate(number: int) -> None:
        if how.gate is not None and how.gate_after == number:
            await send(cutter.rest())
            await how.gate.wait(None)

    pieces = _pieces(reply, how)
    for number, piece in enumerate(pieces if how.end == "whole" else pieces[: how.after]):
        await pass_gate(number)
        await _pause(how.interval if number else 0)
        await send(cutter.feed(piece))
        received.chunks = number + 1
    await pass_gate(received.chunks)
    await send(cutter.rest())


def _pieces(reply: Reply, how: Delivery) -> list[bytes]:
    if reply.frames is not None:
        comment = f": {how.comment}{how.newline * 2}".encode() if how.comment is not None else b""
        return [comment + frame.encoded(how.newline) for frame in reply.frames]
    if how.end == "whole" and not how.interval and how.gate_after is None:
        return [reply.body] if reply.body else []
    size = -(-len(reply.body) // PIECES)
    return [reply.body[start : start + size] for start in range(0, len(reply.body), size)] if size else []


def _head(reply: Reply, chunked: bool, how: Delivery) -> bytes:
    lines = [
        f"HTTP/1.1 {reply.status} {_phrase(reply.status)}",
        *(f"{name}: {value}" for name, value in reply.headers),
    ]
    if chunked:
        lines.append("transfer-encoding: chunked")
    elif how.until_close:
        lines.append("connection: close")
    else:
        lines.append(f"content-length: {len(reply.body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown"


async def _pause(seconds: float | None) -> None:
    if seconds is None:
        await asyncio.Event().wait()
    elif seconds:
        await asyncio.sleep(seconds)
