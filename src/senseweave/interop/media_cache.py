"""Keep vectors and descriptions of media in a framework's byte store, by content and not by name."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from senseweave.encoders.base import Role
from senseweave.encoders.observation import Transcript
from senseweave.errors import MediaError
from senseweave.interop.calls import Steps, fetch_or_compute, read_each
from senseweave.media import Media
from senseweave.spaces.engine import OnError

Entry = tuple[Any, ...]
"""What is kept of a media: a value of each kind that was asked for."""


class ByteStore(Protocol):
    """A framework's store of bytes by key."""

    def mget(self, keys: Sequence[str], /) -> Sequence[bytes | None]:
        """Return the value of each key, None where there is none."""

    async def amget(self, keys: Sequence[str], /) -> Sequence[bytes | None]:
        """Return what `mget` returns, off the event loop."""

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]], /) -> None:
        """Set the values of keys."""

    async def amset(self, key_value_pairs: Sequence[tuple[str, bytes]], /) -> None:
        """Set values like `mset`, off the event loop."""


class Kind(NamedTuple):
    """A kind of value: where it stands beside the others, and its form in the store."""

    suffix: str
    pack: Callable[[Any], bytes]
    unpack: Callable[[bytes], Any]


VECTOR: Final = Kind(
    "", lambda vector: np.asarray(vector, "<f4").tobytes(), lambda value: np.frombuffer(value, "<f4").tolist()
)
"""A vector, as a list of numbers; kept as float32."""
WORDS: Final = "\0"
"""What stands between a transcript and the times of its words."""


def _pack_description(description: str | None) -> bytes:
    words = getattr(description, "words", ())
    return ((description or "") + (WORDS + json.dumps(words) if words else "")).encode()


def _unpack_description(value: bytes) -> str | None:
    text, _, words = value.decode().partition(WORDS)
    return Transcript(text, tuple((word, second) for word, second in json.loads(words))) if words else text or None


DESCRIPTION: Final = Kind("_said", _pack_description, _unpack_description)
"""A transcript with the times of its words, a caption or label line, or None for media without words."""


def content_cache_key(media: Media, role: Role, fingerprint: str, prefix: str = "") -> str:
    """Return a key that differs wherever space, modality, role, content, span or page do; fit for a file's name.

    Args:
        media: The media.
        role: `query` or `document`.
        fingerprint: Of the space.
        prefix: Beginning of the key.

    Raises:
        MediaError: If the content of the media cannot be read.
    """
    span = "" if media.span is None else f"{media.span[0]:.6f}-{media.span[1]:.6f}"
    page = "" if media.page is None else str(media.page)
    return "_".join(part for part in (prefix, fingerprint, media.modality, role, media.sha256, span, page) if part)


@dataclass(frozen=True)
class MediaCache:
    """Values of media in a byte store.

    Attributes:
        store: The store.
        key: Returns the key of a media.
    """

    store: ByteStore
    key: Callable[[Media], str]

    async def fetch(
        self,
        steps: Steps,
        media: Sequence[Media],
        kinds: Sequence[Kind],
        compute: Callable[[list[Media]], Awaitable[Sequence[Entry]]],
        *,
        on_error: OnError = "raise",
    ) -> list[Entry | MediaError]:
        """Return values of some kinds for every media, and compute and keep those that the store lacks.

        Args:
            steps: How the store is asked.
            media: The media.
            kinds: The kinds of values.
            compute: Returns for each media that the store lacks a value of each kind, in their order.
            on_error: `skip` to return the error of media that have no key in their place.

        Raises:
            MediaError: With `on_error="raise"`, for the first media that cannot be read.
        """

        async def fetch(keys: list[str]) -> dict[str, Entry]:
            asked = [[key + kind.suffix for key in keys] for kind in kinds]
            columns = [await steps.ask(self.store.mget, self.store.amget, names) for names in asked]
            rows = zip(keys, zip(*columns, strict=True), strict=True)
            return {key: _unpack(kinds, row) for key, row in rows if None not in row}

        async def keep(new: dict[str, Entry]) -> None:
            rows = [(key, zip(kinds, row, strict=True)) for key, row in new.items()]
            pairs = [(key + kind.suffix, kind.pack(value)) for key, row in rows for kind, value in row]
            await steps.ask(self.store.mset, self.store.amset, pairs)

        keys = await steps.work(lambda: read_each(self.key, media, on_error=on_error))
        return await fetch_or_compute(media, keys, fetch, compute, keep)


def _unpack(kinds: Sequence[Kind], row: Sequence[Any]) -> Entry:
    return tuple(kind.unpack(value) for kind, value in zip(kinds, row, strict=True))
