"""Load on one URL: closed-loop requests (`wrk`, or our own loop without it) and streams with measured delays.

`python -m bench.load --url http://127.0.0.1:9001/v1/chat/completions --streams 200` measures by hand.
"""

import argparse
import asyncio
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import httptools
import uvloop

from .bodies import small, stream

STAMP = re.compile(rb"@(\d{20})")
STAMP_LENGTH = 21
LUA = """wrk.method = "POST"
wrk.body = io.open(%s, "rb"):read("*a")
%s
done = function(summary, latency, requests)
  local failed = summary.errors
  io.write(string.format('\\nRESULT {"requests":%%d,"seconds":%%f,"failed":%%d,"p50":%%f,"p99":%%f}\\n',
    summary.requests, summary.duration / 1e6,
    failed.connect + failed.read + failed.write + failed.status + failed.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


@dataclass(frozen=True)
class Target:
    """Where the load goes. Headers without host and length."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Load:
    """What happened. Latencies (of streams: chunk delays) in milliseconds; failed: not answered with 200."""

    requests: int
    seconds: float
    failed: int
    p50: float
    p99: float
    p95: float = 0.0
    chunks: int = 0

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def requests(target: Target, body: bytes, *, seconds: float, connections: int = 64) -> Load:
    """Closed loop: every connection asks again as soon as it is answered."""
    if wrk := shutil.which("wrk"):
        return _wrk(wrk, target, body, seconds, connections)
    return uvloop.run(_loop(target, body, seconds, connections))


def streams(target: Target, body: bytes, *, count: int, timeout: float) -> Load:
    """That many streams at once, each read to its end; unfinished after `timeout` seconds is failed."""
    return uvloop.run(_streams(target, body, count, timeout))


def _wrk(wrk: str, target: Target, body: bytes, seconds: float, connections: int) -> Load:
    with tempfile.TemporaryDirectory(prefix="bench-wrk-") as folder:
        payload, script = Path(folder, "body"), Path(folder, "post.lua")
        payload.write_bytes(body)
        headers = {"content-type": "application/json", **target.headers}
        rows = [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()]
        script.write_text(LUA % (json.dumps(str(payload)), "\n".join(rows)))
        options = [
            "-t1",
            f"-c{connections}",
            f"-d{max(1, round(seconds))}s",
            "--timeout",
            "20s",
            "-s",
            str(script),
        ]
        done = subprocess.run([wrk, *options, target.url], capture_output=True, text=True, timeout=seconds + 60)
    result = re.search(r"^RESULT (.*)$", done.stdout, re.M)
    if result is None:
        raise RuntimeError(f"wrk failed: {done.stdout}{done.stderr}")
    return Load(**json.loads(result[1]))


class Client(asyncio.Protocol):
    """One connection: asks until the deadline, or once when there is none. Keeps times and stamps."""

    def __init__(self, request: bytes, deadline: float | None) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.latencies: list[float] = []
        self.delays: list[float] = []
        self.failed = 0
        self._request, self._deadline, self._tail = request, deadline, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._asked = time.monotonic()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._deadline is None:
            self._read_stamps(data)
        self._parser.feed_data(data)

    def _read_stamps(self, data: bytes) -> None:
        now, data = time.monotonic_ns(), self._tail + data
        end = 0
        for found in STAMP.finditer(data):
            self.delays.append((now - int(found[1])) / 1e6)
            end = found.end()
        self._tail = data[max(end, len(data) - STAMP_LENGTH + 1) :]

    def on_message_complete(self) -> None:
        now = time.monotonic()
        self.latencies.append((now - self._asked) * 1000)
        self.failed += self._parser.get_status_code() != 200
        if self._deadline is None or now >= self._deadline:
            self._transport.close()
        else:
            asyncio.get_running_loop().call_soon(self._ask)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


async def _clients(target: Target, body: bytes, count: int, deadline: float | None) -> list[Client]:
    at = urlsplit(target.url)
    headers = {
        "host": at.netloc,
        "content-type": "application/json",
        **target.headers,
        "content-length": len(body),
    }
    lines = [f"POST {at.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    request = "\r\n".join([*lines, "", ""]).encode() + body
    loop, clients = asyncio.get_running_loop(), []
    for _ in range(count):
        _, client = await loop.create_connection(lambda: Client(request, deadline), at.hostname or "", at.port or 80)
        clients.append(client)
    return clients


async def _loop(target: Target, body: bytes, seconds: float, connections: int) -> Load:
    start = time.monotonic()
    clients = await _clients(target, body, connections, start + seconds)
    await asyncio.wait([client.ended for client in clients], timeout=seconds + 20)
    return _load(clients, [it for client in clients for it in client.latencies], time.monotonic() - start)


async def _streams(target: Target, body: bytes, count: int, timeout: float) -> Load:
    start = time.monotonic()
    clients = await _clients(target, body, count, None)
    await asyncio.wait([client.ended for client in clients], timeout=timeout)
    return _load(clients, [it for client in clients for it in client.delays], time.monotonic() - start)


def _load(clients: Sequence[Client], times: list[float], seconds: float) -> Load:
    """Clients without one whole answer count as failed."""
    times.sort()
    done = sum(len(client.latencies) for client in clients)
    failed = sum(client.failed + (not client.latencies) for client in clients)
    p50, p95, p99 = (percentile(times, share) for share in (0.5, 0.95, 0.99))
    return Load(done, seconds, failed, p50, p99, p95, sum(len(client.delays) for client in clients))


def percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--key", help="sent as a bearer token")
    parser.add_argument("--model", default="bench-small")
    parser.add_argument("--streams", type=int, default=0, help="so many streams of 200 chunks instead of requests")
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    target = Target(options.url, {"authorization": f"Bearer {options.key}"} if options.key else {})
    if options.streams:
        print(streams(target, stream(options.model), count=options.streams, timeout=60))
    else:
        print(requests(target, small(options.model), seconds=options.seconds))


if __name__ == "__main__":
    main()
