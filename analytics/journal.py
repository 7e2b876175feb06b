"""Outcomes on disk before they are in the database: JSON lines in segment files, one set per process.

A process holds an exclusive ``flock`` on each of its files. The kernel drops it when the process dies, however it dies,
so a file that can be locked has no owner: its lines may be stored by whoever finds it. (Process ids say nothing: in a
container every start has the same.)
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from routing.gateway.outcome import Outcome

log = logging.getLogger(__name__)

SLICE = 500  # rows per store: more would hold the interpreter long enough to be seen in p99
SEGMENT_BYTES = 64 * 1024 * 1024
LINE_BYTES = 64 * 1024
_CHUNK = 1024 * 1024  # holds at least one line
_TEXT = 500  # characters left of each string of a line that was too long

Store = Callable[[Sequence[Outcome]], object]

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Outcome)


def encode(outcomes: Sequence[Outcome]) -> bytes:
    """JSON lines, each ended by a newline and at most 64 KB. They hold no request or reply text."""
    try:
        lines = _encoder.encode_lines(outcomes)
    except (UnicodeEncodeError, msgspec.MsgspecError, ValueError, OverflowError):
        return b"".join(_encode_one(o) for o in outcomes)
    if len(lines) <= LINE_BYTES or max(map(len, lines.split(b"\n"))) < LINE_BYTES:
        return lines
    return b"".join(_encode_one(o) for o in outcomes)


def _encode_one(outcome: Outcome) -> bytes:
    """One line; strings that no encoding takes are mended, strings that would make it too long are cut."""
    try:
        line = _encoder.encode(outcome)
        if len(line) < LINE_BYTES:
            return line + b"\n"
    except (UnicodeEncodeError, msgspec.MsgspecError, ValueError, OverflowError) as wrong:
        log.warning("Mended a request record: %s", wrong)
    return _encoder.encode(_mend(msgspec.to_builtins(outcome, builtin_types=(bytes,)))) + b"\n"


def _mend(value: object) -> object:
    match value:
        case str():
            return value[:_TEXT].encode("utf-8", "replace").decode()
        case dict():
            return {name: _mend(item) for name, item in value.items()}
        case list() | tuple():
            return [_mend(item) for item in value[:20]]
        case _:
            return value


def decode(data: bytes) -> tuple[list[Outcome], int]:
    """(outcomes, lines that are none). ``data`` ends at the end of a line."""
    try:
        return _decoder.decode_lines(data), 0
    except (msgspec.MsgspecError, UnicodeDecodeError):
        good: list[Outcome] = []
        lines = [line for line in data.split(b"\n") if line]
        for line in lines:
            try:
                good.append(_decoder.decode(line))
            except (msgspec.MsgspecError, UnicodeDecodeError):
                log.error("A line of the journal cannot be read: %r", line[:200])
        return good, len(lines) - len(good)


@dataclass(slots=True, eq=False)
class _Segment:
    path: Path
    fd: int
    size: int = 0  # bytes of whole batches
    stored: int = 0  # bytes whose outcomes are in the database


class Journal:
    """One writer's side (``append``) and one reader's (``unread``, ``advance``, ``tidy``); each from its own thread."""

    def __init__(self, directory: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._directory, self._limit = directory, segment_bytes
        self._lock = threading.Lock()
        self._segments: list[_Segment] = []

    def append(self, data: bytes) -> None:
        """Write whole lines, in one piece or not at all. Raises OSError (disk full, directory gone)."""
        with self._lock:
            segment = self._writable(len(data))
            try:
                written = os.pwrite(segment.fd, data, segment.size)
                if written != len(data):
                    raise OSError(f"{segment.path}: wrote {written} of {len(data)} bytes")
            except OSError:
                os.ftruncate(segment.fd, segment.size)
                raise
            segment.size += len(data)

    def unread(self) -> bytes:
        """The oldest lines that are not stored, at most 500; empty when all are."""
        with self._lock:
            while len(self._segments) > 1 and self._segments[0].stored == self._segments[0].size:
                _remove(self._segments.pop(0))
            if not self._segments:
                return b""
            first = self._segments[0]
            end = first.size
        return _lines(first.fd, first.stored, end)

    def advance(self, size: int) -> None:
        """``size`` bytes of :meth:`unread` are in the database."""
        self._segments[0].stored += size

    def tidy(self) -> None:
        """Empty the file when everything in it is stored; a crash before or after loses nothing."""
        with self._lock:
            if len(self._segments) == 1 and self._segments[0].size == self._segments[0].stored:
                only = self._segments[0]
                os.ftruncate(only.fd, 0)
                only.size = only.stored = 0

    def close(self) -> None:
        """Remove what is stored; leave the rest to the next start's :func:`replay`."""
        with self._lock:
            for segment in self._segments:
                if segment.size == segment.stored:
                    _remove(segment)
                else:
                    os.close(segment.fd)
            self._segments.clear()

    def _writable(self, size: int) -> _Segment:
        last = self._segments[-1] if self._segments else None
        if last is None or (last.size and last.size + size > self._limit):
            last = self._open()
            self._segments.append(last)
        return last

    def _open(self) -> _Segment:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            path = self._directory / f"{os.getpid()}-{secrets.token_hex(6)}.jsonl"
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_EXCL, 0o600)
            if _lock(fd) and path.exists():  # else a replay saw the file between these two lines and removed it
                return _Segment(path, fd)
            os.close(fd)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What :func:`replay` found: outcomes given to the store, and lines cut short or unreadable."""

    stored: int = 0
    torn: int = 0


def replay(directory: Path, store: Store) -> Replayed:
    """Store what dead processes left behind and remove their files; files of living ones are not touched.

    ``store`` must not mind outcomes it has seen. Whatever it raises ends the replay; nothing is removed unstored.
    """
    stored = torn = 0
    for path in sorted(directory.glob("*.jsonl")):
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # another process was faster
        try:
            if _lock(fd) and path.exists():
                found = _replay_file(path, fd, store)
                stored, torn = stored + found.stored, torn + found.torn
        finally:
            os.close(fd)
    if stored or torn:
        log.info("Stored %d requests of an earlier run (%d records were cut short)", stored, torn)
    return Replayed(stored, torn)


def _replay_file(path: Path, fd: int, store: Store) -> Replayed:
    stored = unreadable = offset = 0
    size = os.fstat(fd).st_size
    while data := _lines(fd, offset, size):
        outcomes, bad = decode(data)
        if outcomes:
            store(outcomes)
        stored, unreadable, offset = stored + len(outcomes), unreadable + bad, offset + len(data)
    if unreadable:  # keep the evidence where no replay looks again
        path.rename(path.with_suffix(".unreadable"))
    else:
        path.unlink()
    return Replayed(stored, unreadable + (offset < size))


def _lines(fd: int, start: int, end: int) -> bytes:
    """At most 500 whole lines between two offsets; empty when there is none."""
    data = os.pread(fd, min(_CHUNK, end - start), start)
    data = data[: data.rfind(b"\n") + 1]
    if data.count(b"\n") <= SLICE:
        return data
    return b"\n".join(data.split(b"\n", SLICE)[:SLICE]) + b"\n"


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove(segment: _Segment) -> None:
    segment.path.unlink(missing_ok=True)
    os.close(segment.fd)
