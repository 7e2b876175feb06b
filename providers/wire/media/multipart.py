"""A multipart/form-data body, looked through where it lies: parts are offsets, what is large is never copied.

Source: RFC 7578 and RFC 2046 section 5.1.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from providers.wire.errors import Refusal

MOST_PARTS = 100
MOST_LIKENESSES = 1000  # lines of one part that only begin like its end: honest boundaries have none
LONGEST_HEAD = 8192  # bytes of one part's headers
BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,199}[0-9A-Za-z'()+_,\-./:=?]")
PLAIN = re.compile(r"[0-9A-Za-z'+_\-.]+")  # needs no quotes
PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))')
TYPE = re.compile(r"^content-type[ \t]*:[ \t]*([a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+)", re.IGNORECASE | re.MULTILINE)
DISPOSITION = re.compile(r"^content-disposition[ \t]*:[ \t]*form-data[ \t]*(;.*)$", re.IGNORECASE | re.MULTILINE)


class Part(NamedTuple):
    """One field of a form. Its content is ``body[start:end]``; ``file``: it was given a file name; ``kind``: its media
    type, "" when it names none."""

    name: str
    file: bool
    start: int
    end: int
    kind: str = ""


def boundary_of(content_type: str) -> str:
    """The boundary that a Content-Type header names. Raises Refusal 400 when it is not a form's."""
    kind, _, rest = content_type.partition(";")
    if kind.strip().lower() != "multipart/form-data":
        raise Refusal(400, "The body must be multipart/form-data.", code="invalid_content_type")
    for name, quoted, bare in PARAMETER.findall(f";{rest}"):
        boundary = quoted or bare.strip()
        if name.lower() == "boundary" and BOUNDARY.fullmatch(boundary):
            return str(boundary)
    raise Refusal(400, "The Content-Type header names no boundary.", code="invalid_content_type")


def content_type(boundary: str) -> str:
    """The Content-Type header for a form with this boundary."""
    value = boundary if PLAIN.fullmatch(boundary) else f'"{boundary}"'
    return f"multipart/form-data; boundary={value}"


def parts(body: bytes, boundary: str) -> list[Part]:
    """The fields of a form, in order. Raises Refusal 400 when it is not whole."""
    mark = b"--" + boundary.encode()
    at = _delimiter(body, mark, 0, first=True)
    found: list[Part] = []
    while at is not None:
        after = at + len(mark)
        if body.startswith(b"--", after):
            return found
        if len(found) == MOST_PARTS:
            raise _broken(f"has more than {MOST_PARTS} parts")
        found.append(part := _part(body, mark, after))
        at = part.end + 2
    raise _broken("ends early")


def _part(body: bytes, mark: bytes, after: int) -> Part:
    begun = body.find(b"\r\n", after) + 2
    head_end = body.find(b"\r\n\r\n", begun - 2, begun + LONGEST_HEAD)
    if begun < 2 or head_end < 0:
        raise _broken("has a part without headers")
    start = head_end + 4
    end = _delimiter(body, mark, start)
    if end is None:
        raise _broken("ends early")
    head = body[begun:head_end].decode("utf-8", "replace").replace("\r\n", "\n")
    name, file = _named(head)
    kind = TYPE.search(head)
    return Part(name, file, start, max(end - 2, start), kind[1].lower() if kind else "")


def _delimiter(body: bytes, mark: bytes, start: int, *, first: bool = False) -> int | None:
    """Where the next delimiter line begins; the content before it ends two bytes earlier."""
    if first and body.startswith(mark):
        return 0
    line = b"\r\n" + mark
    at = body.find(line, max(start - 2, 0))
    for _ in range(MOST_LIKENESSES):
        if at < 0:
            break
        after = at + len(line)
        if body[after : after + 2] in (b"--", b"\r\n") or body[after : after + 1] in (b" ", b"\t"):
            return at + 2
        at = body.find(line, after)
    return None


def _named(head: str) -> tuple[str, bool]:
    disposition = DISPOSITION.search(head)
    if disposition is None:
        raise _broken("has a part without a name")
    said = {name.lower(): quoted or bare.strip() for name, quoted, bare in PARAMETER.findall(disposition[1])}
    return said.get("name", ""), "filename" in said or "filename*" in said


def _broken(how: str) -> Refusal:
    return Refusal(400, f"The multipart body {how}.", code="invalid_multipart")
