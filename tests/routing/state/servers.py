"""Servers of a test's own, Redis and PostgreSQL: on a free port, ended by their processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import redis


def missing(name: str) -> None:
    """Skip for want of a program; under CI it is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"{name} is not installed")
    pytest.skip(f"{name} is not installed")


def free_port() -> int:
    """One that the kernel gives to nobody who asks for any: it stays free while its server is stopped."""
    while True:
        port = 21_000 + secrets.randbelow(11_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class OwnRedis:
    """Started empty; ``stop``, ``start``, ``pause`` and ``go_on`` as often as wanted."""

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            missing("redis-server")
        self._program, self._folder = program, tempfile.mkdtemp()
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", self._folder]
        self.process = subprocess.Popen(
            [self._program, *where, "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                self.client().ping()
            except redis.ConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            else:
                return

    def client(self) -> Any:
        return redis.Redis(port=self.port)

    def pause(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.process is not None:
            self.go_on()
            self.process.kill()
            self.process.wait()
            self.process = None


class Slow:
    """A relay in front of Redis that answers ``delay`` seconds late; on a thread of its own."""

    def __init__(self, port: int) -> None:
        self.delay = 0.0
        self._to = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="slow redis", daemon=True)
        self._thread.start()
        started = asyncio.start_server(self._one, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(started, self._loop).result(10)
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._to)
        pump = asyncio.ensure_future(self._pump(reader, up_writer, 0))
        await self._pump(up_reader, writer, 1)
        pump.cancel()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, late: int) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                await asyncio.sleep(self.delay * late)
                writer.write(data)
        writer.close()


class OwnPostgres:
    """An empty cluster in a folder that ``remove`` takes away; ``stop``, ``start``, ``pause`` and ``go_on`` as often as
    wanted. It does not run as root, so root lends it to the user ``postgres``."""

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
        program = shutil.which("pg_ctl") or (str(found[-1]) if found else None)
        if program is None:
            missing("pg_ctl")
        self._bin = Path(str(program)).parent
        self._user = "postgres" if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp())
        if self._user is not None:
            owner = pwd.getpwnam(self._user)
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        self.port = free_port()
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8")

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def start(self) -> None:
        settings = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "full_page_writes=off")
        told = f"-p {self.port} " + " ".join(f"-c {setting}" for setting in settings)
        self._run("pg_ctl", "-D", self._data, "-w", "-o", told, "-l", str(self._folder / "log"), "start")

    def stop(self, mode: str = "immediate") -> None:
        """At once, as if it had crashed."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")

    def pause(self) -> None:
        """Every process of it: connections stay open, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        if (self._folder / "data" / "postmaster.pid").exists():
            self.go_on()
            self.stop()
        shutil.rmtree(self._folder)

    def _signal(self, number: signal.Signals) -> None:
        parent = int((self._folder / "data" / "postmaster.pid").read_text().split("\n")[0])
        os.kill(parent, number)  # first: a parent that is stopped makes no child behind our back
        for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            with contextlib.suppress(ProcessLookupError):  # a child may end while we go through them
                os.kill(int(pid), number)

    def _run(self, program: str, *words: str) -> None:
        command: Sequence[str] = [str(self._bin / program), *words]
        done = subprocess.run(
            command, user=self._user, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=60
        )
        assert done.returncode == 0, command
