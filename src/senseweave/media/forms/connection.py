"""Connections for downloads: only to checked addresses, and never past the deadline.

This module needs httpcore and is imported when the first URL is fetched.
"""

from __future__ import annotations

import concurrent.futures
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from senseweave.errors import MediaError, PolicyError
from senseweave.media.policy import MediaPolicy

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class CheckedBackend(httpcore.NetworkBackend):
    """Opens every connection of a download, so that no redirect, name or address bypasses the check.

    A host is resolved once, its addresses are checked, and the connection is made to a checked address, so that a name
    that changes its address in between (DNS rebinding) has no effect. One deadline bounds every read and write, so that
    a server that sends a byte now and then cannot prolong the download.
    """

    def __init__(self, policy: MediaPolicy, source: str, deadline: float) -> None:
        self._policy, self._source, self._deadline = policy, source, deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to a checked address of a host."""
        address = public_address(host, port, self._policy, source=self._source, timeout=remaining(self._deadline))
        stream = self._sockets.connect_tcp(address, port, remaining(self._deadline), local_address, socket_options)
        return _BoundStream(stream, self._deadline)


class _BoundStream(httpcore.NetworkStream):
    """A connection whose operations all end at the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, remaining(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, remaining(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, remaining(self._deadline))
        return _BoundStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def remaining(deadline: float) -> float:
    """Return the seconds until a deadline of `time.monotonic()`.

    Raises:
        httpcore.TimeoutException: If it has passed.
    """
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise httpcore.TimeoutException
    return seconds


def public_address(host: str, port: int, policy: MediaPolicy, *, source: str, timeout: float) -> str:
    """Resolve a host and return an address that may be connected to.

    Every address of the host must be public (not private, loopback, link-local, multicast, reserved or
    unspecified, nor an IPv6 form that carries such an IPv4 address), unless the policy trusts the host.

    Raises:
        PolicyError: If an address is not public.
        MediaError: If the host cannot be resolved.
    """
    pool = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="senseweave-resolve")
    try:  # getaddrinfo has no timeout, so it runs in a thread that can be abandoned
        entries = pool.submit(socket.getaddrinfo, host, port, 0, socket.SOCK_STREAM).result(timeout=timeout)
    except concurrent.futures.TimeoutError as error:
        raise httpcore.TimeoutException from error
    except (OSError, UnicodeError) as error:
        raise MediaError(source, f"{host} cannot be resolved ({error})") from error
    finally:
        pool.shutdown(wait=False)
    addresses = [str(entry[4][0]) for entry in entries]
    if host not in policy.trusted_hosts and f"{host}:{port}" not in policy.trusted_hosts:
        for address in addresses:
            if not is_public(address):
                raise PolicyError(source, f"{host} resolves to {address}, which is not a public address")
    return addresses[0]


def is_public(address: str) -> bool:
    """Return whether an IP address, and any IPv4 address embedded in it, is on the public internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if ip in _NAT64:  # how an IPv6-only network reaches the IPv4 internet
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        if any(inner is not None and not is_public(str(inner)) for inner in (ip.sixtofour, *(ip.teredo or ()))):
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)
