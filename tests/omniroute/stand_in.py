"""``omniroute`` with another application in its web process: one whose requests last as long as a test wants.

``STAND_IN=broken`` makes the web process fail at start.
"""

from __future__ import annotations

import asyncio
import os
import sys
import types
from typing import Any

from omniroute import cli, health

released = asyncio.Event()


async def application(scope: Any, receive: Any, send: Any) -> None:
    if os.environ.get("STAND_IN") == "broken":
        raise RuntimeError("broken on purpose")
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                print("shut down in order", flush=True)
                return
    match scope["path"]:
        case "/readyz":
            await health.Readiness(lambda: True)(scope, receive, send)
        case "/metrics":  # open while draining: lets the slow request go
            released.set()
            await health.healthz(scope, receive, send)
        case "/slow":
            print("slow request begins", flush=True)
            await released.wait()
            await health.healthz(scope, receive, send)
        case _:
            await health.healthz(scope, receive, send)


module: Any = types.ModuleType("omniroute.asgi")
module.application = application
module.is_client_api = lambda path: path.startswith("/v1/")
sys.modules["omniroute.asgi"] = module
sys.modules["omniroute"].asgi = module  # type: ignore[attr-defined]

if __name__ == "__main__":
    sys.exit(cli.main())
