"""The exceptions and warnings of senseweave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from senseweave.display import printable
from senseweave.redaction import without_secrets


class _Shown:
    """An exception whose text quotes names and contents from outside, and is printed by tracebacks and logs.

    Its `args` and attributes keep the values as they are; `str()` and `repr()` escape what a terminal would obey and
    hide the secrets in URLs.
    """

    def __str__(self) -> str:
        return printable(without_secrets(super().__str__()), keep="\n")

    def __repr__(self) -> str:
        return printable(without_secrets(super().__repr__()))


class SenseweaveError(_Shown, Exception):
    """Base class of all errors of the library."""


class MediaError(SenseweaveError):
    """An input cannot be read, decoded or accepted.

    Attributes:
        source: Where the input came from: a path, a URL, or a short label such as `bytes`.
        reason: What is wrong, and what was expected.
        position: Index of the input in its batch, from 0, or None.
        total: Number of inputs in that batch, or None.
    """

    def __init__(self, source: object, reason: str, *, position: int | None = None, total: int | None = None) -> None:
        # `str(source)` is the name: that of bytes is their hash, which nothing but an error needs.
        self.source = str(source)
        super().__init__(self.source, reason)
        self.reason = reason
        self.position = position
        self.total = total

    def at(self, position: int, total: int) -> MediaError:
        """Return this error with the position of the input in a batch."""
        located = type(self)(self.source, self.reason, position=position, total=total)
        located.__cause__ = self.__cause__
        return located

    def __str__(self) -> str:
        where = printable(without_secrets(self.source))
        if self.position is not None:
            count = f" of {self.total}" if self.total is not None else ""
            where = f"{where} (item {self.position + 1}{count})"
        reason = printable(without_secrets(self.reason), keep="\n")
        return f"{where}: {reason}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_media_error, (type(self), self.source, self.reason, self.position, self.total)


class PolicyError(MediaError, ValueError):
    """The media policy does not allow reading an input; a `ValueError` too, as frameworks raise for such paths."""


class SpanError(MediaError, ValueError):
    """Metadata of a recording or video hold numbers that are no span; a `ValueError` too, as for any other number."""


class AddError(MediaError):
    """An input that the caller named could not be indexed; everything else that was given is in the index.

    Attributes:
        report: The report of the whole call, with every failure.
    """

    def __init__(
        self, source: str, reason: str, *, position: int | None = None, total: int | None = None, report: Any = None
    ) -> None:
        super().__init__(source, reason, position=position, total=total)
        self.report = report

    def __str__(self) -> str:
        advice = "error.report.failed lists every failure, and on_error='skip' raises for none"
        return f"{super().__str__()} (the rest was added: {self.report}; {advice})"

    def __reduce__(self) -> tuple[object, ...]:
        return partial(AddError, report=self.report), (self.source, self.reason)


class MissingReaderError(MediaError, ImportError):
    """A library that reads this kind of input is not installed; the reason holds the install line."""


class NoContentError(MediaError):
    """An input was read, but has nothing to embed: it is empty, blank, or not text, an image, audio or video."""


class PartError(NoContentError):
    """A file inside a document or a mail cannot be read; the rest of it can, so that loading goes on."""


class UnsupportedModalityError(SenseweaveError, ValueError):
    """A space or an index does not embed the requested modality."""

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
    """A checkpoint lacks weights of the model, or its checksum differs from the pinned checksum."""


class MissingWeightsError(WeightsError, ImportError):
    """No place has the weights of a model with the pinned checksums.

    Attributes:
        weights: What is missing.
        places: The places that were tried, and what is wrong with each.
    """

    def __init__(self, weights: str, places: Iterable[str]) -> None:
        self.weights = weights
        self.places = tuple(places)
        listed = "\n".join(f"  {number}. {place}" for number, place in enumerate(self.places, 1))
        super().__init__(f"the weights of {weights} are in none of these places:\n{listed}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.weights, self.places)


class AnswerError(MediaError, ModelError):
    """A server answered to an input with something other than a vector."""


class EncodingError(SenseweaveError):
    """An encoder returned something other than a usable vector."""


class VectorError(MediaError, EncodingError):
    """The encoder returned something other than a usable vector for an input."""


class StoreError(SenseweaveError):
    """An index cannot be opened, or cannot do what was requested."""


class TrustError(StoreError):
    """An index, an export or a pipeline file asks for something that only its reader can allow.

    Attributes:
        place: Where it was read from.
        space: The recorded name of the space.
        kinds: What `trust=` would have to allow.
        demands: What the space would do, in words.
        how: How to allow it, with `KINDS` in the place of the kinds.
    """

    def __init__(self, place: str, space: str, kinds: tuple[str, ...], demands: tuple[str, ...], how: str = "") -> None:
        self.place = place
        self.space = space
        self.kinds = kinds
        self.demands = demands
        self.how = how
        named = ", ".join(repr(kind) for kind in kinds)
        advice = (how or "allow it by `with sw.trust(KINDS):`").replace("KINDS", named)
        asked = "; it ".join(demands)
        super().__init__(
            f"{place} was not loaded: its space {space!r} {asked}. Only you can allow that, not a file; "
            f"if you trust it, {advice}"
        )

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.place, self.space, self.kinds, self.demands, self.how)


class FingerprintError(StoreError):
    """Vectors of a space were passed to a collection of another space."""

    def __init__(self, collection: str, expected: str, given: str) -> None:
        self.collection = collection
        self.expected = expected
        self.given = given
        super().__init__(
            f"collection {collection!r} holds vectors of fingerprint {printable(expected)}, but was given fingerprint "
            f"{printable(given)}; "
            "vectors of different spaces cannot be compared: use another index, or index the media again"
        )

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.collection, self.expected, self.given)


@contextmanager
def placed_among(positions: Sequence[int], total: int) -> Iterator[None]:
    """Translate the position of media errors from a selection of inputs to the inputs of the caller.

    Args:
        positions: Position among all inputs of each input in the selection. An error without a position belongs to
            the first.
        total: Number of all inputs.
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


class TruncationWarning(_Shown, UserWarning):
    """A text was longer than the model reads; its end is not in the vector."""


class RerankWarning(_Shown, UserWarning):
    """A reranker could not score some hits, or did not read all of them."""


class SpaceWarning(_Shown, UserWarning):
    """Records of an index are not in a space that was named for it, and cannot be found through it."""


class SilenceWarning(_Shown, UserWarning):
    """Silent audio was embedded; its vector means little."""


class TrainingWarning(_Shown, UserWarning):
    """A tuned or aligned model is not shown to be better than what it was made from."""


class PromptWarning(_Shown, UserWarning):
    """A model that probably needs prompts for queries and documents is used without, because none are known."""
