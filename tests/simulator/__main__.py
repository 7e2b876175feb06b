"""A vendor to try the product with: `python -m tests.simulator --port 9001`, then use
http://127.0.0.1:9001/v1.
"""

import argparse
import asyncio
from collections.abc import Callable
from functools import partial

from . import acts
from .acts import Act, chat, status
from .formats import ALL, FORMATS
from .server import Simulator
from .types import Ask, ToolCall

MODELS: dict[str, Callable[[], Act]] = {
    "echo": chat,
    "thinking": lambda: chat(reasoning="The user said something. I shall say it back."),
    "refusal": lambda: chat(refusal="I cannot help with that."),
    "tools": lambda: chat(tool_calls=[ToolCall("get_weather", {"city": "Oslo"})]),
    "slow": lambda: acts.slow(0.5),
    "silent": acts.silence,
    "stall": lambda: acts.stall(after=3),
    "cut": lambda: acts.cut(after=3),
    "fail-midstream": lambda: acts.error_midstream(after=3),
    "fail-inside-200": acts.error_inside_200,
    "fail-html": acts.html,
    "fail-garbage": acts.garbage,
    **{f"fail-{code}": partial(status, code) for code in (400, 401, 402, 403, 404, 408, 500, 502, 503, 529)},
    "fail-429": partial(status, 429, retry_after=20),
}


def by_model(ask: Ask, delay: float = 0.0) -> Act:
    """The act that the name of the model asks for; any unknown name echoes."""
    act = MODELS.get(ask.model, chat)()
    return act.silence(delay) if delay and act.delivery.delay == 0.0 else act


async def serve(options: argparse.Namespace) -> None:
    simulator = Simulator(
        format=options.format,
        port=options.port,
        keys=set(options.key) or None,
        strict=not options.lenient,
        extras=options.extra,
        default=lambda ask: by_model(ask, options.delay),
        listed=sorted(MODELS),
    )
    async with simulator:
        print(f"{simulator.url}  models: {' '.join(sorted(MODELS))}", flush=True)
        while True:
            request = await simulator.next_request(timeout=float("inf"))
            print(f"{request.method} {request.path} {len(request.body)} bytes", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=9001)
    parser.add_argument("--format", choices=(ALL, *sorted(FORMATS)), default="openai_chat")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before every answer")
    parser.add_argument("--key", action="append", default=[], help="accept only this API key (may be repeated)")
    parser.add_argument("--extra", action="append", default=[], help="one more request field it knows")
    parser.add_argument("--lenient", action="store_true", help="do not refuse unknown fields and wrong types")
    try:
        asyncio.run(serve(parser.parse_args()))
    except KeyboardInterrupt:
        print("stopped")


if __name__ == "__main__":
    main()
