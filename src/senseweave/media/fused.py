"""Late fusion: several media of one item, such as a product's photo and its words, that get one vector together."""

from __future__ import annotations

import hashlib
import json
import math
import numbers
from collections.abc import Hashable, Mapping
from functools import cached_property
from typing import Any, BinaryIO, Final, Self

from senseweave.errors import MediaError
from senseweave.media.base import Media, Value, source_name
from senseweave.media.collecting import MEDIA_CLASSES, as_media
from senseweave.media.forms.content import Content
from senseweave.media.forms.source import Source
from senseweave.media.kinds.text import Text
from senseweave.media.modality import MODALITIES, Modality
from senseweave.media.policy import DEFAULT_POLICY, MediaPolicy

FUSED: Final = "fused"
"""Metadata name under which a record keeps the parts of a fused item, as JSON."""
_MIME_TYPE: Final = "application/x-senseweave-fused"


class Fused(Media):
    """Media of one item that are embedded to one vector: the weighted mean of the vectors of its parts.

    It counts as media of the modality of its first part that is not text, and takes a space that embeds all of them.

    Attributes:
        parts: The media, by name.
        weights: Their weights by name, with the sum 1.
    """

    def __init__(
        self,
        parts: Mapping[str, Media],
        weights: Mapping[str, float],
        *,
        source: str | None = None,
        metadata: Mapping[str, Value] | None = None,
        policy: MediaPolicy | None = None,
    ) -> None:
        """Fuse media; see `fuse`, which checks what it is given."""
        self.parts = dict(parts)
        self.weights = {name: weights[name] / sum(weights.values()) for name in parts}
        self.modality = next(media.modality for media in parts.values() if media.modality != "text")  # type: ignore[misc]
        super().__init__(_FusedSource(self, source), metadata=metadata, policy=policy)

    @property
    def modalities(self) -> frozenset[Modality]:
        """The modalities of its parts."""
        return frozenset(media.modality for media in self.parts.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """What reading has shown of its parts, each under the part's name."""
        return tuple(f"{name}: {note}" for name, media in self.parts.items() for note in media.notes)

    def decode(self, *args: Any, **options: Any) -> Any:
        """Raise MediaError: only its parts can be decoded."""
        raise MediaError(self.source, f"is fused of {', '.join(self.parts)}; decode its parts")

    def check(self) -> None:
        """Check the first bytes of every part.

        Raises:
            MediaError: If a part does not exist or has another modality; the message names the part.
        """
        for name, media in self.parts.items():
            try:
                media.check()
            except MediaError as error:
                raise self.part_error(name, error) from error

    def verify(self) -> None:
        """Check that every part can be decoded.

        Raises:
            MediaError: If a part cannot be decoded; the message names the part.
        """
        for name, media in self.parts.items():
            try:
                media.verify()
            except MediaError as error:
                raise self.part_error(name, error) from error

    def part_error(self, name: str, error: MediaError) -> MediaError:
        """Return the error of a part as one of the whole, which names the part."""
        return type(error)(self.source, f"its part {name!r} ({error.source}): {error.reason}")

    def part(
        self,
        *,
        span: tuple[float, float] | None = None,
        page: int | None = None,
        metadata: Mapping[str, Value] | None = None,
    ) -> Self:
        """Return the same fused media with other metadata.

        Raises:
            ValueError: If a span or a page is asked for.
        """
        if span is not None or page is not None:
            msg = "fused media have no spans and pages; give those of the parts"
            raise ValueError(msg)
        named = self._source._name if isinstance(self._source, _FusedSource) else None
        chosen = self.metadata if metadata is None else metadata
        return type(self)(self.parts, self.weights, source=named, metadata=chosen, policy=self.policy)

    def record(self) -> str:
        """Return the parts as JSON: where each is from, the words of texts, and the weights.

        Raises:
            MediaError: If a part cannot be read; the message names the part.
        """
        described = []
        for name, media in self.parts.items():
            try:
                known = {
                    "name": name,
                    "modality": media.modality,
                    "weight": round(self.weights[name], 6),
                    "source": source_name(media),
                    "text": media.decode() if media.modality == "text" else None,
                    "sha256": media.sha256,
                    "span": media.span,
                    "page": media.page,
                    "part": media.part_name,
                }
            except MediaError as error:
                raise self.part_error(name, error) from error
            described.append({key: value for key, value in known.items() if value is not None})
        return json.dumps(described, ensure_ascii=False)

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={media!r}" for name, media in self.parts.items())
        return f"Fused({inside})"


class _FusedSource(Source):
    """What stands for the sources of all parts."""

    def __init__(self, fused: Fused, name: str | None) -> None:
        super().__init__(DEFAULT_POLICY)
        self._fused = fused
        self._name = name
        self.content = Content(_MIME_TYPE, (fused.modality,))

    @property
    def label(self) -> str:
        """The name that the caller gave, or `fused:` and the first digits of the hash."""
        return self._name or f"fused:{self.sha256[:12]}"

    @property
    def name(self) -> str:
        """The label, or where that would need reading, a substitute."""
        return self._name or "fused"

    @property
    def identity(self) -> Hashable:
        """The parts and their weights."""
        fused = self._fused
        return tuple((name, fused.weights[name], media._identity()) for name, media in fused.parts.items())

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of names, weights and contents of the parts, in any order.

        Raises:
            MediaError: If a part cannot be read; the message names the part.
        """
        digest = hashlib.sha256()
        for name, media in sorted(self._fused.parts.items()):
            try:
                content = media.sha256
            except MediaError as error:
                raise type(error)(self.name, f"its part {name!r} ({error.source}): {error.reason}") from error
            key = (name, round(self._fused.weights[name], 6), media.modality, content, media.span, media.page)
            digest.update(repr(key).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    @cached_property
    def size(self) -> int:
        """Size of all parts in bytes."""
        return sum(media.size for media in self._fused.parts.values())

    def open(self) -> BinaryIO:
        """Raise MediaError: there are no bytes of the whole."""
        raise MediaError(self.label, "is fused of several media, which have bytes each")


def fuse(
    parts: Mapping[str, Any],
    *,
    weights: Mapping[str, float] | None = None,
    source: str | None = None,
    metadata: Mapping[str, Value] | None = None,
    policy: MediaPolicy | None = None,
) -> Fused:
    """Fuse media of one item, so that together they get one vector, and one record of an index.

    The vector is the weighted mean of the parts' unit vectors, of length 1 (late fusion).

        product = sw.fuse({"image": "photo.jpg", "text": "a red kettle, 1.7 l"}, weights={"image": 2, "text": 1})
        index.add([product])

    Args:
        parts: By name, media; under the name of a modality, also what `senseweave.Image` and the like take, and a
            string under `text`. At least two, and one that is not text.
        weights: By name, how much a part counts; equal if None. `senseweave.learn_weights` finds them.
        source: The name of the item in an index; a label made from its content if None.
        metadata: The user's own flat values.
        policy: What may be read.

    Raises:
        TypeError: If `parts` is no mapping, or a part is neither media nor named as a modality.
        ValueError: If there are fewer than two parts, only texts, or a weight is missing, unknown, negative or not
            finite; the message names the part.
    """
    if not isinstance(parts, Mapping):
        msg = f"fuse takes a dict of media by name, such as {{'image': ..., 'text': ...}}, not {type(parts).__name__}"
        raise TypeError(msg)
    media = {str(name): _as_part(str(name), part, policy) for name, part in parts.items()}
    if len(media) < 2:
        msg = f"fuse takes at least two parts, and was given {', '.join(media) or 'none'}"
        raise ValueError(msg)
    if all(part.modality == "text" for part in media.values()):
        msg = f"all parts ({', '.join(media)}) are texts; join them into a single text, or add another modality"
        raise ValueError(msg)
    return Fused(media, _checked_weights(media, weights), source=source, metadata=metadata, policy=policy)


def read_fused(
    record: Any, *, source: str | None, metadata: Mapping[str, Any], policy: MediaPolicy | None
) -> Fused | None:
    """Return the fused media of a record; None if what stands under `fused` is the user's own. Nothing is read.

    Args:
        record: What the record's metadata say under `fused`.
        source: Of the record.
        metadata: The user's own values.
        policy: What may be read.
    """
    if not isinstance(record, str) or not record.startswith('[{"name":'):
        return None
    try:
        listed = json.loads(record)
        parts = {entry["name"]: _read_part(entry, policy) for entry in listed}
        weights = {entry["name"]: float(entry["weight"]) for entry in listed}
        own = {name: value for name, value in metadata.items() if name != FUSED}
        return Fused(parts, _checked_weights(parts, weights), source=source, metadata=own, policy=policy)
    except (ValueError, KeyError, TypeError, StopIteration):
        return None


def _read_part(entry: Mapping[str, Any], policy: MediaPolicy | None) -> Media:
    span = tuple(entry["span"]) if "span" in entry else None
    place: dict[str, Any] = {"span": span, "page": entry.get("page"), "part": entry.get("part"), "policy": policy}
    if entry["modality"] == "text":
        return Text(entry["text"], source=entry["source"], **place)
    return MEDIA_CLASSES[entry["modality"]](entry["source"], **place)


def _as_part(name: str, part: Any, policy: MediaPolicy | None) -> Media:
    if isinstance(part, Fused):
        msg = f"part {name!r} is fused already; give its parts"
        raise TypeError(msg)
    if isinstance(part, Media):
        if name in MODALITIES and part.modality != name:
            msg = f"part {name!r} is {part.modality}; name it otherwise, or give {name}"
            raise TypeError(msg)
        return part
    if name not in MODALITIES:
        msg = f"part {name!r} must be media, such as senseweave.Image(...), not {type(part).__name__}"
        raise TypeError(msg)
    try:
        return as_media(name, part, policy)
    except TypeError as error:
        msg = f"part {name!r}: {error}"
        raise TypeError(msg) from error
    except MediaError as error:
        raise type(error)(error.source, f"part {name!r} {error.reason}") from error


def _checked_weights(parts: Mapping[str, Media], weights: Mapping[str, float] | None) -> dict[str, float]:
    if weights is None:
        return dict.fromkeys(parts, 1.0)
    if set(weights) != set(parts):
        msg = f"weights are for {', '.join(map(repr, weights))}, and the parts are {', '.join(map(repr, parts))}"
        raise ValueError(msg)
    for name, weight in weights.items():
        if not isinstance(weight, numbers.Real) or isinstance(weight, bool) or not math.isfinite(weight) or weight < 0:
            msg = f"the weight of part {name!r} must be a finite number of at least 0, not {weight!r}"
            raise ValueError(msg)
    if not any(weights.values()):
        msg = f"the weights of all parts ({', '.join(parts)}) are 0"
        raise ValueError(msg)
    return {name: float(weight) for name, weight in weights.items()}
