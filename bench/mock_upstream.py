"""A vendor that costs next to nothing: prepared bytes. `python -m bench.mock_upstream --port 9001`.

The model name decides: `bench-stream-200x20ms` streams 200 chunks, one per 20 ms; any other name is answered
with a small JSON chat at once. Every streamed chunk carries the time it was written (`@` and 20 digits:
nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share), so the receiver knows its delay.
"""

import argparse
import asyncio
import json
import re
import time
from typing import cast

import httptools
import uvloop

STREAM = re.compile(rb'"model"\s*:\s*"[^"]*bench-stream-(\d+)x(\d+)ms"')
USAGE = {"prompt_tokens": 12, "completion_tokens": 9, "total_tokens": 21}
ANSWER = {
    "id": "chatcmpl-bench",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "bench-small",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "A short answer, as prepared.", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": USAGE,
}
HEAD = "HTTP/1.1 200 OK\r\ncontent-type: {}\r\n{}\r\n\r\n"
STREAM_HEAD = HEAD.format("text/event-stream", "transfer-encoding: chunked").encode()


def _reply(value: object) -> bytes:
    body = json.dumps(value).encode()
    return HEAD.format("application/json", f"content-length: {len(body)}").encode() + body


def _chunk(choices: list[object], **more: object) -> bytes:
    envelope = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_700_000_000}
    frame = b"data: " + json.dumps({**envelope, "model": "bench", "choices": choices, **more}).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(frame), frame)


def _delta(delta: dict[str, str], finish: str | None = None) -> bytes:
    return _chunk([{"index": 0, "delta": delta, "finish_reason": finish}])


SMALL = _reply(ANSWER)
MODELS = _reply({"object": "list", "data": [{"id": "bench-small", "object": "model", "owned_by": "bench"}]})
OPENING = STREAM_HEAD + _delta({"role": "assistant", "content": ""})
BEFORE_STAMP, AFTER_STAMP = _delta({"content": "@" + "0" * 20}).split(b"@" + b"0" * 20)
FINISH = _delta({}, "stop")
LAST_USAGE = _chunk([], usage=USAGE)
DONE = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


class Vendor(asyncio.Protocol):
    """One connection; requests one after the other, as pools send them."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._body = bytearray()
        self._url = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        body, self._body = bytes(self._body), bytearray()
        if not body:
            self._transport.write(MODELS)
        elif wanted := STREAM.search(body):
            self._transport.write(OPENING)
            usage = LAST_USAGE if b'"include_usage"' in body else b""
            self._stream(int(wanted[1]), int(wanted[2]) / 1000, usage)
        else:
            self._transport.write(SMALL)

    def _stream(self, count: int, interval: float, usage: bytes) -> None:
        loop, start = asyncio.get_running_loop(), asyncio.get_running_loop().time()

        def tick(number: int) -> None:
            if number == count:
                self._transport.write(FINISH + usage + DONE)
                return
            self._transport.write(b"%b@%020d%b" % (BEFORE_STAMP, time.monotonic_ns(), AFTER_STAMP))
            self._timer = loop.call_at(start + (number + 2) * interval, tick, number + 1)

        self._timer = loop.call_at(start + interval, tick, 0)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Vendor, "127.0.0.1", port, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.mock_upstream", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: a free one, printed")
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
