"""The address guard."""

import asyncio
import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.addresses import METADATA, AddressRefused, check_url, refusal, resolve

PUBLIC = ["93.184.216.34", "1.1.1.1", "8.8.8.8", "2606:4700::1111", "2a00:1450:4001::8a", "172.32.0.1"]
PRIVATE = [
    *("127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.1.1"),
    *("100.64.0.1", "100.127.255.254", "198.18.0.1", "192.0.2.1", "::1", "fe80::1", "fe80::1%eth0", "fc00::1"),
    *("fd12::1", "fec0::1", "64:ff9b:1::1", "2001:db8::1"),
]
ALWAYS = [
    *("169.254.169.254", "169.254.170.2", "168.63.129.16", "192.0.0.192", "100.100.100.200", "fd00:ec2::254"),
    *("224.0.0.1", "239.255.255.255", "ff02::1", "0.0.0.0", "0.1.2.3", "::", "240.0.0.1", "255.255.255.255"),
    *("192.88.99.1",),
]


@pytest.mark.parametrize("ip", PUBLIC)
def test_public_addresses_pass(ip: str) -> None:
    assert refusal(ip) is None


@pytest.mark.parametrize("ip", PRIVATE)
def test_private_addresses_need_permission(ip: str) -> None:
    assert refusal(ip)
    assert refusal(ip, allow_private=True) is None


@pytest.mark.parametrize("ip", ALWAYS)
def test_some_addresses_are_never_called(ip: str) -> None:
    assert refusal(ip)
    assert refusal(ip, allow_private=True)


def wrapped(v4: int) -> list[ipaddress.IPv6Address]:
    """Every way an IPv6 address carries an IPv4 address."""
    return [
        ipaddress.IPv6Address(value)
        for value in (
            0xFFFF << 32 | v4,  # mapped
            0x64FF9B << 96 | v4,  # NAT64
            0x2002 << 112 | v4 << 80 | 1,  # 6to4
            0x20010000 << 96 | 0x01010101 << 64 | (v4 ^ 0xFFFFFFFF),  # Teredo, the client
            0x20010000 << 96 | v4 << 64 | 0xFEFEFEFE,  # Teredo, the server
            0x2A00 << 112 | 0x5EFE << 32 | v4,  # ISATAP
        )
    ]


@pytest.mark.parametrize("ip", [ip for ip in PRIVATE + ALWAYS if ":" not in ip])
def test_a_wrapped_address_is_judged_by_what_is_inside(ip: str) -> None:
    for address in wrapped(int(ipaddress.IPv4Address(ip))):
        assert refusal(str(address)), address
        assert ip not in ALWAYS or refusal(str(address), allow_private=True), address


def test_a_wrapped_public_address_passes() -> None:
    mapped, nat64, sixtofour, *_ = wrapped(int(ipaddress.IPv4Address("8.8.8.8")))
    assert [refusal(str(address)) for address in (mapped, nat64, sixtofour)] == [None] * 3


