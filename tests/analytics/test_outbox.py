"""The way of an outcome through memory and journal to the store, with everything on it that can break."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from analytics import estimates, outbox
from analytics.journal import LINE_BYTES, Journal, decode, encode, replay
from analytics.outbox import Outbox
from providers.entry import Price
from providers.wire.types import Usage
from routing.gateway.outcome import Outcome, Pending
from tests.analytics.outcomes import outcome


class Store:
    """A database of ids that can be away."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.batches: list[list[Outcome]] = []
        self.refused = 0
        self.away = False

    def __call__(self, outcomes: Sequence[Outcome]) -> None:
        with self.changed:
            self.changed.notify_all()
            if self.away:
                self.refused += 1
                raise OSError("database is locked")
            self.batches.append(list(outcomes))

    @property
    def ids(self) -> list[str]:
        return [o.request_id for batch in self.batches for o in batch]

    def wait(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, timeout=10)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(outbox, "LAST_PAUSE", 0.05)


def put(box: Outbox, count: int) -> list[str]:
    made = [outcome() for _ in range(count)]
    for one in made:
        box.put(one)
    return [one.request_id for one in made]


def test_outcomes_are_stored_once_in_order_and_in_slices(tmp_path: Path, store: Store) -> None:
    box = Outbox(tmp_path, store)
    ids = put(box, 1700)
    assert box.depth == 1700
    box.start()
    box.close()
    assert store.ids == ids
    assert max(map(len, store.batches)) <= 500
    assert box.depth == 0
    assert not list(tmp_path.iterdir())


def test_they_arrive_without_being_asked_for(tmp_path: Path, store: Store) -> None:
    box = Outbox(tmp_path, store, interval=0.02)
    box.start()
    ids = put(box, 3)
    store.wait(lambda: store.ids == ids)
    more = put(box, 2)
    store.wait(lambda: store.ids == ids + more)
    box.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows a priority of a thread")
def test_rows_give_way_to_requests(tmp_path: Path) -> None:
    """The thread that stores stands back; the one that writes the journal, and all others, do not."""

    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    mine, storing, observing = niceness(), set(), set()
    box = Outbox(tmp_path, lambda _: storing.add(niceness()), observe=lambda _: observing.add(niceness()))
    box.start()
    put(box, 1)
    box.close()
    assert storing == {mine + outbox.NICENESS} and observing == {mine} and niceness() == mine


def test_every_field_survives_the_journal() -> None:
    one = outcome(
        error_message='naïve \u2028 "quoted"\n', cost_usd=Decimal("0.1234567891"), first_byte_ms=None, key_id=7
    )
    assert decode(encode([one, one])) == ([one, one], 0)


def test_a_full_outbox_writes_to_the_journal_itself_and_loses_nothing(tmp_path: Path, store: Store) -> None:
    box = Outbox(tmp_path, store, capacity=3)
    ids = put(box, 5)
    assert (box.overflowed, box.depth, box.lost) == (2, 5, 0)
    (journal,) = tmp_path.iterdir()
    assert [o.request_id for o in decode(journal.read_bytes())[0]] == ids[3:]
    box.start()
    box.close()
    assert sorted(store.ids) == ids


def test_what_comes_after_the_end_waits_in_the_journal(tmp_path: Path, store: Store) -> None:
    box = Outbox(tmp_path, store)
    box.start()
    box.close()
    ids = put(box, 1)
    (journal,) = tmp_path.iterdir()
    assert [o.request_id for o in decode(journal.read_bytes())[0]] == ids


