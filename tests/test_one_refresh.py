"""Fifty requests meet an expired token, in the real program: the vendor sees one refresh, everybody is answered."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.omniroute.programs import ROOT, Program, surroundings
from tests.test_main_job import KEY, services
from tests.vendors import Vendors, catalogue_at, flows_at, running

__all__ = ["services"]

FILE = """
version: 1
api_keys: [{name: ci, key: "${CI_KEY}", models: ["*"]}]
"""
ASK = {"model": "kimi-coding/large", "messages": [{"role": "user", "content": "Hello"}]}
SCRIPT = str(ROOT / "tests" / "vendors" / "program.py")


def run(data_dir: Path, *command: str, **variables: str) -> None:
    env = surroundings(data_dir, **variables)
    done = subprocess.run([sys.executable, *command], env=env, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


async def ask_fifty(address: str) -> list[int]:
    limits = httpx.Limits(max_connections=50, max_keepalive_connections=0)
    async with httpx.AsyncClient(headers={"x-api-key": KEY}, timeout=60, limits=limits) as http:
        url = f"{address}/v1/chat/completions"
        replies = await asyncio.gather(*(http.post(url, json=ASK) for _ in range(50)))
    return [reply.status_code for reply in replies]


def fifty_are_answered(data_dir: Path, vendors: Vendors, *words: str, **variables: str) -> None:
    folder = data_dir.parent
    flows_at(folder / "logins", vendors.url)
    catalogue_at(folder / "catalog", vendors.url)
    (folder / "omniroute.yaml").write_text(FILE)
    variables["VENDORS"] = str(folder)
    run(data_dir, SCRIPT, "apply", str(folder / "omniroute.yaml"), CI_KEY=KEY, **variables)
    family = vendors.accounts.log_in()
    run(data_dir, "-m", "tests.vendors.enter", "kimi-coding", family.access, family.refresh, **variables)
    with Program(data_dir, "serve", "--no-open", *words, script=SCRIPT, **variables) as program:
        address = program.address()
        assert set(asyncio.run(ask_fifty(address))) == {200}
        assert program.stop() == 0
    assert vendors.accounts.asked == 1 and vendors.accounts.reused == 0
    asked = [path for _, path, _, _ in vendors.calls if path.endswith("/chat/completions")]
    assert len(asked) == 50


def test_one_process_on_sqlite(data_dir: Path) -> None:
    with running() as vendors:
        fifty_are_answered(data_dir, vendors)


@pytest.mark.services
def test_two_processes_over_redis(data_dir: Path, services: dict[str, str]) -> None:
    with running() as vendors:
        fifty_are_answered(data_dir, vendors, "--workers", "2", **services)
