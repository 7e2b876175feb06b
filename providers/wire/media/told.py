"""A job as one vendor is told it, in a shape of the vendor's own: what all of them share."""

from __future__ import annotations

from typing import Generic, TypeVar

from providers.wire.errors import Refusal
from providers.wire.media.job import Job
from providers.wire.types import Units, Usage

J = TypeVar("J", bound=Job)


class Told(Generic[J]):
    """The client's job, made for one attempt; what it is billed by does not depend on the vendor. ``created``: Unix
    seconds, which OpenAI's shape has and vendors' have not. A shape adds ``objection``, ``dump`` and ``read``."""

    __slots__ = ("created", "job")

    def __init__(self, *, job: J, created: int) -> None:
        self.job, self.created = job, created

    @property
    def model(self) -> str:
        return self.job.model

    @property
    def stream(self) -> bool:
        return self.job.stream

    def estimate(self) -> Usage | bytes | None:
        return self.job.estimate()

    def measured(self, usage: Usage | None) -> Usage | None:
        return self.job.measured(usage)

    def most(self) -> Units | None:
        return self.job.most()


def unsupported(message: str, param: str) -> Refusal:
    """What a vendor cannot be told, or cannot answer with."""
    return Refusal(400, message, code="unsupported_value", param=param)