def test_while_the_store_is_away_outcomes_wait_on_disk_not_in_memory(
    tmp_path: Path, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.away = True
    box = Outbox(tmp_path, store, interval=0.01)
    box.start()
    ids = put(box, 300)
    store.wait(lambda: store.refused >= 3 and not box._queue)
    assert box.depth == 300
    store.away = False
    store.wait(lambda: len(store.ids) == 300)
    box.close()
    assert store.ids == ids
    assert not list(tmp_path.iterdir())
    assert len([r for r in caplog.records if "wait in the journal" in r.message]) == 1, "once a minute"


def test_closing_while_the_store_is_away_leaves_the_journal_to_the_next_start(tmp_path: Path, store: Store) -> None:
    store.away = True
    first = Outbox(tmp_path, store)
    first.start()
    ids = put(first, 10)
    first.close(timeout=5)
    assert first.depth == 10
    store.away = False
    second = Outbox(tmp_path, store)
    second.start()
    second.close()
    assert store.ids == ids
    assert not list(tmp_path.iterdir())


def test_without_a_disk_outcomes_go_straight_to_the_store(tmp_path: Path, store: Store) -> None:
    blocked = tmp_path / "a file, no directory"
    blocked.touch()
    box = Outbox(blocked, store, interval=0.01)
    box.start()
    ids = put(box, 3)
    store.wait(lambda: store.ids == ids)
    box.close()


def test_without_disk_and_store_they_stay_in_memory_until_one_is_back(tmp_path: Path, store: Store) -> None:
    blocked = tmp_path / "a file, no directory"
    blocked.touch()
    store.away = True
    box = Outbox(blocked, store, interval=0.01)
    box.start()
    ids = put(box, 3)
    store.wait(lambda: store.refused >= 3)
    store.away = False
    store.wait(lambda: store.ids == ids)
    box.close()
    assert box.lost == 0


def test_what_nothing_takes_is_counted_and_logged(
    tmp_path: Path, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "a file, no directory"
    blocked.touch()
    box = Outbox(blocked, store, capacity=1)
    put(box, 3)
    assert box.lost == 2
    assert "lost" in caplog.text


def test_a_torn_last_line_is_counted_and_the_rest_is_stored(tmp_path: Path, store: Store) -> None:
    whole = [outcome(), outcome()]
    (tmp_path / "1-dead.jsonl").write_bytes(encode(whole) + encode([outcome()])[:-20])
    found = replay(tmp_path, store)
    assert (found.stored, found.torn) == (2, 1)
    assert store.ids == [o.request_id for o in whole]
    assert not list(tmp_path.iterdir())


def test_an_unreadable_line_is_kept_as_evidence(tmp_path: Path, store: Store) -> None:
    before, after = outcome(), outcome()
    (tmp_path / "1-dead.jsonl").write_bytes(encode([before]) + b"\0\0\0\0{nonsense\n" + encode([after]))
    found = replay(tmp_path, store)
    assert (found.stored, found.torn) == (2, 1)
    assert store.ids == [before.request_id, after.request_id]
    assert [path.suffix for path in tmp_path.iterdir()] == [".unreadable"]


def test_a_replay_that_cannot_store_removes_nothing(tmp_path: Path, store: Store) -> None:
    (tmp_path / "1-dead.jsonl").write_bytes(encode([outcome()]))
    store.away = True
    with pytest.raises(OSError, match="locked"):
        replay(tmp_path, store)
    store.away = False
    assert replay(tmp_path, store).stored == 1


def test_the_journal_of_a_living_writer_is_not_replayed(tmp_path: Path, store: Store) -> None:
    journal = Journal(tmp_path)
    journal.append(encode([outcome()]))
    assert replay(tmp_path, store).stored == 0
    assert store.ids == []
    journal.close()
    assert replay(tmp_path, store).stored == 1


def test_the_journal_is_split_into_segments_that_go_when_they_are_stored(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=2000)
    written = [encode([outcome()]) for _ in range(9)]
    for data in written:
        journal.append(data)
    read = []
    assert len(list(tmp_path.iterdir())) > 3
    while data := journal.unread():
        read.append(data)
        journal.advance(len(data))
    assert b"".join(read) == b"".join(written)
    journal.tidy()
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [0]


def test_a_write_cut_short_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    first, second, third = (encode([outcome()]) for _ in range(3))
    journal.append(first)
    true_write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: true_write(fd, data[:50], offset))
    with pytest.raises(OSError, match="wrote 50"):
        journal.append(second)
    monkeypatch.undo()
    journal.append(third)
    assert journal.unread() == first + third


def test_a_record_no_encoding_takes_is_mended_and_holds_nobody_up(tmp_path: Path, store: Store) -> None:
    odd = [outcome(), outcome(requested_model="half \ud83d"), outcome(user_agent="x" * 3 * LINE_BYTES), outcome()]
    box = Outbox(tmp_path, store)
    for one in odd:
        box.put(one)
    box.start()
    box.close()
    assert store.ids == [o.request_id for o in odd]
    stored = store.batches[0]
    assert stored[1].requested_model == "half ?"
    assert len(stored[2].user_agent) == 500


PRICE = Price(input=Decimal(2), output=Decimal(10))


def test_tokens_nobody_reported_are_counted_and_priced_and_the_text_is_not_written(
    tmp_path: Path, store: Store
) -> None:
    store.away = True
    seen: list[Outcome] = []
    box = Outbox(tmp_path, store, observe=seen.extend)
    body = b'{"messages":[{"role":"user","content":"TOPSECRET how are you?"}]}'
    reply = b'{"choices":[{"message":{"content":"PRIVATEREPLY fine"}}]}'
    box.put(outcome(usage=Usage(), cost_usd=None, pending=Pending(text=(body, reply), price=PRICE)))
    box.start()
    box.close(timeout=5)
    (journal,) = tmp_path.iterdir()
    assert b"TOPSECRET" not in journal.read_bytes()
    assert b"PRIVATEREPLY" not in journal.read_bytes()
    store.away = False
    replay(tmp_path, store)
    ((stored,),) = store.batches
    assert stored.usage.estimated
    assert stored.usage.input > 3
    assert stored.usage.output > 1
    assert stored.cost_usd == (stored.usage.input * 2 + stored.usage.output * 10) / Decimal(1_000_000)
    assert seen == [stored]


def test_text_that_memory_has_no_room_for_is_estimated_from_its_length(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "HELD_BYTES", 1000)
    box = Outbox(tmp_path, store)
    for _ in range(3):
        box.put(outcome(usage=Usage(), pending=Pending(text=(b"x" * 400, b"data: {}\n\n" * 9), price=PRICE)))
    assert [o.pending is None for o in box._queue] == [False, False, True]
    assert box._queue[2].usage == Usage(input=100, output=9, estimated=True)
    box.start()
    box.close()
    assert box._held_in == box._held_out == 2 * 490


def test_counting_that_takes_too_long_gives_way_to_the_journal(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "COUNTING_SECONDS", -1.0)
    monkeypatch.setattr(estimates, "estimate_chat", lambda *_: pytest.fail("there was no time for this"))
    box = Outbox(tmp_path, store)
    box.put(outcome(usage=Usage(), pending=Pending(text=(b"x" * 40, b"y" * 8))))
    box.start()
    box.close()
    assert store.batches[0][0].usage == Usage(input=10, output=2, estimated=True)


def test_neither_a_counter_nor_the_metrics_can_cost_a_record(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Usage:
        raise ValueError("broken")

    monkeypatch.setattr(estimates, "estimate_chat", broken)
    box = Outbox(tmp_path, store, observe=broken)
    box.put(outcome(usage=Usage(), pending=Pending(text=(b"x" * 40, b"y" * 8))))
    box.start()
    box.close()
    assert store.batches[0][0].usage.estimated
