"""Words with their times → pieces that are read at once, and the two formats of subtitles.

Sources: the de-facto SubRip format; www.w3.org/TR/webvtt1 (2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence

from providers.wire.types import Value

LONGEST_TEXT = 84  # characters: two lines of 42
LONGEST_TIME = 7.0  # seconds
SILENCE = 1.0  # seconds between two words, after which another piece begins
SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！")


class Timed(Value, frozen=True, kw_only=True):
    """A word, or a piece of several. ``start`` and ``end`` are seconds from the beginning of the recording."""

    text: str
    start: float
    end: float


def pieces(words: Sequence[Timed]) -> list[Timed]:
    """Words put together: to the end of a sentence, not longer than can be read, never over a silence."""
    found: list[list[Timed]] = []
    for word in words:
        if not found or _begins(found[-1], word):
            found.append([])
        found[-1].append(word)
    return [Timed(text=_text(group), start=group[0].start, end=group[-1].end) for group in found]


def srt(cues: Sequence[Timed]) -> str:
    return "".join(
        f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n{cue.text}\n\n"
        for number, cue in enumerate(cues, start=1)
    )


def vtt(cues: Sequence[Timed]) -> str:
    """The text's own signs of markup are escaped: players would take them for tags."""
    return "WEBVTT\n\n" + "".join(
        f"{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n{_escaped(cue.text)}\n\n" for cue in cues
    )


def _begins(group: list[Timed], word: Timed) -> bool:
    """Whether a word begins another piece."""
    last = group[-1]
    return (
        last.text.endswith(SENTENCE_ENDS)
        or word.start - last.end >= SILENCE
        or word.end - group[0].start > LONGEST_TIME
        or len(_text(group)) + 1 + len(word.text) > LONGEST_TEXT
    )


def _text(group: list[Timed]) -> str:
    return " ".join(word.text for word in group)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(seconds: float, mark: str) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}{mark}{thousandths:03}"
