"""What is known of a request so far; becomes its one Outcome."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from providers.entry import Price
from providers.prices import cost
from providers.quota.ear import Heard
from providers.upstream import Attempt
from providers.wire.types import Units, Usage
from routing.gateway.outcome import AttemptNote, Charge, Outcome, Pending, SkipNote, rates
from routing.snapshot import Caller

NO_USAGE = Usage()
NO_OUTPUT = "no output"  # instead of a price's source: why it cost nothing


class Record(Struct, kw_only=True, eq=False):
    """``began`` and ``now`` of the methods are monotonic seconds, ``started_at`` is Unix time."""

    request_id: str
    started_at: float
    began: float
    caller: Caller
    operation: str
    client_format: str
    client_address: str | None
    user_agent: str
    requested_model: str = ""
    stream: bool = False
    attempt: Attempt | None = None  # the one that answered, or the last
    price: Price | None = None
    flat_rate: bool = False
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    pending: Pending | None = None
    first_byte_at: float | None = None
    error_kind: str = ""
    error_message: str = ""
    dropped: tuple[str, ...] = ()
    charges: tuple[Charge, ...] = ()
    waived: bool = False
    sent: bytes = b""  # the last attempt's body
    policies: tuple[str, ...] = ()  # what they did
    cache: str = ""  # hit, semantic, repeated; miss; "" where no cache was asked
    saved_tokens: int = 0
    saved_usd: Decimal = Decimal(0)
    notes: list[AttemptNote] = []
    skips: list[SkipNote] = []

    def settle(
        self,
        usage: Usage | None,
        body: bytes,
        reply: bytes,
        units: Units | None = None,
        opening: Usage | None = None,
    ) -> None:
        """Usage as reported, and its cost when the price is known; what is missing is worked out later. ``units``:
        known although the tokens are not; a price for these is enough to know the cost. ``opening``: what was reported
        before the answer."""
        self.usage = usage
        entry = self.attempt.entry if self.attempt is not None else None
        if usage is None:
            self.pending = Pending(text=(body, reply), price=self.price, entry=entry, units=units, opening=opening)
            if units is not None:
                self.cost_usd = cost(Usage(units=units), self.price)
        elif self.price is not None:
            self.cost_usd = cost(usage, self.price)
        else:
            self.pending = Pending(entry=entry)

    @property
    def unknown(self) -> bool:
        """Whether what it cost is only worked out later, or never, although somebody answered."""
        answered = self.usage is not None and self.usage.units is not None
        return self.cost_usd is None and (answered or self.pending is not None)

    @property
    def charged_usd(self) -> Decimal | None:
        """What is charged: nothing at a flat rate, whose cost is notional. None: not known."""
        return Decimal(0) if self.flat_rate and self.cost_usd is not None else self.cost_usd

    def ended_badly(self, *, charge: bool, left: bool) -> None:
        """If nothing came out of it, it costs nothing; or, with ``charge``, its input when the client has ``left``
        while a provider worked on it. A failure that the provider told is no provider's to charge."""
        if not charge:
            self._waive()
        elif left and self.usage is None and self.pending is None and self.attempt is not None:
            self.settle(None, self.sent, b"")

    def _waive(self) -> None:
        pending, usage = self.pending, self.usage
        if usage is not None and usage.nothing_made:
            self.cost_usd, self.waived = Decimal(0), True
            self.pending = None
        elif usage is None and pending is not None:
            self.pending = replace(pending, waived=True)

    def outcome(self, result: str, status: int, now: float, heard: tuple[Heard, ...] = ()) -> Outcome:
        """The request's end, told once; ``heard``: what replies said of quotas meanwhile."""
        attempt = self.attempt
        return Outcome(
            request_id=self.request_id,
            started_at=self.started_at,
            key_id=self.caller.key_id,
            key_name=self.caller.key_name,
            user_id=self.caller.user_id,
            team_id=self.caller.team_id,
            operation=self.operation,
            client_format=self.client_format,
            upstream_format=attempt.entry.format if attempt else "",
            requested_model=self.requested_model,
            provider=attempt.entry.id if attempt else "",
            model=attempt.model if attempt else "",
            connection=attempt.link.name if attempt else "",
            stream=self.stream,
            status=status,
            result=result,
            error_kind=self.error_kind,
            error_message=self.error_message,
            attempts=tuple(self.notes),
            skips=tuple(self.skips),
            latency_ms=round((now - self.began) * 1000),
            first_byte_ms=round((self.first_byte_at - self.began) * 1000) if self.first_byte_at else None,
            usage=self.usage or NO_USAGE,
            cost_usd=self.cost_usd,
            price_source=NO_OUTPUT if self.waived else self.price.source if self.price else "",
            client_address=self.client_address,
            user_agent=self.user_agent,
            dropped=",".join(self.dropped),
            heard=heard,
            charges=self.charges,
            rates=rates(self.price, self.usage),
            flat_rate=self.flat_rate,
            policies=",".join(self.policies),
            cache=self.cache,
            saved_tokens=self.saved_tokens,
            saved_usd=self.saved_usd,
            pending=self.pending,
        )
