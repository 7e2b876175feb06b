"""Incremental framing of byte streams: server-sent events."""

from __future__ import annotations

MAX_FRAME = 32 * 1024 * 1024  # bytes; an image as base64 in one event is the largest honest thing


class FrameTooLong(ValueError):
    """One event grew beyond MAX_FRAME without ending."""


class EventSplitter:
    """Bytes as the network cuts them → whole events, each without its closing blank line.

    Lines may end in LF, CR LF or CR (and in nothing else: U+2028 is data); frames come out with LF.
    """

    __slots__ = ("_after_cr", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()  # of an event that has not ended: holds no blank line
        self._after_cr = False

    def feed(self, data: bytes) -> list[bytes]:
        """The events that end within data. Raises FrameTooLong."""
        if self._after_cr or b"\r" in data:
            data = self._normalise(data)
        rest = self._rest
        if rest:
            known = len(rest) - 1  # a blank line can begin with the last byte, not before
            rest += data
            if rest.find(b"\n\n", known) < 0:
                self._check()
                return []
            data = bytes(rest)
            rest.clear()
        *frames, begun = data.split(b"\n\n")
        rest += begun
        self._check()
        return [frame.strip(b"\n") for frame in frames if frame and frame != b"\n"]

    def flush(self) -> bytes:
        """What is left when the stream ends: an event that lacks its blank line, or nothing."""
        rest = bytes(self._rest).strip(b"\n")
        self._rest.clear()
        return rest

    def _check(self) -> None:
        if len(self._rest) > MAX_FRAME:
            self._rest.clear()
            raise FrameTooLong(f"one event is longer than {MAX_FRAME} bytes")

    def _normalise(self, data: bytes) -> bytes:
        if not data:
            return data
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]  # the second half of a CR LF that the network cut
        self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def payload(frame: bytes) -> bytes:
    """The data of one event: its ``data:`` lines joined by LF; empty for comments and events without data."""
    if frame.startswith(b"data: ") and b"\n" not in frame:
        return frame[6:]
    lines = []
    for line in frame.split(b"\n"):
        if line.startswith(b"data:"):
            lines.append(line[6:] if line[5:6] == b" " else line[5:])
    return b"\n".join(lines)
