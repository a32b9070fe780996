"""Split media into the chunks that an index stores: windows, pages and passages, each with its provenance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from senseweave.media.base import Media, Value
from senseweave.media.documents import Context, Cue
from senseweave.media.documents.base import RECORDING
from senseweave.media.documents.transcripts import recording_beside
from senseweave.media.forms.objects import DecodedSource
from senseweave.media.headings import HEADING, Measure, context_passages, fitting_passages, passage_text
from senseweave.media.kinds.image import Image
from senseweave.media.kinds.text import FILE_HASH, OCR, PAGE_PICTURE, Text, TextFile, passage_of
from senseweave.media.passages import passage_spans

DEFAULT_SECONDS = 30.0
DEFAULT_CHARACTERS = 1000


def split(
    media: Media,
    *,
    seconds: float = DEFAULT_SECONDS,
    overlap: float = 0.0,
    at_pauses: bool = False,
    characters: int = DEFAULT_CHARACTERS,
    character_overlap: int = 0,
    measure: Measure | None = None,
) -> Iterator[Media]:
    """Yield the chunks of a media, in order.

    Audio and video are split into windows with spans, a PDF into its pages, text into passages with `character_start`
    and `character_end` in their metadata, `encoding` where it is not UTF-8, and `ocr` where they are those of a scanned
    page or of a picture; an image is a single chunk.

    Args:
        media: What to split.
        seconds: Length of a window of audio or video.
        overlap: Seconds that neighboring windows share.
        at_pauses: Whether windows end where nobody speaks.
        characters: Maximum length of a passage.
        character_overlap: Maximum number of characters that neighboring passages share.
        measure: Returns the length of texts as a share of what a model reads; passages above 1 are divided again.

    Raises:
        MediaError: If the media cannot be read.
    """
    if media.modality in ("audio", "video"):
        yield from media.windows(seconds, overlap, at_pauses=at_pauses)
    elif isinstance(media, Text):
        for passage in _passages(media, characters, character_overlap, measure):
            passage._source.notes = media._source.notes
            yield passage
    elif isinstance(media, Image) and media.page is None:
        count = media.page_count()
        paged = count > 1 or _page_count(media) is not None
        yield from (media.part(page=page) for page in range(1, count + 1)) if paged else [media]
    else:
        yield media


def _page_count(media: Media) -> int | None:
    """Return the number of pages of a whole document, or None for anything else."""
    from senseweave.media.documents import document_reader

    if media.page is not None or not _is_document(media):
        return None
    return document_reader(media._source.content, media.source).page_count(media._source)


def _passages(media: Text, characters: int, overlap: int, measure: Measure | None) -> Iterator[Media]:
    if (count := _page_count(media)) is not None:
        for page in range(1, count + 1):
            yield from _passages(media.part(page=page), characters, overlap, measure)
        return
    text = media.decode()
    if cues := _cues(media):
        yield from _said(media, text, cues, characters, measure)
        return
    encoding = media._source.encoding if media._source.content.reader in ("text", "html") else None
    chosen: dict[str, Value] = {"encoding": encoding} if encoding not in (None, "utf-8") else {}
    if media.is_scan:
        chosen = {OCR: True, FILE_HASH: media.sha256}
    if isinstance(media, TextFile) and media.has_picture:
        chosen |= {PAGE_PICTURE: True, FILE_HASH: media.sha256}

    def cut(text: str, characters: int) -> list[tuple[int, int]]:
        return passage_spans(text, characters, min(overlap, characters // 2))

    contexts = _contexts(media)
    passages = context_passages(text, contexts, characters, cut)
    if measure is not None:
        passages = fitting_passages(text, contexts, passages, cut, measure)
    whole = list(passages) == [(0, len(text), "")]
    if whole and not chosen:
        yield media
        return
    for passage in passages:
        start, end, context = passage
        place: dict[str, Value] = {} if whole else {"character_start": start, "character_end": end}
        if context:
            place[HEADING] = context
        yield passage_of(media, passage_text(text, passage), metadata={**chosen, **media.metadata, **place})


def _said(media: Text, text: str, cues: Sequence[Cue], characters: int, measure: Measure | None) -> Iterator[Media]:
    """Yield passages of a transcript, each with the span in which a recording says it."""
    recording = recording_beside(media._source)
    beside: dict[str, Value] = {RECORDING: recording} if recording is not None else {}
    groups: list[Sequence[Cue]] = []
    at = 0
    while at < len(cues):
        first = at
        while at < len(cues) and (at == first or _fits(cues[first], cues[at], characters)):
            at += 1
        groups.append(cues[first:at])
    for group in groups if measure is None else _divided(text, groups, measure):
        start, end = group[0], group[-1]
        yield passage_of(
            media,
            text[start.start : end.end],
            span=(start.span[0], max(end.span[1], start.span[1])),
            metadata={**media.metadata, "character_start": start.start, "character_end": end.end, **beside},
        )


def _divided(text: str, groups: Sequence[Sequence[Cue]], measure: Measure) -> Iterator[Sequence[Cue]]:
    """Yield groups of cues, those halved that are longer than what a model reads; a single cue stays whole."""
    shares = measure([text[group[0].start : group[-1].end] for group in groups])
    for group, share in zip(groups, shares, strict=True):
        if share > 1 and len(group) > 1:
            yield from _divided(text, [group[: len(group) // 2], group[len(group) // 2 :]], measure)
        else:
            yield group


def _fits(first: Cue, cue: Cue, characters: int) -> bool:
    """Return whether a cue joins a passage that begins with another."""
    return cue.end - first.start <= characters and cue.span[1] - first.span[0] <= DEFAULT_SECONDS


def _cues(media: Text) -> Sequence[Cue]:
    """Return the cues of a transcript."""
    from senseweave.media.documents import document_reader

    if not _is_document(media):
        return ()
    return document_reader(media._source.content, media.source).cues(media._source)


def _contexts(media: Text) -> Sequence[Context]:
    """Return the headings and table headers of the text of a file."""
    from senseweave.media.documents import document_reader

    if not _is_document(media):
        return ()
    return document_reader(media._source.content, media.source).contexts(media._source, media.page)


def _is_document(media: Media) -> bool:
    """Return whether a document reader reads the source; pictures with writing and decoded objects have none."""
    return not isinstance(media._source, DecodedSource) and media._source.content.is_document
