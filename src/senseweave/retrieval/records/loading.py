"""Load inputs as chunks, lazily and in batches, with descriptions and a policy for what cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, TypeVar

from senseweave.arguments import check_choice
from senseweave.errors import MediaError, NoContentError, PartError
from senseweave.media import Media, MediaPolicy, Modality, collect
from senseweave.media.collecting import ON_INPUT_ERROR, OnInputError, blank, is_named, is_single
from senseweave.media.documents.plain import check_encoding
from senseweave.media.forms.source import PAGES, Pages
from senseweave.media.kinds.picture_text import Ocr, PictureReading, PictureText
from senseweave.progress import Progress, ProgressOption, tracked
from senseweave.retrieval.records.chunking import chunk_media
from senseweave.retrieval.records.forecast import Forecast

T = TypeVar("T")

BATCH: Final = 16
"""Chunks that are described in one batch; bounds how far a lazy loader reads ahead."""
SUMMARIZED: Final = 3
"""Failures that a warning spells out; `failed` has all of them."""


@dataclass(frozen=True)
class LoadedChunk:
    """A chunk with what is known of it.

    Attributes:
        media: The chunk.
        whole: The media that it is a part of.
        position: Index of the input that holds it, from 0.
        description: Its transcript, caption or label line, if it was described.
        named: Whether the input itself was named, and not a folder that holds it.
    """

    media: Media
    whole: Media
    position: int
    description: str | None = None
    named: bool = True


def _unchanged(given: Any) -> Any:
    return given


def _unlocated(error: MediaError, position: int) -> MediaError:
    return error


@dataclass(frozen=True)
class ChunkLoader:
    """Reads inputs in order and makes something of each chunk.

    Attributes:
        warn: Called with each error of what is left out.
        on_error: What happens to what cannot be read, see `senseweave.media.collecting.OnInputError`.
        policy: What may be read.
        unwrap: Returns what `collect` reads in place of an input, for example the bytes in a framework's container.
        chunk: Divides a media.
        modalities: Only media of these are loaded; None for all.
        describe: Returns a description or None for each media of a list; None for no descriptions.
        described: Modalities that `describe` takes.
        verify: Whether chunks that are not described are decoded once, which finds truncated files.
        locate: Returns an error with the position of its input.
        progress: What shows or counts what is loaded, as `Index.add` takes it.
        encoding: Of the text and HTML files among the inputs; None detects it.
        ocr: Which pictures are followed by the words in them, as `collect` takes it.
        pages: What becomes of pages of a PDF, as `collect` takes it.
        hold: Called with errors of named inputs instead of raising them, by a caller that raises at the end.
    """

    warn: Callable[[MediaError], None]
    on_error: OnInputError = "named"
    policy: MediaPolicy | None = None
    unwrap: Callable[[Any], Any] = _unchanged
    chunk: Callable[[Media], Iterator[Media]] = chunk_media
    modalities: Collection[Modality] | None = None
    describe: Callable[[list[Media]], Sequence[str | None]] | None = None
    described: Collection[Modality] = ()
    verify: bool = False
    locate: Callable[[MediaError, int], MediaError] = _unlocated
    progress: ProgressOption = None
    encoding: str | None = None
    ocr: Ocr = "auto"
    pages: Pages = "separate"
    hold: Callable[[MediaError], None] | None = None

    def __post_init__(self) -> None:
        check_choice("on_error", self.on_error, ON_INPUT_ERROR)
        if self.encoding is not None:
            check_encoding(self.encoding)
        PictureReading(self.ocr)
        check_choice("pages", self.pages, PAGES)

    def load(self, inputs: Any, make: Callable[[LoadedChunk], T]) -> Iterator[T]:
        """Yield what a function makes of each chunk.

        Args:
            inputs: One or several inputs, as `collect` takes them or as `unwrap` reads them.
            make: Returns a framework's document for a chunk.

        Raises:
            MediaError: If something cannot be read, as `on_error` says.
        """
        with tracked(self.progress, "loading") as progress:
            yield from (self if progress is None else self.following(progress, inputs))._load(inputs, make)

    def following(self, progress: Progress, inputs: Any) -> ChunkLoader:
        """Return a loader that tells a progress of the chunks of some inputs as they are made, and of failures."""
        given = [inputs] if is_single(inputs) else inputs if isinstance(inputs, Sequence) else ()
        readable: list[Any] = []
        for item in given:
            with suppress(MediaError):  # raised again when the input is read
                readable.append(self.unwrap(item))
        forecast = Forecast(readable, self.policy)
        progress.update(total=forecast.media or None, expected=forecast.chunks or None)
        begun: set[str] = set()

        def warn(error: MediaError) -> None:
            self.warn(error)
            forecast.leave(error.source)
            done = progress.done + (error.source not in begun)
            progress.update(failed=progress.failed + 1, done=done, expected=forecast.chunks)

        def chunk(media: Media) -> Iterator[Media]:
            if isinstance(media, PictureText):  # done with its picture
                yield from self.chunk(media)
                return
            begun.add(media.source)
            forecast.begin(media)
            progress.update(current=media.source, expected=forecast.chunks)
            try:
                for part in self.chunk(media):
                    forecast.made()
                    yield part
                    settled = progress.settled + 1
                    progress.update(embedded=part, settled=settled, expected=max(forecast.chunks, settled))
            finally:
                done = progress.done + 1
                total = max(progress.total, done) if progress.total is not None else None
                if done == total:
                    forecast.end()
                progress.update(done=done, total=total, expected=forecast.chunks)

        return replace(self, warn=warn, chunk=chunk, progress=None)

    def _load(self, inputs: Any, make: Callable[[LoadedChunk], T]) -> Iterator[T]:
        chunks = self.chunks(inputs)
        size = BATCH if self.describe is not None else 1
        while batch := list(islice(chunks, size)):
            for chunk in self._with_descriptions(batch):
                try:
                    made = make(chunk)
                except MediaError as error:
                    self.fail(error, chunk.position, named=chunk.named)
                else:
                    yield made

    def chunks(self, inputs: Any) -> Iterator[LoadedChunk]:
        """Yield the chunks of inputs, without descriptions; see `load`."""
        for position, given in enumerate([inputs] if is_single(inputs) else inputs):
            for found, named in self._divide(given, position):
                if isinstance(found, MediaError):
                    self.fail(found, position, named=named)
                else:
                    yield found

    def each(
        self,
        chunks: Sequence[LoadedChunk],
        make: Callable[[list[Media]], Sequence[T]],
    ) -> dict[int, T]:
        """Return what a function makes of each chunk by index, without those that it cannot read.

        Args:
            chunks: The chunks.
            make: Returns one result per media, or raises a `MediaError`; then they are given to it singly.

        Raises:
            MediaError: If a chunk cannot be read, as `on_error` says.
        """
        try:
            return dict(enumerate(make([chunk.media for chunk in chunks])))
        except MediaError as error:
            if self.on_error == "raise":
                self._fail_chunk(error, chunks[error.position or 0])
        made = {}
        for i, chunk in enumerate(chunks):
            try:
                made[i] = make([chunk.media])[0]
            except MediaError as error:
                self._fail_chunk(error, chunk)
        return made

    def fail(self, error: MediaError, position: int = 0, *, named: bool = True) -> None:
        """Raise an error of the input at a position, hold it or warn of it, as `on_error` says; of a part, always warn.

        Args:
            error: What happened.
            position: Index of the input, from 0.
            named: Whether the input itself failed, and not a file met in a folder.
        """
        located = self.locate(error, position)
        if isinstance(error, PartError) or self.on_error == "skip" or (self.on_error == "named" and not named):
            self.warn(located)
        elif self.hold is not None and self.on_error == "named":
            self.hold(located)
        else:
            raise located from error.__cause__

    def _fail_chunk(self, error: MediaError, chunk: LoadedChunk) -> None:
        """Fail for a chunk whose error has a position in a batch, which says nothing of the inputs."""
        plain = type(error)(error.source, error.reason)
        plain.__cause__ = error.__cause__
        self.fail(plain, chunk.position, named=chunk.named)

    def _divide(self, given: Any, position: int) -> Iterator[tuple[LoadedChunk | MediaError, bool]]:
        """Yield the chunks of an input; in place of what cannot be read, the error; and whether it is the input."""
        try:
            unwrapped = self.unwrap(given)
        except MediaError as error:
            yield error, True
            return
        options: dict[str, Any] = {"encoding": self.encoding, "ocr": self.ocr, "pages": self.pages}
        for media in collect([unwrapped], policy=self.policy, **options):
            named = is_named(unwrapped, media)
            if isinstance(media, MediaError):
                yield media, named
                continue
            if self.modalities is not None and media.modality not in self.modalities:
                continue
            is_blank = True
            try:
                for chunk in self.chunk(media):
                    is_blank = False
                    yield LoadedChunk(chunk, media, position, named=named), named
                if is_blank and not media.is_scan:
                    yield blank(media.source), named
            except MediaError as error:
                yield error, named

    def _with_descriptions(self, batch: list[LoadedChunk]) -> Iterator[LoadedChunk]:
        """Yield the chunks of a batch that can be read, with their descriptions."""
        able: list[int] = []
        descriptions: dict[int, str | None] = {}
        if self.describe is not None:
            able = [i for i, chunk in enumerate(batch) if chunk.media.modality in set(self.described) - {"text"}]
        if self.describe is not None and able:
            made = self.each([batch[i] for i in able], self.describe)
            descriptions = {able[i]: description for i, description in made.items()}
        for i, chunk in enumerate(batch):
            if i in descriptions:
                yield replace(chunk, description=descriptions[i])
            elif i not in able and self._is_readable(chunk):
                yield chunk

    def _is_readable(self, chunk: LoadedChunk) -> bool:
        """Return whether a chunk can be decoded, where that is to be verified."""
        try:
            if self.verify:
                chunk.media.verify()
        except MediaError as error:
            self.fail(error, chunk.position, named=chunk.named)
            return False
        return True


def check_modality(media: Media, modalities: Collection[Modality]) -> None:
    """Check that a model embeds the modality of a media.

    Raises:
        NoContentError: If it does not.
    """
    if media.modality not in modalities:
        known = ", ".join(modalities)
        reason = f"is {media.modality}, which the model does not embed; it embeds: {known}"
        raise NoContentError(media.source, reason)


def failure_summary(failed: Sequence[MediaError]) -> str:
    """Return in a sentence how many inputs were left out, and why the first of them were."""
    reasons = "; ".join(str(error) for error in failed[:SUMMARIZED])
    more = f"; and {len(failed) - SUMMARIZED} more, see `failed`" if len(failed) > SUMMARIZED else ""
    return f"{len(failed)} {'input was' if len(failed) == 1 else 'inputs were'} left out: {reasons}{more}"
