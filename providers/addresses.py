"""The address guard: which network addresses the gateway may call.

A base URL is checked when it is saved (`check_url`) and again whenever a connection is made (`resolve`): the
name is resolved once, every address is judged, and the connection goes to exactly those addresses. A name that
answers differently later (DNS rebinding) gains nothing. Standard library only.
"""

import asyncio
import ipaddress
import re
import socket
import unicodedata
from collections.abc import Iterator
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
SocketAddress = tuple[str, int] | tuple[str, int, int, int]


class AddressRefused(ValueError):
    """An address the gateway must not call; the message is one English sentence, fit for a form or a log."""


# Services that hand credentials to whoever asks from inside a cloud machine. No setting opens them.
METADATA = frozenset(
    ipaddress.ip_address(ip)
    for ip in (
        "169.254.169.254",  # AWS, Google, Azure, DigitalOcean, OpenStack
        "169.254.170.2",  # AWS ECS task credentials
        "169.254.170.23",  # AWS EKS pod identity
        "fd00:ec2::254",  # AWS over IPv6
        "fd00:ec2::23",  # AWS EKS pod identity over IPv6
        "fd20:ce::254",  # Google over IPv6
        "168.63.129.16",  # Azure's platform address, which Python calls global
        "192.0.0.192",  # Oracle, which Python calls global in some versions
        "100.100.100.200",  # Alibaba, inside the carrier range
    )
)
THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")  # Linux takes all of 0/8's first address for itself
RESERVED = ipaddress.ip_network("240.0.0.0/4")
CARRIER = ipaddress.ip_network("100.64.0.0/10")
RELAY_ANYCAST = ipaddress.ip_network("192.88.99.0/24")
NAT64 = ipaddress.ip_network("64:ff9b::/96")
NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")
COMPATIBLE = ipaddress.ip_network("::/96")
ISATAP = (0x00005EFE, 0x02005EFE)

LOCAL_NAMES = re.compile(r"(?:.*\.)?(?:localhost|localdomain|internal|intranet|local|lan|home\.arpa)", re.ASCII)
HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.ASCII)
NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)


def refusal(ip: str, *, allow_private: bool = False) -> str | None:
    """Why this literal address may not be called, as words that follow "is"; None when it may.

    `allow_private` opens loopback, private, link-local and carrier addresses, nothing else. An address that
    carries an IPv4 address inside (mapped, NAT64, 6to4, Teredo, ISATAP) is judged by that one as well.
    """
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return "not an IP address"
    for each in (*_embedded(address), address):
        why = _always(each) or (None if allow_private else _private(each))
        if why:
            return why
    return None


def _embedded(address: Address) -> Iterator[ipaddress.IPv4Address]:
    """The IPv4 addresses a gateway or tunnel on the way would take out of an IPv6 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address in NAT64 or (address in COMPATIBLE and int(address) > 1):
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    elif address.sixtofour is not None:
        yield address.sixtofour
    elif address.teredo is not None:
        yield from address.teredo
    elif (int(address) >> 32) & 0xFFFFFFFF in ISATAP:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def _always(address: Address) -> str | None:
    if address in METADATA:
        return "a cloud metadata address"
    if address.is_multicast:
        return "a multicast address"
    if address.is_unspecified or address in THIS_NETWORK:
        return "an unspecified address"
    if address in RESERVED or address in RELAY_ANYCAST:
        return "a reserved address"
    return None


def _private(address: Address) -> str | None:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return None  # judged as its IPv4 address; as IPv6 the whole block is "reserved" in some Python versions
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if address in CARRIER:
        return "a carrier (CGNAT) address"
    if address in NAT64_LOCAL or address.is_private or getattr(address, "is_site_local", False):
        return "a private address"
    if address in NAT64 or address.is_global:
        return None
    return "a reserved address"


def check_name(host: str, *, allow_private: bool) -> None:
    """Check a host as it is written (a name, or a literal address without brackets), without any look-up.

    Raises AddressRefused for literal addresses `refusal` refuses, for numbers in unusual spellings (decimal,
    octal, hexadecimal, short), for malformed names, and without `allow_private` for names of local networks.
    """
    name = unicodedata.normalize("NFKC", host).lower().removesuffix(".")
    if ":" in name:
        return _check_literal(name, allow_private)
    if NUMERIC_LABEL.fullmatch(name.rpartition(".")[2]):
        return _check_literal(name, allow_private)
    try:
        ascii_name = name.encode("idna").decode("ascii")
    except UnicodeError:
        raise AddressRefused(f"{host!r} is not a valid host name.") from None
    if len(ascii_name) > 253 or not HOST_NAME.fullmatch(ascii_name):
        raise AddressRefused(f"{host!r} is not a valid host name.")
    if not allow_private and ("." not in ascii_name or LOCAL_NAMES.fullmatch(ascii_name)):
        raise AddressRefused(f"{host} is a name of the local network, which this connection may not call.")


def _check_literal(name: str, allow_private: bool) -> None:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        raise AddressRefused(f"{name!r} is an IP address in an unusual spelling; write it as 203.0.113.7.") from None
    if why := refusal(str(address), allow_private=allow_private):
        raise AddressRefused(f"{name} is {why}, which this connection may not call.")


def check_url(url: str, *, allow_private: bool) -> None:
    """Check a base URL before it is saved: form and host only, nothing is looked up.

    Raises AddressRefused with one clear sentence. Accepted: http or https, a host, an optional port and path.
    """
    if not url or any(c <= " " or c in "\\\x7f" for c in url):
        raise AddressRefused("The URL is empty, or contains a space, a backslash or a control character.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressRefused("The URL's host or port is not valid.") from None
    if parts.scheme not in ("http", "https"):
        raise AddressRefused("The URL must begin with http:// or https://.")
    if "@" in parts.netloc:
        raise AddressRefused("The URL must not contain a user name or password.")
    if "#" in url:
        raise AddressRefused("The URL must not contain a fragment (#).")
    if port == 0 or parts.netloc.endswith(":"):
        raise AddressRefused("The URL's port is not valid.")
    if not parts.hostname or "%" in parts.netloc:
        raise AddressRefused("The URL has no valid host.")
    check_name(parts.hostname, allow_private=allow_private)


async def resolve(host: str, port: int, *, allow_private: bool) -> list[tuple[socket.AddressFamily, SocketAddress]]:
    """The addresses a connection to this host may be made to, in the system resolver's order; never empty.

    Raises AddressRefused when any one of them is refused (a name that mixes public and private addresses is
    an attack or a mistake), and OSError (socket.gaierror) or UnicodeError when the name cannot be resolved.
    """
    found = literal(host, port) or await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
    )
    addresses: list[tuple[socket.AddressFamily, SocketAddress]] = []
    for family, _, _, _, address in found:
        if why := refusal(str(address[0]), allow_private=allow_private):
            raise AddressRefused(f"{host} resolves to {address[0]}, {why}, which this connection may not call.")
        addresses.append((family, address))  # type: ignore[arg-type]
    if not addresses:
        raise socket.gaierror(socket.EAI_NONAME, f"{host} has no address")
    return addresses


def literal(host: str, port: int) -> list[tuple[socket.AddressFamily, int, int, str, SocketAddress]]:
    """A literal address as getaddrinfo would give it, without the hop to a thread; empty for names."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return []
    if address.version == 4:
        return [(socket.AF_INET, 0, 0, "", (str(address), port))]
    if address.scope_id:
        return []  # an interface's name has to become a number: getaddrinfo knows
    return [(socket.AF_INET6, 0, 0, "", (str(address), port, 0, 0))]
