"""The policy that every input passes: what may be read, and how much of it."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from senseweave.errors import MediaError, PolicyError
from senseweave.redaction import quoted, redact_repr
from senseweave.suggestions import looks_like_text


@dataclass(frozen=True)
class CheckedFile:
    """A local file that a policy allowed, and the state it was in.

    Attributes:
        real: Its path without links.
        size: In bytes.
        version: Device, inode, size and times. A file that was replaced or written to has another version, and so does
            a file outside the policy's root that is reached through a replaced folder.
    """

    real: Path
    size: int
    version: tuple[int, ...]

    @classmethod
    def from_status(cls, real: Path, status: os.stat_result) -> CheckedFile:
        """Return the checked file with the state that `os.fstat` reported."""
        return cls(real, status.st_size, _version(status))


@redact_repr
@dataclass(frozen=True)
class MediaPolicy:
    """Limits on what is read and decoded.

    Attributes:
        root: Local files must lie under this folder once symbolic links are resolved; None allows every local file.
        network: Whether http and https URLs may be fetched. Addresses that are not public (private, loopback,
            link-local, ...) are still refused on every hop, except for `trusted_hosts`.
        trusted_hosts: `host` or `host:port` names that may resolve to addresses that are not public.
        filesystems: fsspec protocols that may be opened, for example `{"s3", "gs"}`; none by default.
        mime_types: Patterns such as `image/*`, one of which the content must match; None for all types.
        max_bytes: Largest encoded input, and largest decoded sound or video clip, in bytes.
        max_text_bytes: Largest text or HTML file, in bytes.
        max_pixels: Largest image, page or video frame, in pixels (width times height).
        max_seconds: Longest audio or video source, in seconds.
        max_pages: Largest document, in pages.
        max_parts: Most files inside a document, a mail or an archive, those inside them included.
        max_depth: How deep files may be nested in files.
        max_redirects: Most redirects that a download follows.
        timeout: Seconds that the whole download of a URL may take.
        decode_timeout: Seconds that decoding one video clip, or reading one scanned page, may take.
        moved: Where files are now, by the folder under which they were: `{"/data/photos": "/mnt/archive/photos"}` reads
            them there, also those of Windows, while records keep the paths that they know.
    """

    root: Path | str | None = None
    network: bool = False
    trusted_hosts: frozenset[str] = frozenset()
    filesystems: frozenset[str] = frozenset()
    mime_types: tuple[str, ...] | None = None
    max_bytes: int = 2 * 1024**3
    max_text_bytes: int = 64 * 1024**2
    max_pixels: int = 64_000_000
    max_seconds: float = 4 * 3600.0
    max_pages: int = 5_000
    max_parts: int = 10_000
    max_depth: int = 8
    max_redirects: int = 5
    timeout: float = 30.0
    decode_timeout: float = 300.0
    moved: Mapping[str, str] | tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.root is not None:
            object.__setattr__(self, "root", Path(self.root))
        for name in ("trusted_hosts", "filesystems"):
            names = getattr(self, name)
            object.__setattr__(self, name, frozenset([names] if isinstance(names, str) else names))
        moved = self.moved.items() if isinstance(self.moved, Mapping) else self.moved
        object.__setattr__(self, "moved", tuple((os.fspath(old), os.fspath(new)) for old, new in moved))
        if self.mime_types is not None:
            types = (self.mime_types,) if isinstance(self.mime_types, str) else tuple(self.mime_types)
            object.__setattr__(self, "mime_types", types)
        limits = [name for name in self.__dataclass_fields__ if name.startswith("max_") and name != "max_redirects"]
        for name in [*limits, "timeout", "decode_timeout"]:
            if not getattr(self, name) > 0:
                msg = f"{name} must be greater than 0, not {quoted(getattr(self, name))}"
                raise ValueError(msg)

    def resolve(self, path: str) -> Path:
        """Return the real path of a local file or folder.

        Raises:
            MediaError: If there is no such file, or the path is invalid.
            PolicyError: If it lies outside `root`.
        """
        try:
            real = self._current(path).resolve(strict=True)
        except FileNotFoundError:
            raise MediaError(path, f"no such file{_text_hint(path)}") from None
        except (OSError, ValueError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise MediaError(_shortened(path), f"is not a valid path ({reason}){_text_hint(path)}") from error
        if self.root is not None and not real.is_relative_to(Path(self.root).resolve()):
            raise PolicyError(path, f"is outside the policy's root {str(self.root)!r} (symbolic links are resolved)")
        return real

    def _current(self, path: str) -> Path:
        """Return where a file is now."""
        for old, new in dict(self.moved).items():
            rest = path.removeprefix(old.rstrip("/\\"))
            if rest != path and rest[:1] in ("", "/", "\\"):
                return Path(new, *re.split(r"[/\\]", rest[1:]))
        return Path(path)

    def open_file(self, path: str, checked: CheckedFile | None = None) -> tuple[BinaryIO, CheckedFile]:
        """Open a regular local file for reading, inside `root` and within `max_bytes`.

        Args:
            path: The file.
            checked: What an earlier call returned for this path under this policy. If the file is unchanged it is
                opened without resolving the path again; anything else is checked anew.

        Returns:
            The open file, and what to pass as `checked` the next time.

        Raises:
            MediaError: If it cannot be read, or is not a regular file.
            PolicyError: If it lies outside `root` or is too large.
        """
        if checked is not None and (known := _reopen(checked)) is not None:
            return known, checked
        real = self.resolve(path)
        try:
            file = _open(real)
        except OSError as error:
            raise MediaError(path, f"cannot be opened ({error.strerror or error})") from error
        try:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise MediaError(path, "is not a regular file")
            # A parent folder may have been replaced by a link between the check and the opening.
            if self.resolve(path) != real or not os.path.samestat(status, os.stat(real)):
                raise PolicyError(path, "was replaced while it was being opened")
            self.check_bytes(path, status.st_size)
        except BaseException:
            file.close()
            raise
        return file, CheckedFile.from_status(real, status)

    def check_bytes(self, source: object, size: int) -> None:
        """Raise PolicyError if `size` bytes exceed the policy's `max_bytes`."""
        if size > self.max_bytes:
            raise PolicyError(source, f"has {size:,} bytes; the policy allows {self.max_bytes:,} (max_bytes)")

    def check_text(self, source: str, size: int) -> None:
        """Raise PolicyError if a text of `size` bytes exceeds the policy's `max_text_bytes`."""
        if size > self.max_text_bytes:
            reason = f"is text of {size:,} bytes; the policy allows {self.max_text_bytes:,} (max_text_bytes)"
            raise PolicyError(source, reason)

    def check_decoded(self, source: str, size: int) -> None:
        """Raise PolicyError if decoded values of `size` bytes exceed the policy's `max_bytes`."""
        if size > self.max_bytes:
            limit = f"the policy allows {self.max_bytes:,} (max_bytes)"
            advice = "decode it in windows, or with fewer frames"
            raise PolicyError(source, f"needs {size:,} bytes decoded; {limit}; {advice}")

    def check_pixels(self, source: object, width: int, height: int) -> None:
        """Raise PolicyError if an image of this size exceeds the policy's `max_pixels`."""
        if width * height > self.max_pixels:
            reason = f"has {width} x {height} pixels; the policy allows {self.max_pixels:,} in total (max_pixels)"
            raise PolicyError(source, reason)

    def check_parts(self, source: str, count: int) -> None:
        """Raise PolicyError if a file with `count` files inside exceeds the policy's `max_parts`."""
        if count > self.max_parts:
            reason = f"holds {count:,} files or more; the policy allows {self.max_parts:,} (max_parts)"
            raise PolicyError(source, reason)

    def check_seconds(self, source: str, seconds: float) -> None:
        """Raise PolicyError if a recording of this length exceeds the policy's `max_seconds`."""
        if seconds > self.max_seconds:
            reason = f"lasts {seconds:.1f} seconds; the policy allows {self.max_seconds:g} (max_seconds)"
            raise PolicyError(source, reason)

    def check_mime_type(self, source: object, mime_type: str) -> None:
        """Raise PolicyError if the policy's `mime_types` do not include this type."""
        if self.mime_types is None or any(fnmatch.fnmatch(mime_type, pattern) for pattern in self.mime_types):
            return
        raise PolicyError(source, f"is {mime_type}; the policy allows {', '.join(self.mime_types)} (mime_types)")


DEFAULT_POLICY = MediaPolicy()


def choose_policy(policy: MediaPolicy | None, root: str | Path | None, network: bool) -> MediaPolicy | None:
    """Return what may be read as two forms of argument say: all limits at once, or two of them; None for neither.

    Raises:
        ValueError: If both were given.
    """
    if policy is not None and (root is not None or network):
        msg = "give either policy or root and network, not both"
        raise ValueError(msg)
    return MediaPolicy(root=root, network=network) if root is not None or network else policy


def _open(real: Path) -> BinaryIO:
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(real, flags), "rb")


def _reopen(checked: CheckedFile) -> BinaryIO | None:
    """Open a checked file again, or return None if the file at its path is another or has changed."""
    try:
        file = _open(checked.real)
    except OSError:
        return None
    try:
        if _version(os.fstat(file.fileno())) == checked.version:
            return file
    except BaseException:
        file.close()
        raise
    file.close()
    return None


def _version(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _text_hint(path: str) -> str:
    """Return what to do with a text in place of a path; nothing if it does not look like one."""
    hint = "; a string is a path or URL; if it is the text itself, pass senseweave.Text(...)"
    return hint if looks_like_text(path) else ""


def _shortened(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
