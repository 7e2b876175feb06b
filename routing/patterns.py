"""Patterns over model names: ``*`` is any run, ``?`` one character, everything else itself. Case matters not."""

from __future__ import annotations


def matches(pattern: str, name: str) -> bool:
    """Whether the whole name fits. ``openai/*`` fits ``openai/gpt-4o`` and never ``openai-x/gpt-4o``."""
    if pattern in ("*", name):
        return True
    if is_plain(pattern):
        return pattern.lower() == name.lower()
    return _glob(pattern.lower(), name.lower())


def _glob(pattern: str, name: str) -> bool:
    """Greedy with one point of return, so its time is at most len(pattern) × len(name), whatever users write."""
    at = fits = 0
    star, resume = -1, 0
    while fits < len(name):
        if at < len(pattern) and pattern[at] == "*":
            star, resume, at = at, fits, at + 1
        elif at < len(pattern) and pattern[at] in ("?", name[fits]):
            at, fits = at + 1, fits + 1
        elif star >= 0:
            resume += 1
            at, fits = star + 1, resume
        else:
            return False
    return pattern[at:].strip("*") == ""


def specificity(pattern: str) -> tuple[int, int, int, str]:
    """Sort key, the most specific pattern first: letters that must match, then fewer stars, then more marks."""
    stars, marks = pattern.count("*"), pattern.count("?")
    return (-(len(pattern) - stars - marks), stars, -marks, pattern)


def is_plain(pattern: str) -> bool:
    """No wildcard in it: an exact name."""
    return "*" not in pattern and "?" not in pattern
