"""Load inputs as chunks, lazily and in batches, with descriptions and a policy for what cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, TypeVar

from senseweave.arguments import check_choice
from senseweave.errors import MediaError, PartError
from senseweave.media import Media, MediaPolicy, Modality, collect
from senseweave.media.collecting import is_single
from senseweave.retrieval.records.chunking import chunk_media
from senseweave.spaces.engine import OnError

T = TypeVar("T")

BATCH: Final = 16
"""Chunks that are described in one batch; bounds how far a lazy loader reads ahead."""


@dataclass(frozen=True)
class LoadedChunk:
    """A chunk with what is known of it.

    Attributes:
        media: The chunk.
        whole: The media that it is a part of.
        position: Index of the input that holds it, from 0.
        description: Its transcript, caption or label line, if it was described.
    """

    media: Media
    whole: Media
    position: int
    description: str | None = None


def _unchanged(given: Any) -> Any:
    return given


def _unlocated(error: MediaError, position: int) -> MediaError:
    return error


@dataclass(frozen=True)
class ChunkLoader:
    """Reads inputs in order and makes something of each chunk.

    Attributes:
        warn: Called with each error of what is left out.
        on_error: `raise`, or `skip` to leave out what cannot be read.
        policy: What may be read.
        unwrap: Returns what `collect` reads in place of an input, for example the bytes in a framework's container.
        chunk: Divides a media.
        describe: Returns a description or None for each media of a list; None for no descriptions.
        described: Modalities that `describe` takes.
        verify: Whether chunks that are not described are decoded once, which finds truncated files.
        locate: Returns an error with the position of its input.
    """

    warn: Callable[[MediaError], None]
    on_error: OnError = "raise"
    policy: MediaPolicy | None = None
    unwrap: Callable[[Any], Any] = _unchanged
    chunk: Callable[[Media], Iterator[Media]] = chunk_media
    describe: Callable[[list[Media]], Sequence[str | None]] | None = None
    described: Collection[Modality] = ()
    verify: bool = False
    locate: Callable[[MediaError, int], MediaError] = _unlocated

    def __post_init__(self) -> None:
        check_choice("on_error", self.on_error)

    def load(self, inputs: Any, make: Callable[[LoadedChunk], T]) -> Iterator[T]:
        """Yield what a function makes of each chunk.

        Args:
            inputs: One or several inputs, as `collect` takes them or as `unwrap` reads them.
            make: Returns a framework's document for a chunk.

        Raises:
            MediaError: If something cannot be read, unless `on_error` is `skip`.
        """
        chunks = self.chunks(inputs)
        size = BATCH if self.describe is not None else 1
        while batch := list(islice(chunks, size)):
            for chunk in self._with_descriptions(batch):
                try:
                    made = make(chunk)
                except MediaError as error:
                    self.fail(error, chunk.position)
                else:
                    yield made

    def chunks(self, inputs: Any) -> Iterator[LoadedChunk]:
        """Yield the chunks of inputs, without descriptions; see `load`."""
        for position, given in enumerate([inputs] if is_single(inputs) else inputs):
            for found in self._divide(given, position):
                if isinstance(found, MediaError):
                    self.fail(found, position)
                else:
                    yield found

    def each(
        self,
        media: Sequence[Media],
        make: Callable[[list[Media]], Sequence[T]],
        positions: Sequence[int] | None = None,
    ) -> dict[int, T]:
        """Return what a function makes of each media by index, without those that it cannot read.

        Args:
            media: The media.
            make: Returns one result per media, or raises a `MediaError`; then they are given to it singly.
            positions: Index of the input that holds each media; its own index if None.

        Raises:
            MediaError: If a media cannot be read, unless `on_error` is `skip`.
        """
        positions = range(len(media)) if positions is None else positions
        try:
            return dict(enumerate(make(list(media))))
        except MediaError as error:
            if self.on_error == "raise":
                self.fail(_without_position(error), positions[error.position or 0])
        made = {}
        for i, item in enumerate(media):
            try:
                made[i] = make([item])[0]
            except MediaError as error:
                self.fail(_without_position(error), positions[i])
        return made

    def fail(self, error: MediaError, position: int = 0) -> None:
        """Raise an error of the input at a position, or warn of it, as `on_error` says; of a part, always warn."""
        located = self.locate(error, position)
        if self.on_error == "raise" and not isinstance(error, PartError):
            raise located from error.__cause__
        self.warn(located)

    def _divide(self, given: Any, position: int) -> Iterator[LoadedChunk | MediaError]:
        """Yield the chunks of an input; in place of what cannot be read, the error that says why."""
        try:
            unwrapped = self.unwrap(given)
        except MediaError as error:
            yield error
            return
        for media in collect([unwrapped], policy=self.policy):
            if isinstance(media, MediaError):
                yield media
                continue
            try:
                for chunk in self.chunk(media):
                    yield LoadedChunk(chunk, media, position)
            except MediaError as error:
                yield error

    def _with_descriptions(self, batch: list[LoadedChunk]) -> Iterator[LoadedChunk]:
        """Yield the chunks of a batch that can be read, with their descriptions."""
        able: list[int] = []
        descriptions: dict[int, str | None] = {}
        if self.describe is not None:
            able = [i for i, chunk in enumerate(batch) if chunk.media.modality in set(self.described) - {"text"}]
        if self.describe is not None and able:
            positions = [batch[i].position for i in able]
            made = self.each([batch[i].media for i in able], self.describe, positions)
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
            self.fail(error, chunk.position)
            return False
        return True


def _without_position(error: MediaError) -> MediaError:
    """Return an error without its position in a batch, which says nothing of the position among the inputs."""
    plain = type(error)(error.source, error.reason)
    plain.__cause__ = error.__cause__
    return plain
