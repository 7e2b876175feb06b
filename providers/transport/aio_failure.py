"""aiohttp's and SOCKS's errors as phases."""

import ssl

import aiohttp
from aiohttp_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError

from providers.transport.base import Phase, TransportError

SOCKS_ERRORS = (ProxyConnectionError, ProxyError, ProxyTimeoutError)
PROXY_ERRORS = (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError, *SOCKS_ERRORS)
CUT_ERRORS = (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, OSError)
RAISED = (aiohttp.ClientError, *SOCKS_ERRORS, OSError, ValueError)  # all that a request can raise


def unanswered(error: Exception) -> bool:
    """The connection ended before one byte of a reply; a half-read head would be the error's message."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)
    return isinstance(error, aiohttp.ClientOSError) and not isinstance(error, aiohttp.ClientConnectorError)


def failure(error: Exception, phase: Phase) -> TransportError:
    """aiohttp's error as ours. Its own words are left out: they can hold the proxy's credentials."""
    words = getattr(error, "strerror", None) or type(error).__name__
    if isinstance(error, ssl.SSLError | ssl.CertificateError | aiohttp.ClientSSLError):
        return TransportError(Phase.TLS, f"the TLS handshake failed: {words}")
    if phase is Phase.PROXY or isinstance(error, PROXY_ERRORS):
        return TransportError(Phase.PROXY, f"the proxy could not be used: {words}")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return TransportError(Phase.DNS, "the host could not be resolved")
    if phase is Phase.CONNECT and isinstance(error, OSError):
        return TransportError(Phase.CONNECT, f"the upstream could not be connected: {words}")
    if isinstance(error, CUT_ERRORS):
        return TransportError(Phase.CUT, "the upstream closed the connection before its reply was complete")
    return TransportError(Phase.PROTOCOL, f"the upstream did not answer in HTTP/1.1: {words}")
