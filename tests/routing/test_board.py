"""What rests after failures, for how long, and what ends it."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from providers.failures import CONSEQUENCES, Rest
from providers.upstream import Attempt
from providers.wire.errors import Kind, UpstreamFailure
from routing import bounded
from routing.board import UNPROVEN_AT_ONCE, Board, Verdict
from routing.rests import MOST_LEVELS
from routing.snapshot import Switches
from tests.routing.samples import Clock, attempt

BREAKER_FAILURES, BREAKER_SECONDS = 5, 30.0  # as the settings have it at first

TRIPPING = [kind for kind in Kind if CONSEQUENCES[kind].trips]
HARMLESS = [kind for kind in Kind if not CONSEQUENCES[kind].trips]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(clock: Clock) -> Board:
    return Board(clock)


def fail(board: Board, of: Attempt, kind: Kind = Kind.SERVER, **said: float) -> None:
    board.began(of)
    board.failed(of, UpstreamFailure(kind, "no", **said))  # type: ignore[arg-type]


def rest(board: Board, of: Attempt) -> Verdict | None:
    return board.verdict(of, cooldowns=True, breakers=False)


def broken(board: Board, of: Attempt) -> Verdict | None:
    return board.verdict(of, cooldowns=False, breakers=True)


class TestCooldowns:
    def test_nothing_rests_at_first(self, board: Board) -> None:
        assert board.verdict(attempt(), cooldowns=True, breakers=True) is None

    @pytest.mark.parametrize(
        ("kind", "rests"),
        [
            (Kind.SERVER, [3, 6, 12, 24, 48, 60, 60]),
            (Kind.RATE_LIMITED, [1, 2, 4, 8, 16, 32, 64, 120, 120]),
            (Kind.AUTH, [120, 120]),
            (Kind.QUOTA, [120, 240, 480, 960, 1920, 3600, 3600]),
            (Kind.CREDIT, [3600, 3600]),
            (Kind.BANNED, [86400, 86400]),
            (Kind.MODEL, [120, 120]),
        ],
    )
    def test_each_repetition_doubles_up_to_a_bound(
        self, board: Board, clock: Clock, kind: Kind, rests: list[float]
    ) -> None:
        for expected in rests:
            fail(board, attempt(), kind)
            verdict = rest(board, attempt())
            assert verdict == Verdict(kind, expected, hard=not CONSEQUENCES[kind].trips)
            clock.now += expected
            assert rest(board, attempt()) is None

    def test_however_often(self, board: Board, clock: Clock) -> None:
        for _ in range(MOST_LEVELS * 200):
            fail(board, attempt(), Kind.RATE_LIMITED)
            clock.now += 120
        assert max(entry.level for entry in board.rests.found.values()) == MOST_LEVELS

    @pytest.mark.parametrize("kind", [kind for kind in Kind if CONSEQUENCES[kind].rest is Rest.NOTHING])
    def test_what_the_request_is_to_blame_for_rests_nothing(self, board: Board, kind: Kind) -> None:
        for _ in range(20):
            fail(board, attempt(), kind)
        assert board.verdict(attempt(), cooldowns=True, breakers=True) is None

    def test_parallel_failures_of_one_cause_count_once(self, board: Board, clock: Clock) -> None:
        for _ in range(4):
            fail(board, attempt())
        assert rest(board, attempt()) == Verdict(Kind.SERVER, 3, hard=False)
        clock.now += 3
        fail(board, attempt())
        assert rest(board, attempt()) == Verdict(Kind.SERVER, 6, hard=False)

    def test_another_cause_begins_anew(self, board: Board, clock: Clock) -> None:
        fail(board, attempt(), Kind.RATE_LIMITED)
        clock.now += 1
        fail(board, attempt(), Kind.SERVER)
        assert rest(board, attempt()) == Verdict(Kind.SERVER, 3, hard=False)

    def test_the_provider_says_for_how_long(self, board: Board, clock: Clock) -> None:
        fail(board, attempt(), Kind.RATE_LIMITED, retry_after=77.5)
        assert rest(board, attempt()) == Verdict(Kind.RATE_LIMITED, 77.5, hard=True)
        clock.now += 77.5
        assert rest(board, attempt()) is None
        fail(board, attempt(), Kind.RATE_LIMITED, retry_after=0)
        assert rest(board, attempt()) is None

    def test_a_longer_wait_is_news_a_shorter_one_is_not(self, board: Board) -> None:
        fail(board, attempt(), Kind.RATE_LIMITED, retry_after=10)
        fail(board, attempt(), Kind.RATE_LIMITED, retry_after=50)
        fail(board, attempt(), Kind.RATE_LIMITED, retry_after=5)
        fail(board, attempt(), Kind.SERVER)
        assert rest(board, attempt()) == Verdict(Kind.RATE_LIMITED, 50, hard=True)

    def test_a_wait_cannot_open_what_a_refused_key_closed(self, board: Board) -> None:
        fail(board, attempt(), Kind.AUTH)
        fail(board, attempt(), Kind.RATE_LIMITED, retry_after=1)
        assert rest(board, attempt()) == Verdict(Kind.AUTH, 120, hard=True)

    def test_a_model_rests_alone(self, board: Board) -> None:
        fail(board, attempt(model="large"), Kind.MODEL)
        assert rest(board, attempt(model="large")) is not None
        assert rest(board, attempt(model="small")) is None
        assert rest(board, attempt(model="large", number=2)) is None

    @pytest.mark.parametrize("kind", [Kind.RATE_LIMITED, Kind.QUOTA])
    def test_a_limit_of_one_model_rests_it_alone(self, board: Board, clock: Clock, kind: Kind) -> None:
        fail(board, attempt(model="large"), kind, retry_after=50, of_model=True)
        assert rest(board, attempt(model="large")) == Verdict(kind, 50, hard=True)
        assert rest(board, attempt(model="small")) is None
        fail(board, attempt(model="small"), kind, retry_after=20)
        assert rest(board, attempt(model="large")) == Verdict(kind, 50, hard=True)
        assert rest(board, attempt(model="other")) == Verdict(kind, 20, hard=True)

    def test_a_connection_rests_with_all_its_models_and_no_other(self, board: Board) -> None:
        fail(board, attempt(model="large"), Kind.AUTH)
        assert rest(board, attempt(model="small")) is not None
        assert rest(board, attempt(model="large", number=2)) is None

    def test_the_harder_rest_is_told(self, board: Board) -> None:
        """A dead model on a shaky connection is not worth a last try."""
        fail(board, attempt(), Kind.MODEL)
        fail(board, attempt(), Kind.SERVER)
        assert rest(board, attempt()) == Verdict(Kind.MODEL, 120, hard=True)

    def test_success_clears_connection_model_and_level(self, board: Board) -> None:
        fail(board, attempt(), Kind.MODEL)
        fail(board, attempt(model="small"), Kind.MODEL)
        fail(board, attempt(), Kind.SERVER)
        board.succeeded(attempt())
        assert rest(board, attempt()) is None
        assert rest(board, attempt(model="small")) is not None
        fail(board, attempt())
        assert rest(board, attempt()) == Verdict(Kind.SERVER, 3, hard=False)

    def test_a_switched_off_cooldown_does_not_hold(self, board: Board) -> None:
        fail(board, attempt(), Kind.AUTH)
        assert board.verdict(attempt(), cooldowns=False, breakers=True) is None


class TestBreaker:
    def open(self, board: Board, **said: str) -> None:
        for _ in range(BREAKER_FAILURES):
            fail(board, attempt(**said))  # type: ignore[arg-type]

    def test_opens_after_failures_in_a_row(self, board: Board, clock: Clock) -> None:
        for _ in range(BREAKER_FAILURES - 1):
            fail(board, attempt())
            assert broken(board, attempt()) is None
        fail(board, attempt(number=2))
        assert broken(board, attempt(number=3)) == Verdict(
            Kind.OVERLOADED, BREAKER_SECONDS, hard=True, why="breaker_open"
        )
        assert broken(board, attempt("other")) is None
        clock.now += BREAKER_SECONDS - 0.1
        assert broken(board, attempt()) == Verdict(Kind.OVERLOADED, 1.0, hard=True, why="breaker_open")

    def test_a_success_begins_the_count_anew(self, board: Board) -> None:
        for _ in range(5):
            for _ in range(BREAKER_FAILURES - 1):
                fail(board, attempt())
            board.began(attempt())
            board.succeeded(attempt())
        assert broken(board, attempt()) is None and board.recent_failures("acme/large") == 0

    @pytest.mark.parametrize("kind", HARMLESS)
    def test_what_is_not_the_providers_fault_does_not_count(self, board: Board, kind: Kind) -> None:
        for _ in range(BREAKER_FAILURES * 3):
            fail(board, attempt(), kind)
        assert broken(board, attempt()) is None and board.recent_failures("acme/large") == 0

    @pytest.mark.parametrize("kind", TRIPPING)
    def test_what_is_counts(self, board: Board, kind: Kind) -> None:
        for _ in range(BREAKER_FAILURES):
            fail(board, attempt(), kind)
        assert broken(board, attempt()) is not None

    def test_one_probe_at_a_time(self, board: Board, clock: Clock) -> None:
        self.open(board)
        clock.now += BREAKER_SECONDS
        assert broken(board, attempt()) is None
        board.began(attempt())
        assert broken(board, attempt()) == Verdict(Kind.OVERLOADED, 1.0, hard=True, why="breaker_open")

    def test_a_good_probe_closes(self, board: Board, clock: Clock) -> None:
        self.open(board)
        clock.now += BREAKER_SECONDS
        probe = attempt()
        board.began(probe)
        board.succeeded(probe)
        for _ in range(BREAKER_FAILURES - 1):
            fail(board, attempt())
            assert broken(board, attempt()) is None

    def test_a_bad_probe_opens_again(self, board: Board, clock: Clock) -> None:
        self.open(board)
        clock.now += BREAKER_SECONDS
        fail(board, attempt())
        assert broken(board, attempt()) == Verdict(Kind.OVERLOADED, BREAKER_SECONDS, hard=True, why="breaker_open")
        clock.now += BREAKER_SECONDS
        assert broken(board, attempt()) is None

    @pytest.mark.parametrize("kind", [Kind.RATE_LIMITED, Kind.BAD_REQUEST, None])
    def test_a_probe_without_a_verdict_is_given_back(self, board: Board, clock: Clock, kind: Kind | None) -> None:
        self.open(board)
        clock.now += BREAKER_SECONDS
        probe = attempt()
        board.began(probe)
        if kind is None:
            board.abandoned(probe)
        else:
            board.failed(probe, UpstreamFailure(kind, "no"))
        assert broken(board, attempt()) is None
        board.began(attempt())
        assert broken(board, attempt()) is not None, "the next one is the probe"

    @pytest.mark.parametrize("kind", [Kind.SERVER, Kind.BAD_REQUEST, None])
    def test_stragglers_neither_end_nor_replace_the_probe(self, board: Board, clock: Clock, kind: Kind | None) -> None:
        """Requests that began before the breaker opened end while the probe is under way."""
        straggler = attempt()
        board.began(straggler)
        self.open(board)
        clock.now += BREAKER_SECONDS
        probe = attempt()
        board.began(probe)
        if kind is None:
            board.abandoned(straggler)
        else:
            board.failed(straggler, UpstreamFailure(kind, "no"))
        assert broken(board, attempt()) == Verdict(Kind.OVERLOADED, 1.0, hard=True, why="breaker_open")
        board.failed(probe, UpstreamFailure(Kind.SERVER, "no"))
        assert broken(board, attempt()) == Verdict(Kind.OVERLOADED, BREAKER_SECONDS, hard=True, why="breaker_open")

    def test_stragglers_do_not_prolong(self, board: Board, clock: Clock) -> None:
        self.open(board)
        clock.now += 20
        fail(board, attempt())
        assert broken(board, attempt()) == Verdict(Kind.OVERLOADED, BREAKER_SECONDS - 20, hard=True, why="breaker_open")

    def test_a_switched_off_breaker_does_not_hold(self, board: Board) -> None:
        self.open(board)
        assert board.verdict(attempt(number=2), cooldowns=True, breakers=False) is None


class TestTerminal:
    """Banned, out of credit: nothing that passes by itself takes the place of what somebody must mend."""

    @pytest.mark.parametrize("kind", [Kind.BANNED, Kind.CREDIT])
    @pytest.mark.parametrize("later", [kind for kind in Kind if kind not in (Kind.BANNED, Kind.CREDIT)])
    def test_no_cooldown_overwrites_it(self, board: Board, clock: Clock, kind: Kind, later: Kind) -> None:
        fail(board, attempt(), kind)
        before = rest(board, attempt())
        fail(board, attempt(), later, retry_after=999_999)
        assert rest(board, attempt()) == before and before is not None and before.hard

    def test_it_overwrites_a_cooldown(self, board: Board) -> None:
        fail(board, attempt(), Kind.RATE_LIMITED, retry_after=3000)
        fail(board, attempt(), Kind.BANNED)
        verdict = rest(board, attempt())
        assert verdict is not None and verdict.kind is Kind.BANNED

    def test_the_providers_own_time_does_not_shorten_it(self, board: Board) -> None:
        fail(board, attempt(), Kind.CREDIT, retry_after=1)
        verdict = rest(board, attempt())
        assert verdict is not None and verdict.seconds == 3600


class TestBreakerOfAConnection:
    def test_one_bad_connection_opens_its_own(self, board: Board) -> None:
        """The others of the provider answer meanwhile, so the provider's stays closed."""
        for _ in range(BREAKER_FAILURES):
            fail(board, attempt(number=1))
            board.began(attempt(number=2))
            board.succeeded(attempt(number=2))
        assert broken(board, attempt(number=2)) is None
        verdict = broken(board, attempt(number=1))
        assert verdict is not None and verdict.hard

    def test_thresholds_are_the_operators(self, board: Board, clock: Clock) -> None:
        board.configure(Switches(breaker_failures=2, breaker_seconds=7, longest_rest_seconds=60))
        fail(board, attempt())
        fail(board, attempt())
        assert broken(board, attempt()) == Verdict(Kind.OVERLOADED, 7, hard=True, why="breaker_open")
        fail(board, attempt(number=9), Kind.RATE_LIMITED, retry_after=10_000)
        verdict = rest(board, attempt(number=9))
        assert verdict is not None and verdict.seconds == 60


