"""Turn what clients send into media: base64, data URIs, URLs where they are allowed, and uploads; never a path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from senseweave.media import MEDIA_CLASSES, Media, MediaPolicy, Modality
from senseweave.media.collecting import first_media
from senseweave.media.forms.source import DataURISource
from senseweave.retrieval import Query
from senseweave.retrieval.listing import IndexRecord
from senseweave.retrieval.query import check_weight
from senseweave.retrieval.search.examples import EmbeddedQuery, embed_examples
from senseweave.serving.errors import ApiError
from senseweave.serving.schemas import QueryPart
from senseweave.serving.services import Services

MODALITIES: tuple[Modality, ...] = ("image", "audio", "video")
CONTENTS = ", ".join(name for name in QueryPart.model_fields if name != "weight")


def read_encoded(value: str, modality: Modality, policy: MediaPolicy) -> Media:
    """Return the media in a string of base64, a data URI or a URL. Nothing else is tried: a path stays text.

    Raises:
        ApiError: If it is a URL, and the policy allows none.
        MediaError: If it is no base64, or too large.
    """
    if value[:5].lower() == "data:":
        content: Any = DataURISource(value, policy).read()
    elif value[:8].lower().startswith(("http://", "https://")):
        if not policy.network:
            raise ApiError(422, "no_downloads", "this server fetches no URLs; send base64 or a data URI")
        content = value
    else:
        content = DataURISource(f"data:;base64,{value}", policy).read()
    return MEDIA_CLASSES[modality](content, policy=policy)


def read_query(
    services: Services, query: str | None, parts: Sequence[QueryPart], uploads: Sequence[bytes]
) -> Query | IndexRecord | EmbeddedQuery:
    """Return the query of a search; uploads that no part names are parts of weight 1.

    Records that are searched for are known by their stored vectors: no file of them is read.

    Raises:
        ApiError: If there is nothing to search for, or a part is not one content.
        MediaError: If media cannot be read.
        ValueError: If weights make no sense.
    """
    weighted: list[tuple[str | Media | IndexRecord, float]] = [(query, 1.0)] if query is not None else []
    named: set[int] = set()
    for number, part in enumerate(parts):
        weighted.append((_content(services, number, part, uploads, named), check_weight(part.weight)))
    policy = services.settings.upload_policy
    weighted += [(first_media(data, policy), 1.0) for at, data in enumerate(uploads) if at not in named]
    if not weighted:
        raise ApiError(422, "no_query", "send a query: words in `query`, `parts`, or files")
    records = [content for content, _ in weighted if isinstance(content, IndexRecord)]
    if not records:
        return Query(cast("list[tuple[str | Media, float]]", weighted))
    if not any(weight > 0 for _, weight in weighted):
        raise ApiError(422, "invalid_part", "at least one part needs a positive weight")
    if len(weighted) == 1:
        return records[0]
    return EmbeddedQuery(embed_examples(weighted, services.index._store, services.index.spaces))


def _content(
    services: Services, number: int, part: QueryPart, uploads: Sequence[bytes], named: set[int]
) -> str | Media | IndexRecord:
    given = part.model_dump(exclude_none=True, exclude={"weight"})
    if len(given) != 1:
        raise ApiError(422, "invalid_part", f"parts.{number}: give exactly one of {CONTENTS}")
    ((kind, value),) = given.items()
    policy = services.settings.upload_policy
    if kind == "text":
        return str(value)
    if kind == "like":
        return services.files.find(value)
    if kind == "file":
        if value >= len(uploads):
            raise ApiError(422, "invalid_part", f"parts.{number}: there is no file {value}; files count from 0")
        named.add(value)
        return first_media(uploads[value], policy)
    return read_encoded(value, cast(Modality, kind), policy)
