"""Secrets made of several fields, as one text: what may be typed, what is stored, and what is wrong with it.

``sigv4``: ``{"access_key_id", "secret_access_key", "session_token"?}``, the short form ``ID:SECRET[:TOKEN]``, or a
Bedrock API key (one word). ``vertex``: the JSON file of a service account. All others: one word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urlsplit

import msgspec
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from providers.auth.sigv4 import AwsKey
from providers.auth.vertex import private_key

LONGEST_SECRET = 8192
LONGEST_JSON = 16384
WORD = re.compile(r"[\x21-\x7e]+", re.ASCII)
ACCESS_KEY_ID = re.compile(r"[A-Z0-9]{16,128}", re.ASCII)
LIKE_ACCESS_KEY = re.compile(r"(AKIA|ASIA)|[A-Z0-9]{8,}:", re.ASCII)  # and not what Bedrock's API keys look like
ACCOUNT_FIELDS = ("client_email", "private_key", "private_key_id", "project_id")
GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105


class BadSecret(ValueError):
    """What is wrong with a secret, as a sentence for people that never repeats it. ``field``: a Part's name or ""."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a secret in a form. ``lines``: a text of several lines."""

    name: str
    label: Any
    required: bool = False
    lines: bool = False


PARTS: Mapping[str, tuple[Part, ...]] = {
    "sigv4": (
        Part("access_key_id", gettext_lazy("access key id")),
        Part("secret_access_key", gettext_lazy("secret access key")),
        Part("session_token", gettext_lazy("session token (temporary keys only)")),
        Part("api_key", gettext_lazy("or a Bedrock API key instead")),
    ),
    "vertex": (Part("service_account", gettext_lazy("service account (the JSON file)"), lines=True),),
}


def normalised(auth: str, text: str) -> str:
    """The one text that is stored for what was given; "" stays "". Raises BadSecret."""
    said = text.strip()
    if not said:
        return ""
    read = READERS.get(auth)
    if read is not None:
        return read(said)
    if len(said) > LONGEST_SECRET or not WORD.fullmatch(said):
        _refuse(_("An API key is one line of visible ASCII characters."))
    return said


def joined(auth: str, parts: Mapping[str, str]) -> str:
    """A form's fields (PARTS of the scheme) → the text to store; "" when all are empty. Raises BadSecret."""
    said = {name: value.strip() for name, value in parts.items() if value and value.strip()}
    if not said:
        return ""
    if auth == "vertex":
        return _service_account(said["service_account"])
    if "api_key" in said:
        if len(said) > 1:
            _refuse(_("Give either an access key or an API key, not both."), "api_key")
        return _aws(said["api_key"])
    return _aws_stored(said)


def fits(auth: str, secret: str) -> bool:
    """Whether a stored secret is one of this scheme: a catalogue may change it, what is stored stays."""
    if auth == "vertex":
        return secret.startswith('{"type":"service_account"')
    if auth == "sigv4":
        return secret.startswith("{") or not LIKE_ACCESS_KEY.match(secret)
    return bool(WORD.fullmatch(secret))


def aws_key(secret: str) -> AwsKey | None:
    """The access key in a stored secret; None when it is an API key."""
    return AwsKey(**msgspec.json.decode(secret)) if secret.startswith("{") else None


def service_account(secret: str) -> dict[str, str]:
    """The stored service account."""
    found: dict[str, str] = msgspec.json.decode(secret)
    return found


def pieces(auth: str, secret: str) -> tuple[str, ...]:
    """Everything in a stored secret that no message may repeat."""
    if auth == "sigv4" and (key := aws_key(secret)) is not None:
        return tuple(filter(None, (key.secret_access_key, key.session_token, key.access_key_id)))
    if auth == "vertex":
        return (secret, *service_account(secret)["private_key"].split())  # by line: words are shown on one
    return (secret,)


# -- AWS --------------------------------------------------------------------------------------------------------------
def _aws(text: str) -> str:
    if text.startswith("{"):
        return _aws_stored(_object(text))
    head, colon, rest = text.partition(":")
    if colon and ACCESS_KEY_ID.fullmatch(head):
        secret, _colon, token = rest.partition(":")
        return _aws_stored({"access_key_id": head, "secret_access_key": secret, "session_token": token})
    if len(text) > LONGEST_SECRET or not WORD.fullmatch(text):
        _refuse(_("An API key is one line of visible ASCII characters."), "api_key")
    if LIKE_ACCESS_KEY.match(text):
        _refuse(_("This looks like an AWS access key: give ID:SECRET, its id 16 or more capital letters and digits."))
    return text


def _aws_stored(said: Mapping[str, Any]) -> str:
    known = ("access_key_id", "secret_access_key", "session_token")
    if extra := sorted(set(said) - set(known)):
        _refuse(_("%(name)s is not a field of an AWS access key.") % {"name": extra[0]})
    values = {name: said.get(name) or "" for name in known}
    for name, value in values.items():
        if not isinstance(value, str) or (value and not WORD.fullmatch(value)) or len(value) > LONGEST_SECRET:
            _refuse(_("%(name)s is one line of visible ASCII characters.") % {"name": name}, name)
    if not ACCESS_KEY_ID.fullmatch(values["access_key_id"]):
        _refuse(_("access_key_id is 16 or more capital letters and digits, as AKIA…."), "access_key_id")
    if not values["secret_access_key"]:
        _refuse(_("secret_access_key is missing."), "secret_access_key")
    return _text({name: value for name, value in values.items() if value})


# -- Google -----------------------------------------------------------------------------------------------------------
def _service_account(text: str) -> str:
    """Only what the exchange needs is kept."""
    said = _object(text)
    if said.get("type") != "service_account":
        _refuse(_('This is not the JSON file of a service account: its "type" says something else.'))
    for name in ("client_email", "private_key"):
        if not isinstance(said.get(name), str) or not said[name]:
            _refuse(_('The service account has no "%(name)s".') % {"name": name})
    try:
        private_key(said["private_key"])
    except ValueError:
        _refuse(_('The "private_key" of the service account is not an RSA key in PEM form.'))
    kept: dict[str, str] = {name: said[name] for name in ACCOUNT_FIELDS if name in said}
    if not all(isinstance(value, str) for value in kept.values()):
        _refuse(_("The fields of a service account are texts."))
    uri = said.get("token_uri") or GOOGLE_TOKEN_URI
    if not isinstance(uri, str) or urlsplit(uri).scheme not in ("https", "http") or not WORD.fullmatch(uri):
        _refuse(_('The "token_uri" of the service account is not an address.'))
    return _text({"type": "service_account", **kept, "token_uri": uri})


def _object(text: str) -> dict[str, Any]:
    try:
        said = msgspec.json.decode(text.encode()) if len(text) <= LONGEST_JSON else None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        said = None
    if not isinstance(said, dict):
        _refuse(_("A JSON object is expected here; what was given cannot be read as one."))
    return said


def _text(said: Mapping[str, str]) -> str:
    return msgspec.json.encode(said).decode()


def _refuse(sentence: str, field: str = "") -> NoReturn:
    raise BadSecret(sentence, field)


READERS: Mapping[str, Callable[[str], str]] = {"sigv4": _aws, "vertex": _service_account}