class TestStorms:
    def test_a_crowd_waits_while_a_few_find_out(self, board: Board) -> None:
        for _ in range(UNPROVEN_AT_ONCE):
            assert not board.crowded("acme")
            board.began(attempt())
        assert board.crowded("acme") and not board.crowded("beta")
        board.spoke(attempt(), 0.1)
        assert not board.crowded("acme")

    def test_a_smaller_one_where_it_failed_last(self, board: Board) -> None:
        board.began(attempt())
        board.spoke(attempt(), 0.1)
        board.succeeded(attempt())
        fail(board, attempt())
        for _ in range(BREAKER_FAILURES):
            assert not board.crowded("acme")
            board.began(attempt())
        assert board.crowded("acme")
        board.abandoned(attempt())
        assert not board.crowded("acme")

    def test_second_tries_are_a_share_of_the_first(self, board: Board) -> None:
        assert sum(board.may_retry(attempt()) for _ in range(50)) == 10, "what a quiet provider may have at once"
        for _ in range(100):
            board.began(attempt())
        assert sum(board.may_retry(attempt()) for _ in range(50)) == 10
        for _ in range(10):
            board.began(attempt())
        assert sum(board.may_retry(attempt()) for _ in range(50)) == 2, "a fifth of ten"
        board.succeeded(attempt())
        assert board.may_retry(attempt())


