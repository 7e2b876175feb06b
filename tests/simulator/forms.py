"""multipart/form-data, read strictly."""

import re
from dataclasses import dataclass, field

from .types import Received

DISPOSITION = re.compile(rb'(?i)content-disposition:\s*form-data;\s*name="([^"]*)"(?:;\s*filename="([^"]*)")?[^\r\n]*')


@dataclass(frozen=True)
class File:
    name: str
    data: bytes = field(repr=False)


Form = dict[str, list[str | File]]


def read(received: Received) -> Form | None:
    """The fields in order, each with all of its values; None when the body is no well-formed form."""
    kind, _, rest = (received.header("content-type") or "").partition(";")
    found = re.search(r'boundary="?([^";,]{1,70})"?', rest)
    if kind.strip().lower() != "multipart/form-data" or not found:
        return None
    first, *parts = (b"\r\n" + received.body).split(b"\r\n--" + found[1].encode())
    if first or not parts or not parts[-1].startswith(b"--"):
        return None
    form: Form = {}
    for part in parts[:-1]:
        head, separator, data = part.partition(b"\r\n\r\n")
        named = DISPOSITION.search(head)
        if not separator or not named:
            return None
        name, filename = (it.decode() if it is not None else None for it in named.groups())
        value = data.decode() if filename is None else File(filename, data)
        form.setdefault(name or "", []).append(value)
    return form
