"""The attempts of one request: order, rests, notes, and what is told when none answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from providers.failures import CONSEQUENCES
from providers.upstream import Attempt
from providers.wire.errors import Kind, Refusal, UpstreamFailure
from routing.board import Board, Verdict
from routing.gateway.answers import MOST_TELLING, most_telling, refusal_for, status_for
from routing.gateway.attempts import Tries
from routing.pace import Pace
from routing.snapshot import Switches
from tests.routing.samples import Clock, attempt

BREAKER_FAILURES, BREAKER_SECONDS = 5, 30.0  # as the settings have it at first

ONE, TWO, THREE = attempt(number=1), attempt(number=2), attempt(number=3)
OTHER = attempt("beta", number=4)
PLAN = (ONE, TWO, THREE, OTHER)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(clock: Clock) -> Board:
    return Board(clock)


@pytest.fixture
def begin(board: Board, clock: Clock) -> Callable[..., Tries]:
    def tries(plan: Sequence[Attempt] = PLAN, switches: Switches | None = None) -> Tries:
        return Tries(plan, board, switches or Switches(), clock)

    return tries


def failure(kind: Kind, message: str = "no", **said: object) -> UpstreamFailure:
    return UpstreamFailure(kind, message, **said)  # type: ignore[arg-type]


def run(tries: Tries, *ends: UpstreamFailure | None) -> list[int]:
    """Connections asked; None = answered, after the last end everything fails with SERVER."""
    return asyncio.run(_run(tries, *ends))


def start(tries: Tries) -> Attempt:
    """The first attempt, which then is under way."""
    return asyncio.run(anext(tries))


async def _run(tries: Tries, *ends: UpstreamFailure | None) -> list[int]:
    asked: list[int] = []
    async for one in tries:
        asked.append(one.link.connection_id)
        end = ends[len(asked) - 1] if len(asked) <= len(ends) else failure(Kind.SERVER)
        if end is None:
            tries.answered()
            break
        tries.failed(end)
    return asked


class TestOrder:
    def test_the_first_that_answers_ends_it(self, begin: Callable[..., Tries]) -> None:
        assert run(begin(), None) == [1]
        assert run(begin(), failure(Kind.AUTH), failure(Kind.RATE_LIMITED), None) == [1, 2, 3]

    def test_all_that_may_help_are_asked_once(self, begin: Callable[..., Tries]) -> None:
        assert run(begin()) == [1, 2, 3, 4]

    @pytest.mark.parametrize("kind", list(Kind))
    def test_what_follows_from_each_kind(self, begin: Callable[..., Tries], kind: Kind) -> None:
        asked = run(begin(), failure(kind))
        if kind is Kind.BAD_REQUEST:
            assert asked == [1]
        elif CONSEQUENCES[kind].skips_model:
            assert asked == [1, 4], "the same model elsewhere at this provider says the same"
        else:
            assert asked == [1, 2, 3, 4]

    def test_another_model_of_the_provider_may_take_it(self, begin: Callable[..., Tries]) -> None:
        bigger = attempt(model="small", number=1)
        assert run(begin((ONE, TWO, bigger)), failure(Kind.CONTEXT_LENGTH), None) == [1, 1]

    def test_what_rests_after_a_passing_failure_comes_last(self, begin: Callable[..., Tries], board: Board) -> None:
        board.failed(ONE, failure(Kind.SERVER))
        assert run(begin()) == [2, 3, 4, 1]

    @pytest.mark.parametrize("kind", [Kind.AUTH, Kind.QUOTA, Kind.RATE_LIMITED, Kind.MODEL])
    def test_what_asking_would_not_help_is_left_out(
        self, begin: Callable[..., Tries], board: Board, kind: Kind
    ) -> None:
        board.failed(ONE, failure(kind))
        assert run(begin()) == [2, 3, 4]

    def test_a_malformed_request_is_not_tried_on_the_resting_either(
        self, begin: Callable[..., Tries], board: Board
    ) -> None:
        board.failed(ONE, failure(Kind.SERVER))
        assert run(begin(), failure(Kind.BAD_REQUEST)) == [2]

    def test_an_open_breaker_hides_the_provider(self, begin: Callable[..., Tries], board: Board) -> None:
        for _ in range(BREAKER_FAILURES):
            board.failed(ONE, failure(Kind.SERVER))
        assert run(begin()) == [4]

    def test_a_breaker_that_opens_on_the_way_spares_the_rest(self, begin: Callable[..., Tries], board: Board) -> None:
        for _ in range(BREAKER_FAILURES - 1):
            board.failed(ONE, failure(Kind.SERVER))
        tries = begin()
        assert run(tries) == [2, 4], "neither the third nor the resting first"
        assert [verdict.kind for verdict in tries.resting] == [Kind.OVERLOADED] * 2

    def test_one_probe(self, begin: Callable[..., Tries], board: Board, clock: Clock) -> None:
        for _ in range(BREAKER_FAILURES):
            board.failed(THREE, failure(Kind.SERVER))
        clock.now += BREAKER_SECONDS
        assert start(begin()) is ONE
        assert run(begin()) == [4]

    def test_switched_off(self, begin: Callable[..., Tries], board: Board) -> None:
        for one in PLAN:
            for _ in range(BREAKER_FAILURES):
                board.failed(one, failure(Kind.SERVER))
            board.failed(one, failure(Kind.AUTH))
        assert run(begin()) == []
        assert run(begin(switches=Switches(connection_cooldown=False, circuit_breaker=False))) == [1, 2, 3, 4]


class TestNotes:
    async def test_every_attempt_is_noted(self, begin: Callable[..., Tries], clock: Clock) -> None:
        tries = begin()
        async for one in tries:
            assert tries.current is one
            clock.now += 0.25
            if one is TWO:
                tries.answered()
                break
            tries.failed(failure(Kind.AUTH, "bad key", status=401))
        first, second = tries.notes
        assert (first.provider, first.connection, first.model) == ("acme", "c1", "large")
        assert (first.kind, first.status, first.ms, first.message) == ("auth", 401, 250, "bad key")
        assert (second.kind, second.status, second.connection, second.ms) == ("ok", 200, "c2", 250)
        assert tries.made == 2 and tries.current is None

    def test_an_attempt_under_way_counts_as_made(self, begin: Callable[..., Tries]) -> None:
        tries = begin()
        start(tries)
        assert tries.made == 1 and tries.notes == []

    def trail(self, tries: Tries) -> list[tuple[str, str, float | None]]:
        return [(skip.connection, skip.why, skip.seconds) for skip in tries.skips]

    def test_what_was_put_last_and_not_asked_is_noted(self, begin: Callable[..., Tries], board: Board) -> None:
        board.failed(ONE, failure(Kind.SERVER))
        board.failed(TWO, failure(Kind.TIMEOUT))
        tries = begin((ONE, TWO, THREE))
        assert run(tries, None) == [3]
        assert self.trail(tries) == [("c1", "server_error", 3.0), ("c2", "timeout", 3.0)]
        assert tries.resting == [], "they could be asked"

    def test_what_was_put_last_and_asked_after_all_is_an_attempt(
        self, begin: Callable[..., Tries], board: Board
    ) -> None:
        board.failed(ONE, failure(Kind.SERVER))
        board.failed(TWO, failure(Kind.TIMEOUT))
        tries = begin((ONE, TWO, THREE))
        assert run(tries, failure(Kind.AUTH), None) == [3, 1]
        assert self.trail(tries) == [("c2", "timeout", 3.0)]

    def test_what_was_put_last_and_then_left_out_is_noted_once(self, begin: Callable[..., Tries], board: Board) -> None:
        board.failed(ONE, failure(Kind.SERVER))
        tries = begin((ONE, TWO), Switches(max_attempts=1))
        assert run(tries, failure(Kind.AUTH)) == [2]
        assert self.trail(tries) == [("c1", "attempts_used_up", None)]

    def test_who_rests_with_nobody_asked_before_is_not_noted(self, begin: Callable[..., Tries], board: Board) -> None:
        board.failed(TWO, failure(Kind.SERVER))
        tries = begin((ONE, TWO))
        assert run(tries, None) == [1] and tries.skips == []

    async def test_a_connection_whose_turn_it_is_not_is_noted(self, board: Board, clock: Clock) -> None:
        paces = {1: Pace(at_once=1)}

        def tries() -> Tries:
            return Tries(
                (ONE, TWO), board, Switches(), clock, paces=lambda one: paces.get(one.link.connection_id, Pace())
            )

        first, second = tries(), tries()
        assert await anext(first) is ONE and await anext(second) is TWO
        assert [(skip.connection, skip.why) for skip in second.skips] == [("c1", "busy")] and first.skips == []

    async def test_a_connection_that_other_processes_keep_busy_is_noted(
        self, board: Board, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def start(connection: int, pace: Pace) -> None:
            """Free as far as it is known here, and not to be had."""

        monkeypatch.setattr(board.paces, "start", start)
        paces = {1: Pace(at_once=1)}
        tries = Tries((ONE, TWO), board, Switches(), clock, paces=lambda one: paces.get(one.link.connection_id, Pace()))
        assert await anext(tries) is TWO
        assert self.trail(tries) == [("c1", "busy", None)]

    def test_a_client_that_leaves(self, begin: Callable[..., Tries], board: Board, clock: Clock) -> None:
        for _ in range(BREAKER_FAILURES):
            board.failed(THREE, failure(Kind.SERVER))
        clock.now += BREAKER_SECONDS
        tries = begin()
        start(tries)
        tries.abandoned("client_gone")
        tries.abandoned("client_gone")
        assert [note.kind for note in tries.notes] == ["client_gone"]
        assert run(begin(), None) == [1], "its probe is given back"


class TestRefusals:
    def told(self, tries: Tries, *ends: UpstreamFailure) -> Refusal:
        run(tries, *ends)
        return tries.refusal()

    def test_one_failure_is_told_as_it_is(self, begin: Callable[..., Tries]) -> None:
        said = failure(Kind.RATE_LIMITED, "slow down", status=429, code="c", type="t", param="p", retry_after=9)
        refusal = self.told(begin((ONE,)), said)
        assert (refusal.status, refusal.message, refusal.code, refusal.type) == (429, "slow down", "c", "t")
        assert (refusal.param, refusal.retry_after) == ("p", 9)

    def test_several_are_told_by_the_most_telling(self, begin: Callable[..., Tries]) -> None:
        ends = [failure(Kind.AUTH, status=401), failure(Kind.NETWORK), failure(Kind.RATE_LIMITED, "later", status=429)]
        refusal = self.told(begin((ONE, TWO, THREE)), *ends)
        assert (refusal.status, refusal.message) == (429, "later (after 3 attempts)")

    def test_everything_rests(self, begin: Callable[..., Tries], board: Board) -> None:
        board.failed(ONE, failure(Kind.RATE_LIMITED, retry_after=30))
        board.failed(TWO, failure(Kind.QUOTA, retry_after=12))
        refusal = self.told(begin((ONE, TWO)))
        assert (refusal.status, refusal.type, refusal.retry_after) == (429, "rate_limit_error", 12)
        board.failed(THREE, failure(Kind.AUTH))
        refusal = self.told(begin((ONE, TWO, THREE)))
        assert (refusal.status, refusal.type, refusal.code) == (503, "server_error", "all_connections_resting")
        assert refusal.retry_after == 12

    def test_the_breaker_is_open(self, begin: Callable[..., Tries], board: Board) -> None:
        for _ in range(BREAKER_FAILURES):
            board.failed(ONE, failure(Kind.SERVER))
        refusal = self.told(begin((ONE, TWO)))
        assert (refusal.status, refusal.retry_after) == (503, BREAKER_SECONDS)


class TestAnswers:
    @pytest.mark.parametrize("kind", list(Kind))
    @pytest.mark.parametrize("status", [None, 200, 302, 400, 401, 404, 418, 429, 500, 501, 502, 503, 504, 529, 599])
    def test_never_a_500_and_never_a_success(self, kind: Kind, status: int | None) -> None:
        told = status_for(failure(kind, status=status))
        assert 400 <= told < 500 or told in (502, 503, 504)
        if status is not None and 400 <= status < 500:
            assert told == status

    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            (failure(Kind.TIMEOUT), (504, "server_error", "timeout")),
            (failure(Kind.NETWORK), (502, "server_error", "network")),
            (failure(Kind.RATE_LIMITED), (429, "rate_limit_error", "rate_limit_exceeded")),
            (failure(Kind.AUTH, status=401), (401, "authentication_error", "auth")),
            (failure(Kind.BAD_REQUEST, status=422), (422, "invalid_request_error", "bad_request")),
            (failure(Kind.OVERLOADED, status=529), (503, "server_error", "overloaded")),
        ],
    )
    def test_type_and_code_where_the_provider_says_none(
        self, said: UpstreamFailure, expected: tuple[int, str, str]
    ) -> None:
        refusal = refusal_for(said, 1)
        assert (refusal.status, refusal.type, refusal.code) == expected

    def test_every_kind_has_a_rank(self) -> None:
        assert sorted(kind for rank in MOST_TELLING for kind in rank) == sorted(Kind)

    def test_the_earliest_of_the_most_telling_with_the_soonest_time(self) -> None:
        first = failure(Kind.RATE_LIMITED, "first", status=429, retry_after=60)
        second = failure(Kind.RATE_LIMITED, "second", status=429, retry_after=5)
        told = most_telling([failure(Kind.SERVER, status=500), first, second])
        assert told is first and told.retry_after == 5
        assert most_telling([failure(Kind.SERVER, status=500, retry_after=3)]).retry_after == 3
        blamed = failure(Kind.BAD_REQUEST, status=400)
        assert most_telling([first, blamed]) is blamed and blamed.retry_after is None


def test_patience_is_for_what_comes_back(board: Board, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """What money keeps away has no end of its own, and is nothing to wait for."""

    async def gate(one: Attempt) -> Verdict | None:
        return Verdict(Kind.QUOTA, 0.0, hard=True, why="model_without_price") if one is OTHER else None

    async def sleep(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr("routing.gateway.attempts.asyncio.sleep", sleep)
    board.failed(ONE, failure(Kind.QUOTA, retry_after=3.0))
    tries = Tries((ONE, OTHER), board, Switches(patience_seconds=5), clock, gate=gate)
    assert run(tries, None) == [ONE.link.connection_id] and 1003 <= clock.now < 1004
    assert [(skip.provider, skip.seconds) for skip in tries.skips] == [("acme", 3.0), ("beta", None)]
