"""A search result: what was found, where it came from and how its score was made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, SupportsIndex, overload

from senseweave.errors import MediaError
from senseweave.media import MEDIA_CLASSES, Media, MediaPolicy, Modality
from senseweave.media.collecting import first_media
from senseweave.media.documents.base import RECORDING
from senseweave.media.fused import Fused
from senseweave.media.kinds.image import Image
from senseweave.notebook import hit_html, hits_html
from senseweave.redaction import redact_repr
from senseweave.retrieval.records.identity import picture_provenance
from senseweave.retrieval.records.schema import DISPLACED, Provenance, is_gone
from senseweave.retrieval.records.word_times import find_word, read_word_times
from senseweave.retrieval.search.words.matching import matched_words
from senseweave.retrieval.search.words.names import searched_name
from senseweave.retrieval.search.words.tokens import Term

Span = tuple[float, float]


@redact_repr
@dataclass(frozen=True)
class Hit:
    """One record that a search found.

    Attributes:
        id: The record's id in its collection.
        score: Calibrated: comparable with every other hit of the same search; larger is better.
        raw_score: Cosine similarity of query and record; where only words were compared, the score of these.
        modality: `text`, `image`, `audio` or `video`.
        source: Absolute path, URL or label of where the content came from; with a filter, a source that matches it.
        sources: All sources of the same content, `source` first.
        text: The text itself, the transcript, or the line of labels that the encoder gave.
        space: Name of the space that found it.
        calibration: Name of the method that made `score`.
        mime_type: The MIME type detected when the content was added, or None.
        span: `(start, end)` in seconds inside the source, or None.
        page: Page number from 1, or None.
        part: Path of a file inside the source, for example `!/word/media/image1.png`, or None for the source itself.
        metadata: The user's own metadata.
        spans: With grouping, the spans found in this source, best first.
        parts: Of `sources` in which the content is a part, the path to it.
        policy: What may be read when `media` is used.
        terms: What the words of the query ask for, in a search by words.
        origin: What the hit was made from, while a search is running; None in results.
    """

    id: str
    score: float
    raw_score: float
    modality: Modality
    source: str
    text: str
    space: str
    calibration: str
    mime_type: str | None = None
    span: Span | None = None
    page: int | None = None
    part: str | None = None
    sha256: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()
    sources: tuple[str, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict, repr=False)
    policy: MediaPolicy | None = field(default=None, repr=False, compare=False)
    terms: tuple[Term, ...] = field(default=(), repr=False, compare=False)
    origin: Any = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.sources:
            object.__setattr__(self, "sources", (self.source,))
        if self.part is not None:
            object.__setattr__(self, "parts", {**self.parts, self.source: self.part})

    @property
    def start(self) -> float | None:
        """Where the hit begins, in seconds from the start of the source, or None."""
        return self.span[0] if self.span else None

    @property
    def end(self) -> float | None:
        """Where the hit ends, in seconds from the start of the source, or None."""
        return self.span[1] if self.span else None

    @property
    def words(self) -> tuple[tuple[str, float], ...]:
        """The words of a transcript, each with the second of the source at which it begins; empty if none is known."""
        return read_word_times(self.metadata)

    def find_word(self, word: str) -> float | None:
        """Return the second of the source at which a word is first said in the hit, or None if it is not said.

        Args:
            word: The word; case and punctuation do not matter.
        """
        return find_word(self.metadata, word)

    @property
    def matched_words(self) -> tuple[str, ...]:
        """The words of `text` that a search by words looked for, as they are written there; else those of the name.

        The name is the end of `source`, as far as it is searched. Empty if vectors alone were searched, or none of the
        words is there.
        """
        return matched_words(self.terms, self.text) or matched_words(self.terms, searched_name(self.source))

    @property
    def provenance(self) -> Provenance:
        """Where the hit comes from: what the metadata of its record say."""
        return Provenance(
            modality=self.modality,
            source=self.source,
            span=self.span,
            page=self.page,
            part=self.part,
            mime_type=self.mime_type,
            sha256=self.sha256,
            own=self.metadata,
        )

    @property
    def result_metadata(self) -> dict[str, Any]:
        """What a framework's document of the hit says besides its record, as plain values.

        `raw_score`; `sources` where the content has several, `spans` where results are grouped, and `matched_words`
        where words were searched and found.
        """
        values: dict[str, Any] = {"raw_score": self.raw_score}
        if len(self.sources) > 1:
            values["sources"] = list(self.sources)
        if self.spans:
            values["spans"] = [list(span) for span in self.spans]
        if matched := self.matched_words:
            values["matched_words"] = list(matched)
        return values

    @property
    def media(self) -> Media:
        """The media itself, read under the index's policy when it is first used.

        It is read from `source`, or from another of `sources` if that file is gone.

        Raises:
            MediaError: If it was added as bytes or a decoded object, of which an index keeps no copy.
        """
        if self.modality == "text" or self.fused is not None:
            return self.provenance.media(self.text, policy=self.policy)
        places = [source for source in self.sources if not self._is_label(source)]
        if not places:
            kind = self.source.partition(":")[0]
            msg = (
                f"was added as {kind}, and the index keeps no copy of it; "
                "add files or URLs if hits should give their media"
            )
            raise MediaError(self.source, msg)
        place = next((source for source in places if not is_gone(source)), places[0])
        return MEDIA_CLASSES[self.modality](
            place,
            span=self.span,
            page=self.page,
            part=self.parts.get(place),
            metadata=self.metadata,
            policy=self.policy,
        )

    @property
    def fused(self) -> Fused | None:
        """Of a record that was fused of several media, these with their weights: `hit.fused.parts`; else None."""
        return self.provenance.fused_media(self.policy)

    @property
    def recording(self) -> Media | None:
        """Of a passage of a transcript, the span of the recording beside it that says the passage; else None.

        Raises:
            MediaError: If the recording cannot be read.
        """
        path = self.metadata.get(RECORDING)
        if self.modality != "text" or self.span is None or not isinstance(path, str):
            return None
        return first_media(path, self.policy).part(span=self.span)

    @property
    def picture(self) -> Image | None:
        """Of words that OCR read in a picture, and of a page that is kept as a picture too, the picture; else None."""
        shown = picture_provenance(self.provenance)
        if shown is None:
            return None
        return Image(self.source, page=self.page, part=self.part, policy=self.policy)

    @property
    def shown_modality(self) -> Modality:
        """The modality of what a user is shown: `image` for words in a picture, which stand for the picture."""
        return self.modality if picture_provenance(self.provenance) is None else "image"

    def _repr_html_(self) -> str:
        return hit_html(self)

    def _is_label(self, source: str) -> bool:
        """Return whether a source is the label of bytes or a decoded object: a kind and the start of its hash."""
        if source in self.parts:  # the hash is that of the part
            return re.fullmatch(r"\w+:[0-9a-f]{12}", source) is not None
        _, colon, rest = source.partition(":")
        is_path = "/" in source or "\\" in source
        return bool(colon and not is_path and self.sha256 and self.sha256.startswith(rest))


class Hits(list[Hit]):
    """The hits of a search, best first: a list that shows itself in a notebook."""

    def _repr_html_(self) -> str:
        return hits_html(self)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Hit: ...

    @overload
    def __getitem__(self, index: slice) -> Hits: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Hit | Hits:
        found = super().__getitem__(index)
        return Hits(found) if isinstance(found, list) else found


def take_origin(hit: Hit) -> Any:
    """Return what a hit was made from, and let go of it: the search that made the hit returns it."""
    origin = hit.origin
    object.__setattr__(hit, "origin", None)
    return origin


def with_result(metadata: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a search result: those of its record, and over them what the search says of it.

    A value of the user under a name that the result needs is kept under `user_` and the name.

    Args:
        metadata: Of the record.
        result: What the search says, such as `{"score": 0.7, "space": "starter"}`.
    """
    displaced = {
        f"{DISPLACED}{name}": metadata[name]
        for name, value in result.items()
        if name in metadata and metadata[name] != value
    }
    return {**displaced, **metadata, **result}
