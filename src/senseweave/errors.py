"""Every error that senseweave raises on purpose, under one base class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager


class SenseweaveError(Exception):
    """Base class of all errors of the library."""


class MediaError(SenseweaveError):
    """One input cannot be read, decoded or accepted.

    Attributes:
        source: Where the input came from: a path, a URL, or a short label such as `bytes`.
        reason: What is wrong and what was expected.
        position: Index of the input in the batch it was given in, counted from 0, or None.
        total: Number of inputs in that batch, or None.
    """

    def __init__(self, source: str, reason: str, *, position: int | None = None, total: int | None = None) -> None:
        super().__init__(source, reason)
        self.source = source
        self.reason = reason
        self.position = position
        self.total = total

    def at(self, position: int, total: int) -> MediaError:
        """Return this error with its place in a batch filled in."""
        located = type(self)(self.source, self.reason, position=position, total=total)
        located.__cause__ = self.__cause__
        return located

    def __str__(self) -> str:
        where = self.source
        if self.position is not None:
            count = f" of {self.total}" if self.total is not None else ""
            where = f"{where} (item {self.position + 1}{count})"
        return f"{where}: {self.reason}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_media_error, (type(self), self.source, self.reason, self.position, self.total)


class PolicyError(MediaError):
    """The media policy does not allow this input to be read."""


class NoContentError(MediaError):
    """An input could be read, but holds nothing to embed: it is empty, blank, or of a kind that is not taken."""


class UnsupportedModalityError(SenseweaveError, ValueError):
    """A space or an index was asked for a modality that it lacks."""

    def __init__(self, name: str, modality: str, available: Iterable[str]) -> None:
        self.name = name
        self.modality = modality
        self.available = tuple(available)
        listed = ", ".join(self.available) or "none"
        super().__init__(f"{name} cannot embed {modality}; it embeds: {listed}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.name, self.modality, self.available)


class ModelError(SenseweaveError):
    """A model cannot be found, loaded or trusted."""


class WeightsError(ModelError):
    """A checkpoint leaves weights uninitialised, or its checksum is not the pinned one."""


class EncodingError(SenseweaveError):
    """An encoder produced something that is not a usable vector."""


class StoreError(SenseweaveError):
    """An index cannot be opened, or refuses what was asked of it."""


class FingerprintError(StoreError):
    """Vectors of one space were offered to a collection of another."""

    def __init__(self, collection: str, expected: str, given: str) -> None:
        self.collection = collection
        self.expected = expected
        self.given = given
        super().__init__(
            f"collection {collection!r} holds vectors of fingerprint {expected}, but was given fingerprint {given}; "
            "vectors of different spaces cannot be compared: use another index, or index the media again"
        )

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.collection, self.expected, self.given)


@contextmanager
def placed_among(positions: Sequence[int], total: int) -> Iterator[None]:
    """Give media errors the place of their item in what a caller gave, in place of that in a selection of it.

    Args:
        positions: Where each item of the selection stands in all that was given; an error without a place is the
            first's.
        total: How many items were given.
    """
    try:
        yield
    except MediaError as error:
        located = error.at(positions[error.position or 0], total)
        raise located from located.__cause__


def _rebuild_media_error(
    kind: type[MediaError], source: str, reason: str, position: int | None, total: int | None
) -> MediaError:
    return kind(source, reason, position=position, total=total)


class TruncationWarning(UserWarning):
    """Text was longer than the model reads, and its end is not in the vector."""


class SilenceWarning(UserWarning):
    """Audio without any sound was embedded; its vector means little."""


class PromptWarning(UserWarning):
    """A model that looks as if it needed prompts for queries and documents goes without, because none are known."""
