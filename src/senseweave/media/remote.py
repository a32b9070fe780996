"""Fetching of URLs that no redirect, name or address can lead to an inner network."""

from __future__ import annotations

import concurrent.futures
import contextlib
import io
import ipaddress
import re
import socket
import tempfile
import threading
import time
from collections.abc import Hashable, Iterable
from typing import BinaryIO, cast
from urllib.parse import urljoin, urlsplit, urlunsplit

from senseweave.errors import MediaError, PolicyError
from senseweave.extras import require
from senseweave.media.content import HEAD_BYTES, confirm, sniff
from senseweave.media.modality import Modality
from senseweave.media.policy import MediaPolicy
from senseweave.media.source import Source

_CHUNK_BYTES = 64 * 1024
_IN_MEMORY_BYTES = 16 * 1024 * 1024
_NEVER_BY_FSSPEC = frozenset({"file", "local", "http", "https", "data", "dir", "reference", "zip", "tar", "libarchive"})
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class RemoteSource(Source):
    """An http(s) or fsspec URL, fetched when first needed and kept until the source goes."""

    def __init__(self, url: str, policy: MediaPolicy) -> None:
        super().__init__(policy)
        self.url = url
        self._fetched: BinaryIO | None = None
        self._lock = threading.Lock()

    @property
    def label(self) -> str:
        """The name for people and records."""
        return without_credentials(self.url)

    @property
    def identity(self) -> Hashable:
        """What equality compares."""
        return "url", self.url

    def open(self) -> BinaryIO:
        """Return a new binary file at position 0."""
        with self._lock:
            if self._fetched is None:
                self._fetched = fetch(self.url, self.policy, self.expected)
            return cast(BinaryIO, io.BufferedReader(_View(self._fetched, self._lock)))

    def __reduce__(self) -> tuple[object, ...]:
        return RemoteSource, (self.url, self.policy)


