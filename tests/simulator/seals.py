"""What only this vendor can have made: signatures of thinking and sealed, opaque reasoning. They are checked when
they come back, so one changed byte, or one of another vendor, is a refusal."""

import base64
import hashlib
import hmac

from .checks import unbase64

SECRET = b"of the simulator"
MAC = hashlib.sha256().digest_size


def sign(family: str, text: str) -> str:
    """The signature of a text, base64."""
    return base64.b64encode(_mac(family, text.encode())).decode()


def signed(family: str, text: str, signature: object) -> bool:
    return isinstance(signature, str) and hmac.compare_digest(signature.encode(), sign(family, text).encode())


def seal(family: str, text: str) -> str:
    """The text as an opaque base64 word."""
    hidden = text.encode()[::-1]
    return base64.b64encode(_mac(family, hidden) + hidden).decode()


def unseal(family: str, word: object) -> str | None:
    """The text of a seal in either base64 alphabet; None when this family did not make it."""
    data = unbase64(word) if isinstance(word, str) else None
    if data is None or not hmac.compare_digest(data[:MAC], _mac(family, data[MAC:])):
        return None
    return data[MAC:][::-1].decode()


def _mac(family: str, data: bytes) -> bytes:
    return hmac.digest(SECRET, family.encode() + b"\0" + data, "sha256")
