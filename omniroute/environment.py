"""Every setting that comes from the environment is read here, once, into one frozen object.

Nothing else in the project touches ``os.environ`` for configuration. OAuth client variables, named per vendor,
are the catalogue's and are looked up by name through :func:`variable`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

Network = IPv4Network | IPv6Network

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("text", "json")
# Where servers are, by the schemes that their addresses may have. The first is the one that a refusal shows.
DATABASES = ("postgres", "postgresql", "pgsql", "sqlite")
REDIS = ("redis", "rediss", "unix")
MAIL = ("smtp", "smtp+tls", "smtps")


class BadEnvironment(ValueError):
    """A variable has a value that cannot be used; the message names it and says what is expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the operator said. Times are seconds, sizes are megabytes; empty strings count as unset."""

    data_dir: Path
    host: str
    port: int
    database_url: str | None
    redis_url: str | None
    redis_timeout_ms: int
    celery_broker_url: str | None
    secret_key: str | None
    encryption_keys: tuple[str, ...]
    public_url: str | None
    trusted_proxies: tuple[Network, ...]
    initial_admin_email: str | None
    initial_admin_password: str | None
    email_url: str | None
    email_from: str
    log_level: str
    log_format: str
    max_body_mb: int
    proxy_echo_url: str | None
    debug: bool

    @property
    def database_file(self) -> Path:
        """The SQLite file; meaningful only while ``database_url`` is None."""
        return self.data_dir / "omniroute.sqlite3"

    @property
    def broker_url(self) -> str:
        """Celery's broker: said outright, else Redis when there is one, else files in the data directory."""
        return self.celery_broker_url or self.redis_url or "filesystem://"


def read(source: Mapping[str, str]) -> Environment:
    """Environment from variables. Raises BadEnvironment with the variable's name in the sentence."""

    def text(name: str) -> str | None:
        return source.get(name, "").strip() or None

    return Environment(
        data_dir=Path(text("DATA_DIR") or "~/.omniroute").expanduser().absolute(),
        host=text("HOST") or "127.0.0.1",
        port=_whole("PORT", text("PORT"), 20128, 0, 65535),
        database_url=_server("DATABASE_URL", text("DATABASE_URL"), DATABASES),
        redis_url=_server("REDIS_URL", text("REDIS_URL"), REDIS),
        redis_timeout_ms=_whole("REDIS_TIMEOUT_MS", text("REDIS_TIMEOUT_MS"), 250, 10, 10_000),
        celery_broker_url=_broker("CELERY_BROKER_URL", text("CELERY_BROKER_URL")),
        secret_key=text("SECRET_KEY"),
        encryption_keys=tuple(k.strip() for k in (text("ENCRYPTION_KEYS") or "").split(",") if k.strip()),
        public_url=_url("PUBLIC_URL", text("PUBLIC_URL")),
        trusted_proxies=_networks("TRUSTED_PROXIES", text("TRUSTED_PROXIES")),
        initial_admin_email=text("INITIAL_ADMIN_EMAIL"),
        initial_admin_password=text("INITIAL_ADMIN_PASSWORD"),
        email_url=_server("EMAIL_URL", text("EMAIL_URL"), MAIL),
        email_from=text("EMAIL_FROM") or "omniroute@localhost",
        log_level=_choice("LOG_LEVEL", (text("LOG_LEVEL") or "INFO").upper(), LOG_LEVELS),
        log_format=_choice("LOG_FORMAT", (text("LOG_FORMAT") or "text").lower(), LOG_FORMATS),
        max_body_mb=_whole("MAX_BODY_MB", text("MAX_BODY_MB"), 50, 1, 2048),
        proxy_echo_url=_url("PROXY_ECHO_URL", text("PROXY_ECHO_URL")),
        debug=_choice("DEBUG", (text("DEBUG") or "false").lower(), ("true", "false", "1", "0")) in ("true", "1"),
    )


@cache
def current() -> Environment:
    """The environment of this process, read at first use."""
    return read(os.environ)


def variable(name: str) -> str | None:
    """A variable whose name is data (the catalogue's OAuth clients); None when unset or empty."""
    return os.environ.get(name, "").strip() or None


def _whole(name: str, value: str | None, default: int, low: int, high: int) -> int:
    if value is None:
        return default
    if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
        raise BadEnvironment(f"{name} must be a whole number from {low} to {high}, not {value!r}.")
    return int(value)


def _choice(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise BadEnvironment(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
    return value


def _url(name: str, value: str | None) -> str | None:
    if value is not None and not value.startswith(("http://", "https://")):
        raise BadEnvironment(f"{name} must begin with http:// or https://, not {value!r}.")
    return value.rstrip("/") if value else None


def _server(name: str, value: str | None, schemes: tuple[str, ...]) -> str | None:
    """The address of a server. What is wrong with it is told without it: it may hold a password."""
    if value is None:
        return None
    scheme, colon, _ = value.partition("://")
    if not colon or scheme not in schemes:
        raise BadEnvironment(f"{name} must begin with {schemes[0]}:// (known here: {', '.join(schemes)}).")
    try:
        _ = urlsplit(value).port if value != "sqlite://:memory:" else None
    except ValueError:
        raise BadEnvironment(
            f"{name} must be like {schemes[0]}://user:password@host:1234, what is special in user and password "
            "percent-encoded."
        ) from None
    return value


def _broker(name: str, value: str | None) -> str | None:
    """Celery knows what may come before ://; several addresses may follow each other."""
    if value is not None and "://" not in value:
        raise BadEnvironment(f"{name} must be an address such as redis://host:6379/0 or amqp://host.")
    return value


def _networks(name: str, value: str | None) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(item.strip(), strict=False) for item in (value or "").split(",") if item.strip())
    except ValueError as wrong:
        raise BadEnvironment(f"{name} must be a comma list of networks such as 10.0.0.0/8: {wrong}.") from None
