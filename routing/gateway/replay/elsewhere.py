"""The same request at another process: who is first there makes it, the others wait for its answer.

How it stands is in the state (``routing.state.Others``), answers are on a shelf. While Redis is away each process goes
by itself. What a killed process was about is made by the next one that waits, after its ten seconds.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

import msgspec

from providers.wire.errors import Refusal
from routing.gateway.replay.kept import Kept
from routing.gateway.replay.once import not_kept, reused
from routing.gateway.replay.shelf import Shelf
from routing.state import Errand, Others, Stands

FIRST_PAUSE, LAST_PAUSE = 0.02, 0.2  # seconds between two looks at how it stands
FAILED = 5.0  # seconds for which those who wait are told of a failure


@dataclass(frozen=True, slots=True)
class Job:
    """A request that is this process's to make."""

    name: str
    digest: str
    errand: Errand


class Elsewhere:
    """One per gateway. ``shelf`` is shared by all processes."""

    def __init__(self, others: Others, shelf: Shelf) -> None:
        self._others, self._shelf = others, shelf
        self._tasks: set[asyncio.Task[None]] = set()

    async def first(self, scope: str, key: str, digest: str) -> Job | tuple[Kept, float]:
        """The answer and for how many seconds it is given, once another process has it; the job when it is ours.

        Raises Refusal: the key stands for another request, or what the first was told who failed.
        """
        name = hashlib.sha256(f"{scope}\0{key}".encode()).hexdigest()
        waited, pause, missed = "", FIRST_PAUSE, False
        while True:
            errand = await self._others.claim(name, digest, waited)
            match errand.stands:
                case Stands.MINE:
                    return Job(name, digest, errand)
                case Stands.RUNNING:
                    waited = errand.holder
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LAST_PAUSE)
                case Stands.OTHER:
                    raise reused()
                case Stands.FAILED:
                    raise _refusal(errand.words)
                case Stands.DONE if (kept := await self._shelf.get(errand.holder)) is not None:
                    return kept, errand.left
                case Stands.DONE if not missed:  # Redis may have been emptied or gone since it said so
                    missed = True
                case _:  # made already: not again, though nobody can tell the answer
                    raise not_kept()

    async def answered(self, job: Job, kept: Kept | None, seconds: float) -> None:
        """The first has its answer; None: it is too long to be kept."""
        stands = Stands.LOST
        if kept is not None and job.errand.holder:
            stands = Stands.DONE if await self._shelf.put(job.errand.holder, kept, seconds + 1) else Stands.MINE
        await self._settle(job, Errand(stands, job.errand.holder, left=seconds))

    def ended(self, job: Job, refusal: Refusal | None) -> None:
        """The first has none: it failed, or has left. Nothing after an answer. Never waits."""
        if refusal is None:
            errand = job.errand
        else:
            errand = Errand(Stands.FAILED, job.errand.holder, _words(refusal), FAILED)
        task = asyncio.ensure_future(self._settle(job, errand))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        await asyncio.gather(*self._tasks)
        await self._shelf.aclose()

    async def _settle(self, job: Job, errand: Errand) -> None:
        await self._others.settle(job.name, job.digest, errand)


def _words(refusal: Refusal) -> str:
    said = (refusal.status, refusal.message, refusal.type, refusal.code, refusal.param, refusal.retry_after)
    return msgspec.json.encode(said).decode()


def _refusal(words: str) -> Refusal:
    status, message, type, code, param, retry_after = msgspec.json.decode(words)
    return Refusal(status, message, type=type, code=code, param=param, retry_after=retry_after)
