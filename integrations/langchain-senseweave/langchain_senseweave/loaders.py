"""From files and folders to documents: one per passage, image, page, audio window or video segment."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

from langchain_core.document_loaders import BaseBlobParser, BaseLoader
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from langchain_senseweave.base import MediaEmbeddings
from langchain_senseweave.documents import document_from_media
from senseweave.errors import MediaError
from senseweave.media import Media, MediaPolicy, collect
from senseweave.retrieval.records.chunking import pieces_of

OnError = Literal["raise", "skip"]
_Made = TypeVar("_Made")

_TOGETHER = 16
"""Pieces that are described in one batch; bounds how far a lazy loader reads ahead."""


class MediaParser(BaseBlobParser):
    """Turns a blob of any modality into documents, lazily.

    Text gives passages, an image one document, a PDF its pages, audio windows and video segments. The `page_content` of
    what is not text is a short line: the transcript or labels that the embeddings' model makes, if it makes any, and
    where the piece is from. Metadata is flat: `source, modality, mime_type, sha256`, and `start_s, end_s, page` where
    they apply. Nothing is ever stored as base64.

    Instantiate:
        ```python
        from langchain_core.documents.base import Blob
        from langchain_senseweave import MediaParser

        documents = MediaParser(seconds=20).parse(Blob.from_path("talk.mp3"))
        ```
    """

    def __init__(
        self,
        *,
        embeddings: MediaEmbeddings | None = None,
        describe: bool = True,
        seconds: float | None = None,
        overlap: float = 0.0,
        characters: int | None = None,
        character_overlap: int = 0,
        root: str | Path | None = None,
        network: bool = False,
        policy: MediaPolicy | None = None,
        on_error: OnError = "raise",
    ) -> None:
        """Set how files are cut and described.

        Args:
            embeddings: Those of the store: their model says how media are cut, and describes images, audio and video
                where it can; the vectors that this takes are remembered for the embedding. Without, pieces have common
                lengths; of those longer than a model takes, text is cut with a warning, and of sound and video the mean
                of what it takes at a time is embedded.
            describe: Whether to describe while loading. Without, loading only reads and hashes, and `SenseweaveChroma`
                describes what it embeds: right for folders of which most was indexed before.
            seconds: Length of the windows of audio and video; None for what suits the embeddings' model, else 30.
            overlap: Seconds that neighbouring windows share.
            characters: Most characters of a passage of text; None for what suits the model, at most 1000.
            character_overlap: Characters that neighbouring passages share, at most.
            root: Local files must lie under this folder; None allows all.
            network: Whether http and https URLs may be fetched.
            policy: All limits on reading; instead of `root` and `network`.
            on_error: `raise`, or `skip` to leave out what cannot be read, with a warning that says why; to see it,
                pieces that are not described are decoded once.

        Raises:
            ValueError: If both `policy` and `root` or `network` are given, or `on_error` is unknown.
        """
        if policy is not None and (root is not None or network):
            msg = "give either policy or root and network, not both"
            raise ValueError(msg)
        if on_error not in ("raise", "skip"):
            msg = f"on_error must be 'raise' or 'skip', not {on_error!r}"
            raise ValueError(msg)
        self.embeddings = embeddings
        self.describe = describe
        self.seconds = seconds
        self.overlap = overlap
        self.characters = characters
        self.character_overlap = character_overlap
        self.policy = policy
        if policy is None and (root is not None or network):
            self.policy = MediaPolicy(root=root, network=network)
        elif policy is None and embeddings is not None:
            self.policy = embeddings.media_policy
        self.on_error = on_error

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        """Yield the documents of one blob.

        Args:
            blob: By path or with its data; its own metadata goes into the documents.

        Raises:
            MediaError: If it cannot be read, unless `on_error` is `skip`.
        """
        given = blob.path if blob.data is None else blob.as_bytes()
        metadata = dict(blob.metadata)
        if blob.data is not None and blob.source:
            metadata["source"] = blob.source
        yield from self.documents([given], metadata=metadata)

    def documents(self, inputs: Any, *, metadata: dict[str, Any] | None = None) -> Iterator[Document]:
        """Yield the documents of paths, folders, URLs, bytes or media; see `lazy_parse`."""
        for piece, description in self._pieces(inputs):
            try:
                yield document_from_media(piece, description, metadata=metadata)
            except MediaError as error:
                self.failed(error)

    def cut(self, inputs: Any) -> Iterator[Media]:
        """Yield the pieces that `documents` makes documents of; see `lazy_parse`."""
        cut = self.embeddings.pieces_of if self.embeddings is not None else pieces_of
        for media in collect(inputs, policy=self.policy):
            if isinstance(media, MediaError):
                self.failed(media)
                continue
            try:
                yield from cut(
                    media,
                    seconds=self.seconds,
                    overlap=self.overlap,
                    characters=self.characters,
                    character_overlap=self.character_overlap,
                )
            except MediaError as error:
                self.failed(error)

    def _pieces(self, inputs: Any) -> Iterator[tuple[Media, str | None]]:
        """Yield pieces, each with its description."""
        pieces = self.cut(inputs)
        while batch := list(islice(pieces, _TOGETHER)):
            described = self._described(batch)
            yield from ((batch[i], described[i]) for i in range(len(batch)) if i in described)

    def _described(self, batch: list[Media]) -> dict[int, str | None]:
        """Return the descriptions of pieces by their position, without those that could not be read."""
        known: list[str] = []
        if self.embeddings is not None and self.describe:
            known = [one for one in self.embeddings.modalities if one != "text"]
        wanted = [i for i, one in enumerate(batch) if one.modality in known]
        described: dict[int, str | None] = {}
        if self.embeddings is not None and wanted:
            made = self.each([batch[i] for i in wanted], self.embeddings.describe_media)
            described = {wanted[place]: words for place, words in made.items()}
        for i in sorted(set(range(len(batch))) - set(wanted)):
            try:
                if self.on_error == "skip":  # else a file that was cut short would fail in the store, with all others
                    batch[i].verify()
                described[i] = None
            except MediaError as error:
                self.failed(error)
        return described

    def each(self, media: list[Media], make: Callable[[list[Media]], Sequence[_Made]]) -> dict[int, _Made]:
        """Return what `make` makes of each item, by position, without those that it cannot read.

        Args:
            media: The items.
            make: Gives one result per item, or raises a `MediaError`.

        Raises:
            MediaError: If an item cannot be read, unless `on_error` is `skip`: then a warning says why.
        """
        try:
            return dict(enumerate(make(media)))
        except MediaError:
            if self.on_error == "raise":
                raise
        made = {}
        for position, one in enumerate(media):
            try:
                made[position] = make([one])[0]
            except MediaError as error:
                self.failed(type(error)(error.source, error.reason))  # without "item 1 of 1", which would mislead
        return made

    def failed(self, error: MediaError) -> None:
        """Raise an error, or warn of it, as `on_error` says."""
        if self.on_error == "raise":
            raise error
        warnings.warn(f"left out: {error}", UserWarning, stacklevel=3)


class MediaLoader(BaseLoader):
    """Loads files and folders of text, images, audio and video as documents, lazily.

    What is read and how is told by the arguments of `MediaParser`; kinds of files are told by their content.

    Instantiate:
        ```python
        from langchain_senseweave import MediaLoader

        loader = MediaLoader(["notes/", "photo.jpg", "talk.mp3"])
        ```

    Lazy load:
        ```python
        for document in loader.lazy_load():
            print(document.page_content, document.metadata)
        ```
    """

    def __init__(
        self,
        paths: Any,
        *,
        embeddings: MediaEmbeddings | None = None,
        describe: bool = True,
        seconds: float | None = None,
        overlap: float = 0.0,
        characters: int | None = None,
        character_overlap: int = 0,
        root: str | Path | None = None,
        network: bool = False,
        policy: MediaPolicy | None = None,
        on_error: OnError = "raise",
    ) -> None:
        """Set what is loaded and how.

        Args:
            paths: One or several of: files, folders (walked in sorted order), URLs, bytes, media.
            embeddings: See `MediaParser`, as for all that follows.
            describe: Whether to describe while loading.
            seconds: Length of the windows of audio and video; None for what suits the embeddings' model, else 30.
            overlap: Seconds that neighbouring windows share.
            characters: Most characters of a passage of text; None for what suits the model, at most 1000.
            character_overlap: Characters that neighbouring passages share, at most.
            root: Local files must lie under this folder; None allows all.
            network: Whether http and https URLs may be fetched.
            policy: All limits on reading; instead of `root` and `network`.
            on_error: `raise`, or `skip` to leave out what cannot be read, with a warning that says why.
        """
        self.paths = paths
        self.parser = MediaParser(
            embeddings=embeddings,
            describe=describe,
            seconds=seconds,
            overlap=overlap,
            characters=characters,
            character_overlap=character_overlap,
            root=root,
            network=network,
            policy=policy,
            on_error=on_error,
        )

    def lazy_load(self) -> Iterator[Document]:
        """Yield documents, file by file, holding a few pieces in memory at a time.

        Raises:
            MediaError: If a file cannot be read, unless `on_error` is `skip`.
        """
        yield from self.parser.documents(self.paths)
