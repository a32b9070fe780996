"""What the API takes and returns, as models that describe it in OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from senseweave.media import Modality
from senseweave.redaction import redacted
from senseweave.retrieval import Hit
from senseweave.retrieval.listing import IndexRecord
from senseweave.retrieval.records.identity import picture_provenance
from senseweave.retrieval.records.schema import Provenance
from senseweave.retrieval.records.word_times import read_word_times
from senseweave.serving.options import SearchOptions, TextOptions

ENCODED: Final = "As base64, a data URI, or, where the server fetches them, an https URL."
ERRORS: Final = {"4XX": "The request cannot be answered.", "5XX": "The server cannot answer."}
MOST_PARTS: Final = 16
"""Of a query; each is embedded."""
QUIET: Final = ("word_times", "fused")
"""Metadata that are data of ours rather than of a reader."""


class QueryPart(BaseModel):
    """One part of a query: exactly one of its contents, with a weight."""

    model_config = ConfigDict(extra="forbid")

    text: str | None = Field(None, description="Words.")
    image: str | None = Field(None, description=f"An image. {ENCODED}")
    audio: str | None = Field(None, description=f"A recording. {ENCODED}")
    video: str | None = Field(None, description=f"A video. {ENCODED}")
    file: int | None = Field(None, ge=0, description="Number of an uploaded file, from 0.")
    like: str | None = Field(None, description="Id of a record whose content is searched for.")
    weight: float = Field(
        1.0, allow_inf_nan=False, description="Its weight; negative for what should not be in the results."
    )


class SearchRequest(SearchOptions):  # type: ignore[misc, valid-type]
    """A search: `query` for words alone, or `parts`."""

    query: str | None = Field(None, description="Words; always read as text.")
    parts: list[QueryPart] = Field(default_factory=list, max_length=MOST_PARTS, description="Several weighted parts.")

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of `Index.search` besides the query."""
        return {name: getattr(self, name) for name in SearchOptions.model_fields}


class Links(BaseModel):
    """Where the media of a record are, below the server's address; left out where there are none."""

    record: str
    thumbnail: str | None = None
    original: str | None = None
    clip: str | None = None
    waveform: str | None = None


class RecordModel(BaseModel):
    """A record of the index."""

    id: str
    modality: Modality
    shown_modality: Modality = Field(description="`image` for words that were read in a picture.")
    source: str
    text: str
    space: str
    span: tuple[float, float] | None = Field(None, description="Seconds inside the source.")
    page: int | None = None
    part: str | None = Field(None, description="Path of a file inside the source.")
    mime_type: str | None = None
    sha256: str | None = None
    added_at: float | None = Field(None, description="Seconds since 1970.")
    metadata: dict[str, Any] = Field(default_factory=dict)
    words: list[tuple[str, float]] = Field(default_factory=list, description="Words said, with their seconds.")
    links: Links


class HitModel(RecordModel):
    """A record that a search found."""

    rank: int
    score: float = Field(description="Comparable within one search; larger is better.")
    raw_score: float = Field(description="Cosine similarity of query and record.")
    calibration: str = Field(description="Method that made `score`.")
    sources: list[str]
    spans: list[tuple[float, float]] = Field(default_factory=list, description="With `group`: the best spans.")
    matched_words: list[str] = Field(default_factory=list, description="With `words`: the words that it matches.")


EMPTY_NOTE: Final = "Of an index that holds nothing: that it is empty, and whether files are being added to it."


class SearchAnswer(BaseModel):
    """The hits of a search, best first."""

    hits: list[HitModel]
    seconds: float = Field(description="Time that the search took.")
    note: str | None = Field(None, description=EMPTY_NOTE)


class RecordsAnswer(BaseModel):
    """A page of records."""

    records: list[RecordModel]
    next_offset: int | None = Field(None, description="Where the next page begins; null on the last.")


class SourceModel(BaseModel):
    """The records of one source."""

    source: str
    records: dict[Modality, int]


class SourcesAnswer(BaseModel):
    """A page of sources."""

    sources: list[SourceModel]
    total: int