class TestOtherProcesses:
    def exchange(self, one: Board, two: Board) -> None:
        while one.news:
            two.learn([one.news.popleft()])

    def boards(self, clock: Clock) -> tuple[Board, Board]:
        """Two processes: their monotonic clocks began at different times."""
        later = Clock(clock.now + 5000)
        return Board(clock, wall=lambda: 1e9 + clock.now), Board(later, wall=lambda: 1e9 + clock.now)

    def test_a_rest_is_known_to_both_and_so_is_its_end(self, clock: Clock) -> None:
        one, two = self.boards(clock)
        fail(one, attempt(), Kind.RATE_LIMITED, retry_after=20)
        self.exchange(one, two)
        verdict = rest(two, attempt())
        assert verdict is not None and verdict.kind is Kind.RATE_LIMITED and verdict.seconds == pytest.approx(20)
        one.succeeded(attempt())
        self.exchange(one, two)
        assert rest(two, attempt()) is None

    def test_an_open_breaker_too(self, clock: Clock) -> None:
        one, two = self.boards(clock)
        for _ in range(BREAKER_FAILURES):
            fail(one, attempt())
        self.exchange(one, two)
        verdict = broken(two, attempt())
        assert verdict is not None and verdict.seconds == pytest.approx(BREAKER_SECONDS)
        one.succeeded(attempt())
        self.exchange(one, two)
        assert broken(two, attempt()) is None

    @pytest.mark.parametrize("jump", [-86_400, -3600, 3600, 86_400])
    def test_a_clock_that_jumps_holds_nobody_longer(self, clock: Clock, jump: float) -> None:
        """Told before the jump, learned after it: by another process, or by the next start."""
        one = Board(clock, wall=lambda: 1e9 + clock.now)
        fail(one, attempt(), Kind.RATE_LIMITED, retry_after=20)
        for _ in range(BREAKER_FAILURES):
            fail(one, attempt(number=2))
        other = Board(Clock(clock.now), wall=lambda: 1e9 + clock.now + jump)
        self.exchange(one, other)
        rested, broke = rest(other, attempt()), broken(other, attempt(number=2))
        assert rested is None or rested.seconds <= 20
        assert broke is None or broke.seconds <= BREAKER_SECONDS
        assert (jump < 0) == (rested is not None and rested.seconds == pytest.approx(20))

    def test_what_is_learned_is_not_told_again(self, clock: Clock) -> None:
        one, two = self.boards(clock)
        fail(one, attempt(), Kind.AUTH)
        self.exchange(one, two)
        assert not two.news