@given(st.ip_addresses())
def test_what_is_not_global_never_passes(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if not ip.is_global and not (ip.version == 6 and (ip.ipv4_mapped or ip in ipaddress.ip_network("::/96"))):
        assert refusal(str(ip))
    if ip in METADATA or ip.is_multicast:
        assert refusal(str(ip), allow_private=True)


def test_what_is_no_address_is_refused() -> None:
    assert refusal("models.example")
    assert refusal("")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com",
        "https://api.example.com/v1",
        "http://api.example.com:8080/v1/",
        "https://API.Example.com./v1",
        "https://93.184.216.34/v1",
        "https://[2606:4700::1111]:8443/v1",
        "https://bücher.example/v1",
        "https://my_resource.example.com/openai?api-version=1",
    ],
)
def test_honest_urls_may_be_saved(url: str) -> None:
    check_url(url, allow_private=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:11434/v1",
        "http://LOCALHOST./v1",
        "http://api.localhost",
        "http://ollama:11434",
        "http://box.internal",
        "http://nas.local",
        "http://gw.home.arpa",
        "http://127.0.0.1:8000/v1",
        "http://⑫7.0.0.1",
        "http://[::1]:8000",
        "http://[::ffff:10.0.0.1]",
        "http://192.168.0.9",
        "http://100.64.3.2:1234",
    ],
)
def test_local_urls_need_permission(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(url, allow_private=False)
    check_url(url, allow_private=True)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "//api.example.com",
        "ftp://api.example.com",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https:///v1",
        "https://user:password@api.example.com",
        "https://user@api.example.com",
        "https://@api.example.com",
        "https://api.example.com/#x",
        "https://api.example.com#",
        "https://api.example.com:0",
        "https://api.example.com:65536",
        "https://api.example.com:port",
        "https://api.example.com:",
        "https://api.example.com:-1",
        "https://api example.com",
        "https://api.example.com/\n",
        "https://api.example.com\\@127.0.0.1",
        "https://api%2eexample.com",
        "https://[::1",
        "https://[fe80::1%25eth0]",
        "https://a..example.com",
        "https://-x.example.com",
        "https://" + "a" * 64 + ".example.com",
        "https://exa<mple.com",
        "http://2130706433",
        "http://0x7f000001",
        "http://0x7f.1",
        "http://0177.0.0.1",
        "http://127.1",
        "http://127.0.0.1.1",
        "http://1.2.3.0x4",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:169.254.169.254]",
        "http://[fd00:ec2::254]",
        "http://0.0.0.0:80",
        "http://[::]",
        "http://224.0.0.1",
        "http://168.63.129.16",
    ],
)
def test_these_urls_may_never_be_saved(url: str) -> None:
    for allow_private in (False, True):
        with pytest.raises(AddressRefused) as caught:
            check_url(url, allow_private=allow_private)
        assert str(caught.value).endswith(".")
        assert "password" not in str(caught.value).replace("user name or password", "")


def answering(monkeypatch: pytest.MonkeyPatch, *ips: str) -> None:
    async def getaddrinfo(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        return [
            (socket.AF_INET6, 1, 6, "", (ip, port, 0, 0)) if ":" in ip else (socket.AF_INET, 1, 6, "", (ip, port))
            for ip in ips
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


async def test_a_name_comes_back_as_checked_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "93.184.216.34", "2606:4700::1111")
    assert await resolve("models.example", 443, allow_private=False) == [
        (socket.AF_INET, ("93.184.216.34", 443)),
        (socket.AF_INET6, ("2606:4700::1111", 443, 0, 0)),
    ]


async def test_one_refused_address_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "93.184.216.34", "10.0.0.1")
    with pytest.raises(AddressRefused, match=r"mixed\.example resolves to 10\.0\.0\.1, a private address"):
        await resolve("mixed.example", 443, allow_private=False)
    assert len(await resolve("mixed.example", 443, allow_private=True)) == 2
    answering(monkeypatch, "10.0.0.1", "169.254.169.254")
    with pytest.raises(AddressRefused):
        await resolve("rebound.example", 443, allow_private=True)


async def test_a_name_without_addresses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch)
    with pytest.raises(socket.gaierror):
        await resolve("empty.example", 443, allow_private=True)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1"])
async def test_odd_spellings_are_judged_by_what_the_system_makes_of_them(host: str) -> None:
    with pytest.raises((AddressRefused, OSError)):
        await resolve(host, 80, allow_private=False)


async def test_literal_addresses_need_no_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "10.0.0.1")
    assert await resolve("127.0.0.1", 80, allow_private=True) == [(socket.AF_INET, ("127.0.0.1", 80))]
    assert await resolve("::1", 80, allow_private=True) == [(socket.AF_INET6, ("::1", 80, 0, 0))]
    with pytest.raises(AddressRefused):
        await resolve("::1", 80, allow_private=False)