class TextInput(BaseModel):
    """A text to add."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1)
    source: str | None = Field(None, max_length=500, description="A label or URL to file it under; no path.")
    metadata: dict[str, str | int | float | bool] = Field(default_factory=dict)


class TextsRequest(TextOptions):  # type: ignore[misc, valid-type]
    """Texts to add."""

    texts: list[TextInput] = Field(min_length=1, max_length=1000)

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of `Index.add` besides the texts."""
        return {name: getattr(self, name) for name in TextOptions.model_fields}


class ErrorModel(BaseModel):
    """What went wrong, in OpenAI's form."""

    message: str
    type: Literal["invalid_request_error", "server_error"]
    code: str
    param: None = None


class ErrorAnswer(BaseModel):
    """An error."""

    error: ErrorModel


class MessageAnswer(BaseModel):
    """Whether the server lives, or is ready."""

    status: str


class InfoAnswer(BaseModel):
    """What is in the index, and what the server allows."""

    records: int
    modalities: list[Modality]
    spaces: list[str]
    read_only: bool
    uploads: bool = Field(description="Whether files may be added.")
    rerankers: list[str] = Field(description="Names that `rerank` may have.")
    methods: dict[str, str] = Field(description="What each fusion method makes of scores.")
    max_upload_bytes: int
    note: str | None = Field(None, description=EMPTY_NOTE)


class WaveformAnswer(BaseModel):
    """The loudness of a recording over time."""

    peaks: list[float] = Field(description="From 0 to 1.")


class AddAnswer(BaseModel):
    """What adding did: counts of records, and what could not be added."""

    counts: dict[str, int]
    failed: list[dict[str, str]]
    partial: dict[str, list[str]]


class DeleteAnswer(BaseModel):
    """How many records were deleted."""

    deleted: int


def binary(*mime_types: str) -> dict[int | str, dict[str, Any]]:
    """Return the description of an answer that is a file of one of these types."""
    return {200: {"description": "The file.", "content": {mime_type: {} for mime_type in mime_types}}}


def record_as_dict(record: IndexRecord) -> dict[str, Any]:
    """Return a record as `RecordModel` describes it."""
    facts = _facts(record.id, record.provenance, record.text, record.space)
    return {**facts, "source": redacted(record.source), "added_at": record.provenance.added_at}


def hit_as_dict(rank: int, hit: Hit) -> dict[str, Any]:
    """Return a hit as `HitModel` describes it."""
    return {
        **_facts(hit.id, hit.provenance, hit.text, hit.space),
        "rank": rank,
        "score": hit.score,
        "raw_score": hit.raw_score,
        "calibration": hit.calibration,
        "source": redacted(hit.source),
        "sources": redacted(list(hit.sources)),
        "spans": [list(span) for span in hit.spans],
        "matched_words": list(hit.matched_words),
    }


def _facts(identifier: str, provenance: Provenance, text: str, space: str) -> dict[str, Any]:
    own: Mapping[str, Any] = provenance.own
    return {
        "id": identifier,
        "modality": provenance.modality,
        "shown_modality": "image" if picture_provenance(provenance) is not None else provenance.modality,
        "text": text,
        "space": space,
        "span": list(provenance.span) if provenance.span is not None else None,
        "page": provenance.page,
        "part": provenance.part,
        "mime_type": provenance.mime_type,
        "sha256": provenance.sha256,
        "metadata": redacted({name: value for name, value in own.items() if name not in QUIET}),
        "words": [list(word) for word in read_word_times(own)],
        "links": _links(identifier, provenance),
    }


def _links(identifier: str, provenance: Provenance) -> dict[str, str]:
    from senseweave.serving.files import has_file

    address = f"/api/records/{quote(identifier, safe='')}"
    links = {"record": address}
    if has_file(provenance):
        shown = "image" if picture_provenance(provenance) is not None else provenance.modality
        is_page = provenance.page is not None and provenance.mime_type == "application/pdf"
        kinds = ["original"]
        kinds += ["thumbnail"] if shown != "text" or is_page else []
        kinds += ["clip"] if shown in ("audio", "video") else []
        kinds += ["waveform"] if shown == "audio" else []
        links |= {kind: f"{address}/{kind}" for kind in kinds}
    return links
