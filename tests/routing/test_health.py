"""What one web process finds out, the others learn, a restart remembers, and people can lift."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from providers.upstream import Attempt
from providers.wire.errors import Kind, UpstreamFailure
from routing import health
from routing.board import Board, News
from routing.health import HealthSync
from routing.models import HealthState
from routing.snapshot import Switches
from tests.routing.samples import attempt

pytestmark = pytest.mark.django_db


class Process:
    """A board and its thread's work, done when told to."""

    def __init__(self) -> None:
        self.board = Board()
        self.board.configure(Switches(breaker_failures=2))
        self.sync = HealthSync(self.take, self.board.learn)

    def take(self) -> list[News]:
        news = self.board.news
        return [news.popleft() for _ in range(len(news))]

    def fail(self, of: Attempt, kind: Kind = Kind.AUTH, times: int = 1) -> None:
        for _ in range(times):
            self.board.began(of)
            self.board.failed(of, UpstreamFailure(kind, "the key is bad"))

    def rests(self, of: Attempt) -> bool:
        verdict = self.board.verdict(of, cooldowns=True, breakers=True)
        return verdict is not None and verdict.hard


@pytest.fixture
def processes() -> tuple[Process, Process]:
    return Process(), Process()


def looked(*processes: Process) -> None:
    for process in processes:
        process.sync.look()


def test_a_rest_reaches_the_others(processes: tuple[Process, Process]) -> None:
    one, two = processes
    one.fail(attempt())
    looked(one, two)
    assert two.rests(attempt()) and not two.rests(attempt(number=2))
    one.board.succeeded(attempt())
    looked(one, two)
    assert not two.rests(attempt())


def test_an_open_breaker_reaches_the_others(processes: tuple[Process, Process]) -> None:
    one, two = processes
    one.fail(attempt(), Kind.SERVER, times=2)
    looked(one, two)
    assert two.rests(attempt(number=7)), "the provider's"


def test_a_start_remembers(processes: tuple[Process, Process]) -> None:
    one, _ = processes
    one.fail(attempt(), Kind.CREDIT)
    looked(one)
    later = Process()
    looked(later)
    assert later.rests(attempt())
    assert [(row.subject, row.kind, row.words) for row in health.held()] == [("#1", "out_of_credit", "the key is bad")]


@pytest.mark.parametrize("lift", [lambda: health.reset(), lambda: health.forget_connection(1)])
def test_people_lift_it_everywhere(processes: tuple[Process, Process], lift: Callable[[], int]) -> None:
    one, two = processes
    one.fail(attempt(), Kind.BANNED)
    looked(one, two)
    lift()
    looked(one, two)
    assert not one.rests(attempt()) and not two.rests(attempt()) and health.held() == []


@pytest.mark.parametrize("lift", [lambda: health.reset(), lambda: health.forget_connection(1)])
def test_failures_that_opened_nothing_are_forgotten_too(
    processes: tuple[Process, Process], lift: Callable[[], int]
) -> None:
    one, two = processes
    one.fail(attempt(), Kind.SERVER)
    two.fail(attempt(), Kind.SERVER)
    looked(one, two)
    lift()
    looked(one, two)
    assert [process.board.breakers.failures("#1") for process in processes] == [0, 0]
    assert health.held() == [], "a reset is nothing that is held"
    later = Process()
    looked(later)
    later.fail(attempt(), Kind.SERVER)
    looked(later)
    assert later.board.breakers.failures("#1") == 1, "a reset forgets only what was before it"


def test_what_was_not_written_before_a_reset_is_not_written_after_it(processes: tuple[Process, Process]) -> None:
    one, _ = processes
    one.fail(attempt(), Kind.SERVER, times=2)
    health.reset()
    looked(one)
    assert health.held() == [] and not one.rests(attempt())


def test_after_a_reset_of_everything_failures_count_anew(processes: tuple[Process, Process]) -> None:
    one, _ = processes
    one.fail(attempt(), Kind.SERVER)
    health.reset()
    looked(one)
    one.fail(attempt(), Kind.SERVER)
    assert not one.rests(attempt(number=2)), "the provider's breaker counts anew"
    one.fail(attempt(), Kind.SERVER)
    assert one.rests(attempt(number=2))


def test_a_reset_of_one_connection_leaves_the_others(processes: tuple[Process, Process]) -> None:
    one, _ = processes
    one.fail(attempt("beta", number=2), Kind.SERVER)
    health.forget_connection(1)
    health.reset(["breaker acme"])
    looked(one)
    assert one.board.breakers.failures("#2") == 1


