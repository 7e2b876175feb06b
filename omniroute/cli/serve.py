"""``omniroute serve``: the web processes and the background process, under one parent."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from omniroute.environment import Environment, current
from omniroute.refusal import Refusal

BACKLOG = 2048
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - every address → one to open here


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags go before the variables of the same name."""
    parser.add_argument("--host", help="address to listen on (HOST, 127.0.0.1)")
    parser.add_argument("--port", type=_port, help="port to listen on (PORT, 20128)")
    parser.add_argument("--workers", type=_count, default=1, metavar="N", help="web processes; needs REDIS_URL")
    parser.add_argument("--no-open", action="store_true", help="do not open the browser")
    parser.add_argument("--api-port", type=_port, help="serve the client API on this port only")
    parser.add_argument("--dashboard-port", type=_port, help="serve the dashboard and management API on this port only")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C. Raises Refusal before anything was changed."""
    if sys.platform == "win32":
        raise Refusal("The server runs on Linux and macOS; on Windows use WSL or a container.")
    _flags_to_environment(arguments)
    environment = current()
    if arguments.workers > 1 and not environment.redis_url:
        raise Refusal("More than one worker needs REDIS_URL: limits and live views are shared through Redis.")
    doors = open_doors(environment.host, environment.port, arguments.api_port, arguments.dashboard_port)
    from omniroute import bootstrap

    bootstrap.set_up()
    prepared = bootstrap.prepare(exclusive=True)
    base_url = environment.public_url or doors.dashboard_url
    greeting = "".join(f"{note}\n" for note in prepared.notes)
    link = _administrator_link(base_url)
    if link:
        greeting += f"Create the administrator (this link works once): {link}\n"
    greeting += names_hint(environment.host, environment.public_url)
    print(greeting, end="", flush=True)
    return _supervise(arguments, environment, doors, link or base_url)


def names_hint(host: str, public_url: str | None) -> str:
    """A line for who listens to other machines without having said by which name they come: the dashboard would answer
    them with a bare 400. The client API takes any name."""
    if public_url or host not in EVERYWHERE:
        return ""
    return "Set PUBLIC_URL to what people type, or the dashboard opens on this machine only (as localhost).\n"


# -- sockets ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Doors:
    """The listening sockets, and which port is whose."""

    sockets: tuple[socket.socket, ...]
    host: str
    api: int
    dashboard: int

    @property
    def api_url(self) -> str:
        return f"http://{self.host}:{self.api}"

    @property
    def dashboard_url(self) -> str:
        return f"http://{self.host}:{self.dashboard}"

    def close(self) -> None:
        for door in self.sockets:
            door.close()


def open_doors(host: str, port: int, api_port: int | None = None, dashboard_port: int | None = None) -> Doors:
    """Bind and listen. A side without a port of its own is served on ``port``. Raises Refusal when a port is taken."""
    wanted = (port if api_port is None else api_port, port if dashboard_port is None else dashboard_port)
    shared = api_port is None and dashboard_port is None
    if not shared and wanted[0] == wanted[1] != 0:
        raise Refusal("--api-port and --dashboard-port must differ, from each other and from --port.")
    sockets = tuple(_listen(host, number) for number in (wanted[:1] if shared else wanted))
    ports = [door.getsockname()[1] for door in sockets]
    shown = EVERYWHERE.get(host, f"[{host}]" if ":" in host else host)
    return Doors(sockets, shown, ports[0], ports[-1])


def _listen(host: str, port: int) -> socket.socket:
    door: socket.socket | None = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        door = socket.socket(family, kind, protocol)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(address)
        door.listen(BACKLOG)
    except OSError as wrong:
        if door is not None:
            door.close()
        reason = wrong.strerror or str(wrong)
        raise Refusal(f"Cannot listen on {host} port {port}: {reason}. Choose another with --port or PORT.") from None
    return door


# -- processes ----------------------------------------------------------------------------------------------------
def _supervise(arguments: argparse.Namespace, environment: Environment, doors: Doors, page: str) -> int:
    from analytics import metrics
    from omniroute import background, webserver
    from omniroute.supervisor import Job, Supervisor

    split = (doors.api, doors.dashboard) if doors.api != doors.dashboard else None
    web = partial(webserver.run, sockets=doors.sockets, split=split)
    names = ["web"] if arguments.workers == 1 else [f"web {number}" for number in range(1, arguments.workers + 1)]
    jobs = [Job(name, web, grace=webserver.DRAIN + 5, essential=True) for name in names]
    jobs.append(Job("background", partial(_background, doors), grace=background.WARM + 2))
    # Several web processes share their figures through files; one keeps them to itself. Must be said before the fork.
    metrics.prepare(environment.data_dir / "metrics" if arguments.workers > 1 else None)
    announce = _announcer(arguments, doors, page)
    return Supervisor(jobs, ready=announce, stopping=doors.close, ended=metrics.forget).run()


def _background(doors: Doors, ready: Callable[[], None]) -> int:
    """The background process listens nowhere."""
    from omniroute import background

    doors.close()
    return background.run(ready, data_dir=current().data_dir)


def _announcer(arguments: argparse.Namespace, doors: Doors, page: str) -> Callable[[], None]:
    def announce() -> None:
        beside = f" (client API: {doors.api_url})" if doors.api != doors.dashboard else ""
        print(f"OmniRoute is running on {doors.dashboard_url}{beside}", flush=True)
        if not arguments.no_open and _has_terminal() and _has_display():
            # In a process of its own: a browser may take seconds, and the parent runs no threads.
            _detached([sys.executable, "-m", "webbrowser", page])

    return announce


def _detached(command: Sequence[str]) -> None:
    quiet = subprocess.DEVNULL
    subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)  # noqa: S603


def _has_terminal() -> bool:
    return sys.stdout.isatty()


def _has_display() -> bool:
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _administrator_link(base_url: str) -> str | None:
    from accounts.invitations import first_administrator_link
    from omniroute import bootstrap

    with bootstrap.unpooled():
        return first_administrator_link(base_url)


def _flags_to_environment(arguments: argparse.Namespace) -> None:
    """Settings read the environment once; a flag is the environment said on the command line."""
    for name, value in (("HOST", arguments.host), ("PORT", arguments.port)):
        if value is not None:
            os.environ[name] = str(value)


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError("a number of workers is from 1 to 256")
    return int(text)