class TestCounters:
    def test_turns(self, board: Board) -> None:
        assert [board.turn("a"), board.turn("a"), board.turn("b"), board.turn("a")] == [0, 1, 0, 2]

    def test_uses(self, board: Board) -> None:
        board.began(attempt())
        board.began(attempt(number=2))
        assert (board.uses("acme/large"), board.uses("acme/small")) == (2, 0)

    def test_recent_failures_are_the_providers(self, board: Board) -> None:
        fail(board, attempt())
        fail(board, attempt(model="small"))
        assert (board.recent_failures("acme/large"), board.recent_failures("beta/large")) == (2, 0)

    def test_everything_is_bounded(self, board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bounded, "MOST_ENTRIES", 50)
        for number in range(200):
            fail(board, attempt(model=f"m{number}", number=number), Kind.MODEL)
        assert len(board.rests.found) == 50 and len(board._uses) == 50
        assert rest(board, attempt(model="m199", number=199)) is not None
        assert rest(board, attempt(model="m0", number=0)) is None


class BreakerMachine(RuleBasedStateMachine):
    """One provider, any order of beginnings and ends: what the breaker may never do."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.board = Board(self.clock)
        self.running: list[Attempt] = []
        self.in_a_row = 0
        self.opened_at: float | None = None
        self.probe: Attempt | None = None

    def may(self) -> bool:
        return self.board.verdict(attempt(), cooldowns=False, breakers=True) is None

    @precondition(lambda self: self.may() and len(self.running) < 8)
    @rule()
    def begin(self) -> None:
        one = attempt()
        if self.opened_at is not None:
            self.probe = one
        self.running.append(one)
        self.board.began(one)

    def take(self, at: int) -> Attempt:
        one = self.running.pop(at % len(self.running))
        if one is self.probe:
            self.probe = None
        return one

    @precondition(lambda self: self.running)
    @rule(at=st.integers(0, 7))
    def succeed(self, at: int) -> None:
        self.board.succeeded(self.take(at))
        self.in_a_row, self.opened_at, self.probe = 0, None, None

    @precondition(lambda self: self.running)
    @rule(at=st.integers(0, 7), kind=st.sampled_from(TRIPPING))
    def break_down(self, at: int, kind: Kind) -> None:
        probed = self.running[at % len(self.running)] is self.probe
        self.board.failed(self.take(at), UpstreamFailure(kind, "no"))
        self.in_a_row += 1
        if probed or (self.opened_at is None and self.in_a_row >= BREAKER_FAILURES):
            self.opened_at = self.clock.now

    @precondition(lambda self: self.running)
    @rule(at=st.integers(0, 7), kind=st.sampled_from(HARMLESS))
    def fail_otherwise(self, at: int, kind: Kind) -> None:
        self.board.failed(self.take(at), UpstreamFailure(kind, "no"))

    @precondition(lambda self: self.running)
    @rule(at=st.integers(0, 7))
    def leave(self, at: int) -> None:
        self.board.abandoned(self.take(at))

    @rule(seconds=st.sampled_from([0.5, 5, BREAKER_SECONDS]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def open_or_closed(self) -> None:
        if self.opened_at is None:
            assert self.may(), "closed"
        elif self.clock.now < self.opened_at + BREAKER_SECONDS:
            assert not self.may(), "open"
        else:
            assert self.may() is (self.probe is None), "half open: one probe"

    @invariant()
    def never_stuck(self) -> None:
        """With nothing under way the provider is asked again, at the latest after BREAKER_SECONDS."""
        if not self.running:
            verdict = self.board.verdict(attempt(), cooldowns=False, breakers=True)
            assert verdict is None or 0 < verdict.seconds <= BREAKER_SECONDS


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
