"""A vendor that costs next to nothing: prepared bytes. `python -m bench.mock_upstream --port 9001`.

The model name decides: `bench-stream-200x20ms` streams 200 chunks, one per 20 ms; any other name is answered
with a small JSON chat at once. At `/messages` both are in Anthropic's format. Every streamed chunk carries the
time it was written (`@` and 20 digits: nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share),
so the receiver knows its delay.
"""

import argparse
import asyncio
import json
import re
import time
from typing import NamedTuple, cast

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


class Voice(NamedTuple):
    """What is said in one format: a whole answer, and the pieces of a stream."""

    small: bytes
    opening: bytes
    before_stamp: bytes
    after_stamp: bytes
    finish: bytes
    usage: bytes  # sent only when it was asked for


def _event(kind: str, **data: object) -> bytes:
    frame = f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(frame), frame)


def _said(text: str) -> bytes:
    return _event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


MESSAGE: dict[str, object] = {
    "id": "msg_bench",
    "type": "message",
    "role": "assistant",
    "model": "bench-small",
    "content": [{"type": "text", "text": "A short answer, as prepared."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 12, "output_tokens": 9},
}
BEGUN = {**MESSAGE, "content": [], "stop_reason": None, "usage": {"input_tokens": 12, "output_tokens": 1}}
CHAT = Voice(SMALL, OPENING, BEFORE_STAMP, AFTER_STAMP, FINISH, LAST_USAGE)
BEFORE_SAID, AFTER_SAID = _said("@" + "0" * 20).split(b"@" + b"0" * 20)
MESSAGES = Voice(
    _reply(MESSAGE),
    STREAM_HEAD
    + _event("message_start", message=BEGUN)
    + _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    BEFORE_SAID,
    AFTER_SAID,
    _event("content_block_stop", index=0)
    + _event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 9})
    + _event("message_stop"),
    b"",
)
END = b"0\r\n\r\n"


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
            return
        voice, end = (MESSAGES, END) if self._url.endswith(b"/messages") else (CHAT, DONE)
        if wanted := STREAM.search(body):
            self._transport.write(voice.opening)
            usage = voice.usage if b'"include_usage"' in body else b""
            self._stream(int(wanted[1]), int(wanted[2]) / 1000, voice, voice.finish + usage + end)
        else:
            self._transport.write(voice.small)

    def _stream(self, count: int, interval: float, voice: Voice, last: bytes) -> None:
        loop, start = asyncio.get_running_loop(), asyncio.get_running_loop().time()

        def tick(number: int) -> None:
            if number == count:
                self._transport.write(last)
                return
            self._transport.write(b"%b@%020d%b" % (voice.before_stamp, time.monotonic_ns(), voice.after_stamp))
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