class _View(io.RawIOBase):
    """An own position in a shared file, so that two threads may read one download."""

    def __init__(self, file: BinaryIO, lock: threading.Lock) -> None:
        self._file, self._lock, self._position = file, lock, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            with self._lock:
                offset += self._file.seek(0, io.SEEK_END)
        elif whence == io.SEEK_CUR:
            offset += self._position
        self._position = max(0, offset)
        return self._position

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        with self._lock:
            self._file.seek(self._position)
            data = self._file.read(len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


def fetch(url: str, policy: MediaPolicy, expected: Modality | None = None) -> BinaryIO:
    """Fetch a URL into a temporary file (in memory while it is small).

    Args:
        url: An http, https or fsspec URL.
        policy: What may be fetched.
        expected: What the content has to be; anything else is given up at its first bytes.

    Raises:
        PolicyError: If the policy forbids the scheme, an address on the way, the size or the type.
        MediaError: If the server cannot be reached, is too slow, or answers with an error.
    """
    scheme = urlsplit(url).scheme.lower()
    if "::" in url.partition("://")[0] or scheme not in ("http", "https"):
        return _fetch_fsspec(url, policy, expected)
    if not policy.network:
        raise PolicyError(without_credentials(url), "the policy allows no network; pass MediaPolicy(network=True)")
    return _fetch_http(url, policy, expected)


def without_credentials(url: str) -> str:
    """Return the URL without a user name and password, for records and messages."""
    try:
        parts = urlsplit(url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    except ValueError:
        return url


def public_address(host: str, port: int, policy: MediaPolicy, *, source: str, timeout: float) -> str:
    """Resolve a host and return an address that may be connected to.

    Every address that the name has must be public (not private, loopback, link-local, multicast, reserved or
    unspecified, nor an IPv6 form that carries such an IPv4 address), unless the policy trusts the host.

    Raises:
        PolicyError: If one is not.
        MediaError: If the name cannot be resolved.
    """
    try:
        # getaddrinfo knows no timeout, so it runs where it can be left behind.
        pool = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="senseweave-resolve")
        found = pool.submit(socket.getaddrinfo, host, port, 0, socket.SOCK_STREAM).result(timeout=timeout)
    except concurrent.futures.TimeoutError as error:
        raise MediaError(source, f"resolving {host} took longer than the policy's timeout") from error
    except (OSError, UnicodeError) as error:
        raise MediaError(source, f"{host} cannot be resolved ({error})") from error
    finally:
        pool.shutdown(wait=False)
    addresses = [str(entry[4][0]) for entry in found]
    if host not in policy.trusted_hosts and f"{host}:{port}" not in policy.trusted_hosts:
        for address in addresses:
            if not is_public(address):
                raise PolicyError(source, f"{host} is at {address}, which is not a public address")
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an IP address, and any IPv4 address that it wraps, is reachable on the public internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        teredo = ip.teredo
        wrapped = [ip.ipv4_mapped, ip.sixtofour, *(teredo or ())]
        if ip in _NAT64 or int(ip) >> 32 == 0:
            wrapped.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if any(inner is not None and not is_public(str(inner)) for inner in wrapped):
            return False
        if ip.ipv4_mapped is not None:
            return True
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def _fetch_http(url: str, policy: MediaPolicy, expected: Modality | None) -> BinaryIO:
    httpx = require("httpx", extra="remote", feature="fetching URLs")
    label, deadline = without_credentials(url), time.monotonic() + policy.timeout
    # No proxy from the environment: a proxy would resolve the name again, and so undo the check of its address.
    with httpx.Client(trust_env=False, follow_redirects=False, timeout=policy.timeout) as client:
        for _ in range(policy.max_redirects + 1):
            request = _pinned_request(client, url, policy, label, deadline)
            try:
                with contextlib.closing(client.send(request, stream=True)) as response:
                    if response.is_redirect and "location" in response.headers:
                        url = urljoin(url, response.headers["location"])
                        continue
                    _check_answer(response, policy, label)
                    return _spool(response.iter_raw(_CHUNK_BYTES), policy, label, deadline, expected)
            except httpx.TimeoutException as error:
                raise MediaError(label, f"the server took longer than {policy.timeout:g} seconds") from error
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise MediaError(label, f"cannot be fetched ({error or type(error).__name__})") from error
    raise PolicyError(label, f"redirects more than {policy.max_redirects} times")


def _pinned_request(client: object, url: str, policy: MediaPolicy, label: str, deadline: float) -> object:
    import httpx

    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise MediaError(label, f"is not a URL ({error})") from error
    if parts.scheme.lower() not in ("http", "https"):
        raise PolicyError(label, f"redirects to the scheme {parts.scheme!r}; only http and https are fetched")
    if not host:
        raise MediaError(label, "is not a URL: it names no host")
    port = port or (443 if parts.scheme.lower() == "https" else 80)
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise MediaError(label, f"took longer than {policy.timeout:g} seconds")
    address = public_address(host, port, policy, source=label, timeout=remaining)
    pinned = parts._replace(netloc=f"[{address}]:{port}" if ":" in address else f"{address}:{port}", fragment="")
    remaining = max(deadline - time.monotonic(), 0.001)
    assert isinstance(client, httpx.Client)
    return client.build_request(
        "GET",
        urlunsplit(pinned),
        headers={"Host": parts.netloc.rpartition("@")[2], "Accept-Encoding": "identity", "User-Agent": "senseweave"},
        extensions={"sni_hostname": host},
        timeout=remaining,
    )


def _check_answer(response: object, policy: MediaPolicy, label: str) -> None:
    import httpx

    assert isinstance(response, httpx.Response)
    if response.status_code != 200:
        raise MediaError(label, f"the server answered {response.status_code} {response.reason_phrase}".rstrip())
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise MediaError(label, "the server sent a compressed body although none was asked for")
    declared = response.headers.get("content-length", "")
    if declared.isdigit():
        policy.check_bytes(label, int(declared))


def _spool(
    chunks: Iterable[bytes], policy: MediaPolicy, label: str, deadline: float, expected: Modality | None
) -> BinaryIO:
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115  (closed with its source)
    total, head, checked = 0, b"", False
    try:
        for chunk in chunks:
            if time.monotonic() > deadline:
                raise MediaError(label, f"took longer than {policy.timeout:g} seconds")
            total += len(chunk)
            policy.check_bytes(label, total)
            file.write(chunk)
            if not checked:
                head += chunk
                if len(head) >= HEAD_BYTES:
                    _check_head(head, policy, label, expected)
                    checked = True
        if not checked:
            _check_head(head, policy, label, expected)
    except BaseException:
        file.close()
        raise
    return cast(BinaryIO, file)


def _check_head(head: bytes, policy: MediaPolicy, label: str, expected: Modality | None) -> None:
    if not head:
        raise MediaError(label, "is empty (0 bytes)")
    content = sniff(head[:HEAD_BYTES])
    policy.check_mime_type(label, content.mime_type)
    if expected is not None:
        confirm(content, expected, label)


def _fetch_fsspec(url: str, policy: MediaPolicy, expected: Modality | None) -> BinaryIO:
    protocol, label = url.partition("://")[0].lower(), without_credentials(url)
    if not re.fullmatch(r"[a-z0-9+.\-]+", protocol) or protocol in _NEVER_BY_FSSPEC or "::" in url:
        raise PolicyError(label, f"{protocol!r} URLs are not read")
    if protocol not in policy.filesystems:
        raise PolicyError(label, f"the policy allows no {protocol!r}; pass MediaPolicy(filesystems={{{protocol!r}}})")
    fsspec = require("fsspec", extra="remote", feature=f"reading {protocol} URLs")
    deadline = time.monotonic() + policy.timeout
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        with filesystem.open(path, "rb") as remote:
            return _spool(iter(lambda: remote.read(_CHUNK_BYTES), b""), policy, label, deadline, expected)
    except MediaError:
        raise
    except Exception as error:  # each filesystem has errors of its own
        raise MediaError(label, f"cannot be read ({error or type(error).__name__})") from error
