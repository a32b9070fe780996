"""Turn paths, folders and other inputs into media, whose modality is detected from the content."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, cast

from senseweave.arguments import check_choice
from senseweave.errors import MediaError, MissingReaderError, NoContentError, PartError, PolicyError
from senseweave.extras import reading
from senseweave.media.base import Media
from senseweave.media.forms.inputs import as_source
from senseweave.media.forms.parts import PartSource
from senseweave.media.forms.refusals import refusal
from senseweave.media.forms.source import PAGES, Pages, Source
from senseweave.media.kinds.audio import Audio
from senseweave.media.kinds.image import Image
from senseweave.media.kinds.picture_text import Ocr, PictureReading, with_words
from senseweave.media.kinds.text import Text, TextFile
from senseweave.media.kinds.video import Video
from senseweave.media.modality import Modality
from senseweave.media.policy import DEFAULT_POLICY, MediaPolicy

OnInputError = Literal["named", "raise", "skip"]
"""What happens to an input that cannot be read: `named` raises if the caller named it, and reports it if it was met in
a folder; `raise` raises in both cases, `skip` reports in both."""
ON_INPUT_ERROR: Final = ("named", "raise", "skip")

MEDIA_CLASSES: dict[Modality, type[Media]] = {"text": Text, "image": Image, "audio": Audio, "video": Video}
"""The media class of each modality."""
INDEX_MARK: Final = "senseweave.lock"
"""The file that marks a folder as an index."""
_STORE_FILE: Final = re.compile(
    r"senseweave\.(lock|writer\.lock|repair\.lock|judged\.json(\.\d+)?)|chroma\.sqlite3(-(journal|wal|shm))?"
)
_STORE_FOLDER: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def collect(
    inputs: Any,
    *,
    policy: MediaPolicy | None = None,
    encoding: str | None = None,
    ocr: Ocr | None = None,
    pages: Pages = "separate",
) -> Iterator[Media | MediaError]:
    """Yield the media in some inputs: one per file, and two per PDF page (its text and its image).

    Args:
        inputs: One or several media (which are returned as they are), paths of files and folders, URLs, data URIs,
            bytes or binary file objects. Folders are walked in sorted order, without hidden files and without the files
            of an index or another Chroma store; a link to a folder is reported, not followed.
        policy: What may be read.
        encoding: Of the text and HTML files, for example `cp1250`; None detects it file by file.
        ocr: Which pictures are followed by the words in them: `auto` those that look as if they held writing, `on` all,
            `off` none, and no scanned pages of documents either; None only such pages.
        pages: What becomes of pages of a PDF that have text: `text` and `picture` leave out the other, `both` marks the
            text, so that an index shows both as one hit.

    Yields:
        Media; in place of an input that cannot be read, the MediaError that says why.

    Raises:
        ValueError: If Python has no encoding of that name, or `ocr` or `pages` is none of these.
    """
    for group in collect_files(inputs, policy=policy, encoding=encoding, ocr=ocr, pages=pages):
        yield from group


def collect_files(
    inputs: Any,
    *,
    policy: MediaPolicy | None = None,
    encoding: str | None = None,
    ocr: Ocr | PictureReading | None = None,
    pages: Pages = "separate",
) -> Iterator[list[Media | MediaError]]:
    """Yield what `collect` yields, in a list for each file, which stays open until the next list is asked for."""
    policy = policy or DEFAULT_POLICY
    check_choice("pages", pages, PAGES)
    if encoding is not None:
        from senseweave.media.documents.plain import check_encoding

        encoding = check_encoding(encoding)
    reading = PictureReading(ocr) if isinstance(ocr, str) else ocr
    reads_pages = reading is None or reading.ocr != "off"
    reads_pictures = reading is not None and reads_pages
    for value in [inputs] if is_single(inputs) else inputs:
        if isinstance(value, Media):
            yield list(with_words([value], reading)) if reading is not None and reads_pictures else [value]
            continue
        for source in _sources(value, policy):
            if isinstance(source, MediaError):
                yield [source]
                continue
            source.encoding = encoding
            source.reads_scans = reads_pages
            source.pages = pages
            with source.kept_open():
                found = _media_and_error(source)
                yield list(with_words(found, reading)) if reading is not None and reads_pictures else found


def input_sources(inputs: Any, *, policy: MediaPolicy | None = None) -> Iterator[Source | Media | MediaError]:
    """Yield what each list of `collect_files` is read from, without opening a file."""
    policy = policy or DEFAULT_POLICY
    for value in [inputs] if is_single(inputs) else inputs:
        yield from [value] if isinstance(value, Media) else _sources(value, policy)


def as_media(modality: Modality, item: Any, policy: MediaPolicy | None = None) -> Media:
    """Return an input as media of a modality; media are returned unchanged.

    Raises:
        TypeError: If it is media of another modality, or a text is not a string.
        MediaError: If it cannot be such media.
    """
    if isinstance(item, Media):
        if item.modality != modality:
            msg = f"expected {modality}, but was given {item!r}"
            raise TypeError(msg)
        return item
    if modality == "text":
        if not isinstance(item, str):
            msg = f"a text must be a str, not {type(item).__name__}"
            raise TypeError(msg)
        return Text(item)
    return MEDIA_CLASSES[modality](item, policy=policy)


def first_media(
    value: Any, policy: MediaPolicy | None = None, modality: Modality | None = None, part: str | None = None
) -> Media:
    """Return the media of a single file, URL, data URI, bytes or file object; of a PDF, the image of its first page.

    Args:
        value: The input.
        policy: What may be read.
        modality: The modality of the input; detected from its content if None.
        part: The path to a file inside the input, of which the modality is known.

    Raises:
        MediaError: If it is a folder, cannot be read, or is not text, an image, audio or video.
    """
    if modality is not None:
        make: Callable[..., Media] = Text.open if modality == "text" else MEDIA_CLASSES[modality]
        return make(value, part=part, policy=policy)
    if isinstance(value, (str, os.PathLike)) and os.path.isdir(value):
        raise MediaError(os.fspath(value), "is a folder, not a file")
    first = next(collect([value], policy=policy), None)
    if first is None:
        raise MediaError(str(value) if isinstance(value, (str, os.PathLike)) else "input", "holds nothing to embed")
    if isinstance(first, MediaError):
        raise first
    return Image(value, page=1, policy=policy) if first.mime_type == "application/pdf" else first


def media_in(source: Source, budget: Budget | None = None) -> Iterator[Media | MediaError]:
    """Yield the media in a source, those in files inside it included; for such a file that cannot be read, its error.

    Args:
        source: The file.
        budget: What may still be read of the files inside the outermost file; None for that file itself.

    Raises:
        MediaError: If it cannot be read, or is not text, an image, audio or video.
    """
    content = source.content
    if content.is_document:
        yield from _document(source, budget or Budget(source.policy))
        return
    if not content.modalities:
        raise NoContentError(source.label, refusal(content.mime_type))
    kind = content.modalities[0]
    if {"audio", "video"} <= set(content.modalities):
        kind = _audio_or_video(source)
    media = MEDIA_CLASSES[kind](source, policy=source.policy)
    pages = media.page_count() if isinstance(media, Image) else 1
    yield from [media] if pages == 1 else (media.part(page=page) for page in range(1, pages + 1))


class Budget:
    """What may still be read of the files inside a file."""

    def __init__(self, policy: MediaPolicy) -> None:
        self.is_spent = False
        self._policy = policy
        self._count = self._bytes = 0

    def take(self, source: PartSource) -> None:
        """Count a part.

        Raises:
            PolicyError: If there are more parts, or more bytes in them, than the policy allows.
        """
        self._count += 1
        self._bytes += source.size
        try:
            self._policy.check_parts(source.root.label, self._count)
            self._policy.check_bytes(f"{source.root.label} with the files inside it", self._bytes)
        except PolicyError:
            self.is_spent = True
            raise


def _document(source: Source, budget: Budget) -> Iterator[Media | MediaError]:
    from senseweave.media.documents import document_reader

    reader = document_reader(source.content, source.label)
    pages = reader.pages_with_text(source)
    scanned = reader.scanned_pages(source)
    parts = reader.parts(source)
    if not (pages is None or any(pages) or parts or reader.draws_pages or reader.is_archive):
        raise blank(source.label)
    if pages is None and not (parts and not reader.text(source, None).strip()):
        yield TextFile(source, policy=source.policy)
    kept = source.root.pages if reader.draws_pages else "text"
    for page, has_text in enumerate(pages or (), 1):
        if kept != "picture" and (has_text or page in scanned):
            text = TextFile(source, page=page, policy=source.policy)
            text.has_picture = kept == "both"
            yield text
        if reader.draws_pages and not (kept == "text" and has_text):
            yield Image(source, page=page, policy=source.policy)
    for part in parts:
        try:
            inner = PartSource(source, part.name)
            budget.take(inner)
            for media in media_in(inner, budget):
                is_shown = isinstance(media, Image) and media._source is inner
                has_pages = inner.content.is_document or inner.content.reader == "TIFF"
                yield cast(Media, media).part(page=part.page) if is_shown and not has_pages else media
        except PolicyError as error:
            yield error
            if budget.is_spent:
                return
        except MissingReaderError as error:
            yield error
        except MediaError as error:
            yield error if reader.is_archive else PartError(error.source, error.reason)


def _audio_or_video(source: Source) -> Modality:
    from senseweave.media.reading.containers import moving_pictures
    from senseweave.media.reading.ffmpeg import open_container

    with source.open() as file, open_container(file, source.content, source.label) as container:
        if moving_pictures(container):
            return "video"
        if container.streams.audio:
            return "audio"
    raise MediaError(source.label, f"is {source.content.mime_type} with neither a video nor a sound track")


def _sources(value: Any, policy: MediaPolicy) -> Iterator[Source | MediaError]:
    """Yield the source of an input, or the sources of the files in a folder; an error in place of what is neither."""
    try:
        source = as_source(value, policy)
        if source is None:
            reason = "is not a path, URL, bytes or file object; name its modality, for example Image(x)"
            raise MediaError(type(value).__name__, reason)
        path = getattr(source, "path", None)
        if path is None or not os.path.isdir(path):
            yield source
            return
        policy.resolve(path)
    except MediaError as error:
        yield error
        return
    yield from _walk(path, policy)


def _media_and_error(source: Source) -> list[Media | MediaError]:
    """Return the media in a source, and the error that ends them, if any."""
    found: list[Media | MediaError] = []
    try:
        with reading(source.label):
            found.extend(media_in(source))
    except MediaError as error:
        found.append(error)
    return found


def blank(source: str) -> NoContentError:
    """Return the error of an input that was read, but has no words."""
    return NoContentError(source, "is blank: there is nothing to index")


def _walk(folder: str, policy: MediaPolicy) -> Iterator[Source | MediaError]:
    unreadable: list[OSError] = []
    for parent, folders, files in os.walk(folder, onerror=unreadable.append):
        yield from _listing_errors(unreadable)
        store = INDEX_MARK in files or "chroma.sqlite3" in files
        folders[:] = sorted(
            name for name in folders if not (name.startswith(".") or (store and _STORE_FOLDER.fullmatch(name)))
        )
        for name in sorted(files):
            if name.startswith(".") or (store and _STORE_FILE.fullmatch(name)):
                continue
            try:
                source = as_source(Path(parent, name), policy)
                assert source is not None
                yield source
            except MediaError as error:
                yield error
        for path in (os.path.join(parent, name) for name in folders):
            if os.path.islink(path):  # it may lead out of the folder, or back into it
                yield MediaError(path, "is a link to a folder, which is not followed; pass the folder itself")
    yield from _listing_errors(unreadable)


def _listing_errors(unreadable: list[OSError]) -> Iterator[MediaError]:
    """Yield an error for each folder that could not be listed, and forget them."""
    while unreadable:
        error = unreadable.pop(0)
        yield MediaError(str(error.filename), f"folder cannot be read ({error.strerror})")


def is_named(given: Any, found: Media | MediaError) -> bool:
    """Return whether what `collect` found in an input is that input itself, and was not met in a folder or archive."""
    if not isinstance(given, (str, os.PathLike)):
        return True
    path = os.fspath(given)
    return not path or found.source == path or not (os.path.isdir(path) or found.source.startswith(path))


def is_single(inputs: Any) -> bool:
    """Return whether `inputs` is a single input and not several."""
    single = isinstance(inputs, Media | str | bytes | bytearray | memoryview | os.PathLike) or hasattr(inputs, "read")
    return single or not isinstance(inputs, Iterable)
