"""Fetch URLs; no redirect, name or address leads to an internal network."""

from __future__ import annotations

import io
import re
import tempfile
import time
from collections.abc import Hashable, Iterable
from typing import Any, BinaryIO, cast

from senseweave.errors import MediaError, PolicyError
from senseweave.extras import require_reader
from senseweave.forking import Lock, forks
from senseweave.media.forms.containers import is_container
from senseweave.media.forms.content import HEAD_BYTES, confirm
from senseweave.media.forms.recognition import identify
from senseweave.media.forms.source import Source
from senseweave.media.modality import Modality
from senseweave.media.policy import MediaPolicy
from senseweave.redaction import has_secret, without_credentials

_CHUNK_BYTES = 64 * 1024
_IN_MEMORY_BYTES = 16 * 1024 * 1024
_NEVER_BY_FSSPEC = frozenset({"file", "local", "http", "https", "data", "dir", "reference", "zip", "tar", "libarchive"})


class RemoteSource(Source):
    """An http(s) or fsspec URL, fetched when first needed and kept as long as the source."""

    def __init__(self, url: str, policy: MediaPolicy) -> None:
        super().__init__(policy)
        self.url = url
        self._fetched: BinaryIO | None = None
        self._lock = Lock()
        self._forks = forks()

    @property
    def label(self) -> str:
        """The URL without credentials."""
        return without_credentials(self.url)

    @property
    def identity(self) -> Hashable:
        """The URL."""
        return "url", self.url

    def open(self) -> BinaryIO:
        """Return a new binary file at position 0."""
        with self._lock:
            if self._fetched is None or self._forks != forks():  # a child shares the position in its parent's file
                self._forks = forks()
                self._fetched = fetch(self.url, self.policy, self.expected)
            return cast(BinaryIO, io.BufferedReader(_View(self._fetched, self._lock)))

    def __reduce__(self) -> tuple[object, ...]:
        return RemoteSource, (self.url, self.policy)


class _View(io.RawIOBase):
    """A file object with its own position in a shared file, so that threads can read the same download."""

    def __init__(self, file: BinaryIO, lock: Lock) -> None:
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
        expected: Modality that the content must have; the download of anything else ends at its first bytes.

    Raises:
        PolicyError: If the policy forbids the scheme, the address of a hop, the size or the type.
        MediaError: If the server cannot be reached, is too slow, or answers with an error.
    """
    scheme = url.partition("://")[0].lower()
    if scheme not in ("http", "https"):
        return _fetch_fsspec(url, policy, expected)
    if not policy.network:
        raise PolicyError(
            without_credentials(url), "the policy allows no network access; pass MediaPolicy(network=True)"
        )
    return _fetch_http(url, policy, expected)


def _fetch_http(url: str, policy: MediaPolicy, expected: Modality | None) -> BinaryIO:
    label, deadline = without_credentials(url), time.monotonic() + policy.timeout
    httpx = require_reader("httpx", extra="remote", feature="fetching URLs", source=label)
    import httpcore

    from senseweave.media.forms.connection import CheckedBackend

    try:
        target = httpx.URL(url)
        # No proxy: it would resolve the name again, bypassing the check of the address.
        with httpcore.ConnectionPool(network_backend=CheckedBackend(policy, label, deadline)) as pool:
            for _ in range(policy.max_redirects + 1):
                if target.scheme not in ("http", "https"):
                    raise PolicyError(label, f"redirects to a {target.scheme!r} URL; only http and https are followed")
                with pool.stream("GET", _parts(target), headers=_HEADERS) as response:
                    headers = {
                        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
                    }
                    if response.status in _REDIRECTS and "location" in headers:
                        target = target.join(headers["location"])
                        continue
                    _check_response(response.status, headers, policy, label)
                    return _spool(response.iter_stream(), policy, label, deadline, expected)
    except httpcore.TimeoutException as error:
        raise MediaError(label, f"takes longer than {policy.timeout:g} seconds to download (timeout)") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
        raise MediaError(label, f"cannot be downloaded ({error or type(error).__name__})") from error
    except MediaError:
        raise
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        reason = f"is or redirects to an invalid URL ({_detail(error, url)})"
        raise MediaError(label, reason) from _cause(error, url)
    raise PolicyError(label, f"redirects more than {policy.max_redirects} times (max_redirects)")


_HEADERS: dict[bytes | str, bytes | str] = {"Accept-Encoding": "identity", "Accept": "*/*", "User-Agent": "senseweave"}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def _parts(url: Any) -> Any:
    import httpcore

    if not url.raw_host:
        msg = "it has no host"
        raise ValueError(msg)
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def _check_response(status: int, headers: dict[str, str], policy: MediaPolicy, label: str) -> None:
    if status != 200:
        raise MediaError(label, f"the server responded with status {status}")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise MediaError(label, "the server sent a compressed body, which was not requested")
    if headers.get("content-length", "").isdigit():
        policy.check_bytes(label, int(headers["content-length"]))


def _spool(
    chunks: Iterable[bytes], policy: MediaPolicy, label: str, deadline: float, expected: Modality | None
) -> BinaryIO:
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115  (closed with its source)
    total, head, checked = 0, b"", False
    try:
        for chunk in chunks:
            if time.monotonic() > deadline:
                raise MediaError(label, f"takes longer than {policy.timeout:g} seconds to download (timeout)")
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
    if len(head) >= HEAD_BYTES and is_container(head) and expected in (None, "text"):
        return  # what it is stands further on; it is checked when the download is complete
    content = identify(io.BytesIO(head[:HEAD_BYTES]))
    if content is None:
        raise MediaError(label, "is empty (0 bytes)")
    policy.check_mime_type(label, content.mime_type)
    if expected is not None:
        confirm(content, expected, label)


def _fetch_fsspec(url: str, policy: MediaPolicy, expected: Modality | None) -> BinaryIO:
    protocol, label = url.partition("://")[0].lower(), without_credentials(url)
    if not re.fullmatch(r"[a-z0-9+.\-]+", protocol) or protocol in _NEVER_BY_FSSPEC or "::" in url:
        raise PolicyError(label, f"{protocol!r} URLs are not supported")
    if protocol not in policy.filesystems:
        raise PolicyError(
            label, f"the policy allows no {protocol!r} URLs; pass MediaPolicy(filesystems={{{protocol!r}}})"
        )
    fsspec = require_reader("fsspec", extra="remote", feature=f"reading {protocol} URLs", source=label)
    deadline = time.monotonic() + policy.timeout
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        with filesystem.open(path, "rb") as remote:
            return _spool(iter(lambda: remote.read(_CHUNK_BYTES), b""), policy, label, deadline, expected)
    except MediaError:
        raise
    except Exception as error:  # every filesystem has its own errors
        raise MediaError(label, f"cannot be read ({_detail(error, url)})") from _cause(error, url)


def _detail(error: Exception, url: str) -> str:
    """Return what an error of another library says, or its type alone where it could repeat a secret of the URL."""
    return type(error).__name__ if has_secret(url) else str(error) or type(error).__name__


def _cause(error: Exception, url: str) -> Exception | None:
    return None if has_secret(url) else error
