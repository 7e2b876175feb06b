"""A vendor on real sockets that plays scripts: the upstream of the tests, and of anyone who has no vendor at
hand. It speaks Chat Completions and what lies beside it, Responses, Messages and Gemini, as their vendors do.

It is a server of its own on bare asyncio, since it must misbehave byte by byte, and a strict one: what the
vendor refuses (unknown fields, wrong types, values out of range, calls without results, signatures it did not
make, two body lengths) it refuses in the vendor's words, so a gateway that sends nonsense fails its test.

In async tests:

    async with Simulator(keys={"sk-a", "sk-b"}) as upstream:          # upstream.url: http://127.0.0.1:<port>/v1
        upstream.plays(status(429, retry_after=20), sse("Hel", "lo"))   # the next two requests, in order
        upstream.for_key("sk-b").plays(cut(after=3))              # scripts of credentials and paths go first
        ...
        request = await upstream.next_request()
        assert request.json["model"] == "sim-large" and request.header("user-agent")
        await request.client_gone.wait(timeout=0.5)                     # `.at` tells when
    # requests without a script get `default`: a valid answer to what was asked

    Simulator(format="anthropic")      # or openai_chat, openai_responses, gemini; the same acts in each
    Simulator(format="all")            # every format by path at one address: upstream.root

The default answer echoes; it calls the first tool on offer when the user says "tool" or the choice forces it,
quotes the results of tools, thinks (signed) when thoughts are asked for, and writes JSON to a schema.

Names of models carry rules, any part of a name counts: `modern` (no sampling parameters; Messages: no prefill,
no budget thinking), `budget` (Messages: budget thinking only), `-3` (Gemini: wants thought signatures back),
`2.5` (Gemini: budgets, no levels), `old` (Chat Completions: no developer role), `blind` (no images). `sim-large`
takes everything.

Without a loop (Playwright, Django's test client): `with SimulatorThread() as upstream:`, the same members
blocking, and `request.client_gone.wait_sync()`. From the shell: `python -m tests.simulator --port 9001`; the
model name chooses what happens (`echo`, `slow`, `tools`, `cut`, `fail-429`, …; see `GET /v1/models`).

Acts: what is said by chat, sse, completion, frames, json_reply, status, html, empty, broken_json,
error_inside_200, raw, garbage, hang_up; how it is delivered by the modifiers of Act, which chain: silence,
slow, hold, stall, cut, split, byte_by_byte, crlf, comments, until_close, then_close, headers,
clean_end_without_terminal, error_midstream. `held = hold()` waits until `held.release()`. For a port that refuses
connections take `closed_port()`.

Inside: acts (the script's words) → delivery (how a reply crosses the wire) → sockets (HTTP/1.1, read
strictly); server puts them together; moments are what tests wait for. A wire format is one module and one row
in formats.
"""

from .acts import (
    Act,
    broken_json,
    byte_by_byte,
    chat,
    clean_end_without_done,
    clean_end_without_terminal,
    closed_port,
    comments,
    completion,
    crlf,
    cut,
    empty,
    error_inside_200,
    error_midstream,
    frames,
    garbage,
    hang_up,
    hold,
    html,
    json_reply,
    raw,
    silence,
    slow,
    split,
    sse,
    stall,
    status,
    then_close,
    until_close,
)
from .moments import Moment
from .openai_checks import DIALECT_EXTRAS
from .server import Simulator
from .thread import SimulatorThread
from .types import Ask, Citation, Received, Tokens, ToolCall

__all__ = [
    "DIALECT_EXTRAS",
    "Act",
    "Ask",
    "Citation",
    "Moment",
    "Received",
    "Simulator",
    "SimulatorThread",
    "Tokens",
    "ToolCall",
    "broken_json",
    "byte_by_byte",
    "chat",
    "clean_end_without_done",
    "clean_end_without_terminal",
    "closed_port",
    "comments",
    "completion",
    "crlf",
    "cut",
    "empty",
    "error_inside_200",
    "error_midstream",
    "frames",
    "garbage",
    "hang_up",
    "hold",
    "html",
    "json_reply",
    "raw",
    "silence",
    "slow",
    "split",
    "sse",
    "stall",
    "status",
    "then_close",
    "until_close",
]
