"""Sources of bytes: files, memory, data URIs and file objects."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import io
import os
import re
from collections.abc import Hashable, Iterator
from functools import cached_property
from typing import BinaryIO, Final, Literal, get_args
from urllib.parse import unquote, unquote_to_bytes

from senseweave.errors import MediaError, NoContentError
from senseweave.forking import Lock, forks
from senseweave.media.forms.content import Content
from senseweave.media.forms.local_names import stored_name
from senseweave.media.forms.recognition import identify
from senseweave.media.forms.shared_file import SharedFile
from senseweave.media.modality import Modality
from senseweave.media.policy import CheckedFile, MediaPolicy

Pages = Literal["separate", "both", "text", "picture"]
"""What becomes of pages that have words and are drawn, such as those of a PDF: text and picture, which are hits of
their own (`separate`) or one hit (`both`); only their text; only their picture."""
PAGES: Final[tuple[Pages, ...]] = get_args(Pages)


class Source:
    """The bytes of an input, shared by all media of that input, for example the windows of a recording.

    Subclasses define `label`, `identity` and `open`.
    """

    def __init__(self, policy: MediaPolicy) -> None:
        self.policy = policy
        self.depth = 0
        """How many files it is nested in."""
        self.track_seconds: dict[Modality, float] = {}
        """Length of the audio and the video track, once a media has determined it."""
        self.states_length: bool | None = None
        """Whether a sound file's own statement of its length can be believed, once that was looked into."""
        self.expected: Modality | None = None
        """Modality of the first media of this source; a download of anything else ends at its first bytes."""
        self.encoding: str | None = None
        """The encoding of a text, as the caller named it or as reading chose it."""
        self.reads_scans = True
        """Whether OCR may read scanned pages, in this file and in those inside it."""
        self.pages: Pages = "separate"
        """What becomes of pages, in this file and in those inside it."""
        self.scanned: frozenset[int] | None = None
        """The pages whose words OCR reads, once they are known."""
        self.scanned_words: dict[int, str] = {}
        """What OCR read on them so far."""
        self.notes: list[str] = []
        """What reading has shown so far of a source that could be read only in part, or not as it is."""

    def __str__(self) -> str:
        """Return the label, made only when it is asked for: it may need the hash of all bytes."""
        return self.label

    def note(self, text: str) -> None:
        """Keep what a user should know of the source, once."""
        if text not in self.notes:
            self.notes.append(text)

    @property
    def label(self) -> str:
        """The path, the URL or a short name."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The label, or where that would need reading, a substitute for `repr`."""
        return self.label

    @property
    def stored(self) -> str:
        """The name under which records keep it, valid in every folder: an absolute path, a URL or the label."""
        return self.label

    @property
    def identity(self) -> Hashable:
        """The value that equality compares, determined without reading a file or a URL."""
        raise NotImplementedError

    @property
    def root(self) -> Source:
        """The source of the outermost file: itself, unless it is a part of another."""
        return self

    @property
    def part(self) -> str | None:
        """The path to it in the outermost file, or None if it is that file."""
        return None

    def open(self) -> BinaryIO:
        """Return a new seekable binary file at position 0.

        Raises:
            MediaError: If it cannot be opened, or the policy forbids it.
        """
        raise NotImplementedError

    @contextlib.contextmanager
    def kept_open(self) -> Iterator[None]:
        """Open a file at most once inside the block, however often it is read; other sources are read as always."""
        yield

    def read(self) -> bytes:
        """Return all bytes, within the policy's `max_bytes`."""
        limit = self.policy.max_bytes
        with self.open() as file:
            size = file.seek(0, io.SEEK_END)
            self.policy.check_bytes(self, size)
            file.seek(0)
            # Not the whole limit: Python takes memory for as many bytes as it is asked for, whatever the file has.
            data = file.read(size + 1)
            if len(data) > size:  # it grew, or does not know its size
                data += file.read(limit + 1 - len(data))
        self.policy.check_bytes(self, len(data))
        return data

    @cached_property
    def content(self) -> Content:
        """The type of the content, by its first bytes.

        Raises:
            MediaError: If it is empty, or the policy does not allow the type.
        """
        with self.open() as file:
            content = identify(file)
        if content is None:
            raise NoContentError(self.label, "is empty (0 bytes)")
        self.policy.check_mime_type(self, content.mime_type)
        return content

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the bytes in hexadecimal."""
        digest = hashlib.sha256()
        with self.open() as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        return digest.hexdigest()

    @cached_property
    def size(self) -> int:
        """Size in bytes."""
        with self.open() as file:
            return file.seek(0, io.SEEK_END)


class FileSource(Source):
    """A local file."""

    def __init__(self, path: str, policy: MediaPolicy) -> None:
        super().__init__(policy)
        self.path = path
        self._checked: CheckedFile | None = None
        self._shared: SharedFile | None = None

    @property
    def label(self) -> str:
        """The path."""
        return self.path

    @property
    def stored(self) -> str:
        """The absolute path, as a file URL if it is not Unicode."""
        return stored_name(self.path)

    @property
    def identity(self) -> Hashable:
        """The absolute path."""
        return "file", os.path.abspath(self.path)

    def open(self) -> BinaryIO:
        """Return a new binary file at position 0."""
        shared = self._shared
        return (shared.reader() if shared is not None else None) or self._open()

    @contextlib.contextmanager
    def kept_open(self) -> Iterator[None]:
        """Open the file at most once inside the block, however often it is read."""
        if self._shared is not None:
            yield
            return
        self._shared = shared = SharedFile(self._open)
        try:
            yield
        finally:
            self._shared = None
            shared.release()

    @cached_property
    def size(self) -> int:
        """Size in bytes."""
        if self._checked is None:
            self.open().close()
        assert self._checked is not None
        return self._checked.size

    def __getstate__(self) -> dict[str, object]:
        # Another process may see another file at the path.
        return {**self.__dict__, "_checked": None, "_shared": None}

    def _open(self) -> BinaryIO:
        file, self._checked = self.policy.open_file(self.path, self._checked)
        return file


class BytesSource(Source):
    """Bytes in memory."""

    def __init__(self, data: bytes, policy: MediaPolicy, kind: str = "bytes", name: str | None = None) -> None:
        super().__init__(policy)
        self.data = data
        self.kind = kind
        self._name = name

    @property
    def label(self) -> str:
        """The given name, or the first digits of the hash."""
        return self._name or f"{self.kind}:{self.sha256[:12]}"

    @property
    def identity(self) -> Hashable:
        """The hash of the bytes."""
        return "bytes", self.sha256

    def open(self) -> BinaryIO:
        """Return a new binary file at position 0."""
        if len(self.data) > self.policy.max_bytes:
            self.policy.check_bytes(self.kind, len(self.data))
        return io.BytesIO(self.data)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the bytes in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


class DataURISource(Source):
    """A `data:` URI (RFC 2397), decoded when first needed."""

    def __init__(self, uri: str, policy: MediaPolicy) -> None:
        super().__init__(policy)
        self.uri = uri

    @property
    def label(self) -> str:
        """The first characters of the URI."""
        return f"{self.uri[:32]}…" if len(self.uri) > 33 else self.uri

    @cached_property
    def identity(self) -> Hashable:
        """The hash of the URI."""
        return "data", hashlib.sha256(self.uri.encode("utf-8", "surrogatepass")).hexdigest()

    @cached_property
    def _data(self) -> bytes:
        header, comma, payload = self.uri.partition(",")
        if not comma:
            raise MediaError(self.label, "is not a data URI: expected a comma before the data")
        self.policy.check_bytes(self.label, len(payload) * 3 // 4)
        if not header.rstrip().lower().endswith(";base64"):
            return unquote_to_bytes(payload)
        try:
            packed = re.sub(r"\s+", "", unquote(payload)).rstrip("=").replace("-", "+").replace("_", "/")
            return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
        except (binascii.Error, ValueError) as error:
            raise MediaError(self.label, f"contains invalid base64 ({error})") from error

    def open(self) -> BinaryIO:
        """Return a new binary file at position 0."""
        return io.BytesIO(self._data)


class StreamSource(Source):
    """A binary file object, read from its current position when first needed, and kept in memory."""

    def __init__(self, stream: BinaryIO, policy: MediaPolicy) -> None:
        super().__init__(policy)
        name = getattr(stream, "name", None)
        self._name = name if isinstance(name, str) else None
        self._stream: BinaryIO | None = stream
        self._data = b""
        self._lock = Lock()
        self._forks = forks()

    @property
    def label(self) -> str:
        """The path of an open file, or the first digits of the hash."""
        return self._name or f"stream:{self.sha256[:12]}"

    @property
    def name(self) -> str:
        """The path of an open file, or `stream`."""
        return self._name or "stream"

    @property
    def identity(self) -> Hashable:
        """The hash of the bytes."""
        return "bytes", self.sha256

    def open(self) -> BinaryIO:
        """Return a new binary file at position 0."""
        with self._lock:
            if self._stream is not None:
                self._check_process(self._stream)
                self._data = self._read_all(self._stream)
                self._stream = None
        return io.BytesIO(self._data)

    def _check_process(self, stream: BinaryIO) -> None:
        """Check that reading a file here moves no position that a parent process shares.

        Raises:
            MediaError: If the file was opened before this process was forked, and not read since.
        """
        if self._forks == forks():
            return
        try:
            stream.fileno()
        except (OSError, AttributeError):  # in memory, of which this process has a copy
            return
        reason = "file object was opened before this process was forked; pass the path, or read it before the fork"
        raise MediaError(self.name, reason)

    def _read_all(self, stream: BinaryIO) -> bytes:
        limit, parts, total = self.policy.max_bytes, [], 0
        try:
            while chunk := stream.read(min(1 << 20, limit + 1 - total)):
                if not isinstance(chunk, bytes | bytearray | memoryview):
                    raise MediaError("stream", "file object returns text; open it in binary mode ('rb')")
                parts.append(bytes(chunk))
                total += len(chunk)
                if total > limit:
                    self.policy.check_bytes("stream", total)
        except MediaError:
            raise
        except (OSError, ValueError) as error:
            raise MediaError("stream", f"file object cannot be read ({error})") from error
        return b"".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        return BytesSource, (self.read(), self.policy, "stream", self._name)