def test_lifting_one_leaves_the_others(processes: tuple[Process, Process]) -> None:
    one, _ = processes
    one.fail(attempt())
    one.fail(attempt(number=2))
    looked(one)
    assert health.reset(["rest #1"]) == 1
    looked(one)
    assert not one.rests(attempt()) and one.rests(attempt(number=2))


def test_a_connection_that_was_given_another_key_is_free(make_provider, processes: tuple[Process, Process]) -> None:
    from providers.connections import set_secret

    one, _ = processes
    connection = make_provider("acme", "http://127.0.0.1:9/v1").connections.get()
    one.fail(attempt(number=connection.pk))
    looked(one)
    set_secret(connection, "another")
    looked(one)
    assert not one.rests(attempt(number=connection.pk))


@pytest.mark.parametrize("mend", ["key", "switch", "form"])
def test_who_mends_a_connection_need_not_wait_for_its_providers_breaker(
    make_provider, processes: tuple[Process, Process], mend: str
) -> None:
    from providers.connections import set_secret

    one, two = processes
    connection = make_provider("acme", "http://127.0.0.1:9/v1").connections.get()
    only, beta = attempt(number=connection.pk), attempt("beta", number=2)
    one.fail(only, Kind.NETWORK, times=2)
    one.fail(beta, Kind.NETWORK, times=2)
    looked(one, two)
    assert health.claim_probe("acme"), "a probe that is not over yet"
    if mend == "key":
        set_secret(connection, "another")
    else:
        connection.save(update_fields=["enabled"] if mend == "switch" else None)
    looked(one, two)
    assert not one.rests(only) and not two.rests(only)
    assert one.rests(beta) and two.rests(beta)
    assert {row.subject for row in health.held()} == {"beta", "#2"}
    assert one.board.probing(only) == ["acme"], "one request finds out"
    assert health.claim_probe("acme") and not health.claim_probe("acme")
    one.fail(only, Kind.NETWORK)
    looked(one, two)
    assert one.rests(only) and two.rests(only), "nothing was mended"


def test_a_connection_saved_for_another_reason_opens_no_way(make_provider, processes: tuple[Process, Process]) -> None:
    one, _ = processes
    connection = make_provider("acme", "http://127.0.0.1:9/v1").connections.get()
    one.fail(attempt(number=connection.pk), Kind.NETWORK, times=2)
    looked(one)
    connection.save(update_fields=["priority"])
    looked(one)
    assert one.rests(attempt(number=connection.pk))


def test_one_probe_of_all_processes(processes: tuple[Process, Process]) -> None:
    one, two = processes
    assert health.claim_probe("acme"), "nobody wrote of it yet"
    one.fail(attempt(), Kind.SERVER, times=2)
    looked(one, two)
    assert health.claim_probe("acme") and not health.claim_probe("acme")
    assert health.claim_probe("#1"), "another breaker"
    one.fail(attempt(), Kind.SERVER)  # not a probe: the breaker was opened before
    two.board.breakers.found["acme"].opened_at = None
    two.fail(attempt(), Kind.SERVER)
    looked(two)
    assert health.claim_probe("acme"), "the breaker opened again: its next probe is free"


@pytest.mark.parametrize(("seconds", "free"), [(-1, True), (20, False), (45, False), (3600, True), (86_400, True)])
def test_a_probe_of_a_clock_that_has_gone_back_is_given_up(
    processes: tuple[Process, Process], seconds: float, free: bool
) -> None:
    """Another machine's clock may be a little ahead; a lease of an hour was never given."""
    one, _ = processes
    one.fail(attempt(), Kind.SERVER, times=2)
    looked(one)
    HealthState.objects.update(probed_until=timezone.now() + timedelta(seconds=seconds))
    assert health.claim_probe("acme") == free


def test_what_cannot_be_written_is_written_later(
    processes: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = processes
    one.fail(attempt())
    with monkeypatch.context() as broken:
        broken.setattr(health, "store", lambda news: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            one.sync.look()
    looked(one, two)
    assert two.rests(attempt())


def test_old_rows_go(processes: tuple[Process, Process]) -> None:
    one, _ = processes
    one.fail(attempt())
    one.fail(attempt(number=2))
    looked(one)
    HealthState.objects.filter(subject="#1").update(until=None, at="2020-01-01T00:00:00Z")
    assert health.prune() == 1 and HealthState.objects.get().subject == "#2"
