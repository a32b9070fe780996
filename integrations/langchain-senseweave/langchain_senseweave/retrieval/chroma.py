"""`SenseweaveChroma`: LangChain's Chroma store, in which images, audio and video are embedded as what they are."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Self, cast

from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from langchain_core.embeddings import Embeddings

from langchain_senseweave.embeddings.base import MediaEmbeddings
from langchain_senseweave.embeddings.space import SenseweaveEmbeddings
from langchain_senseweave.items import media_from, media_from_document
from langchain_senseweave.loading import MediaParser
from langchain_senseweave.retrieval.media_search import MediaSearch, Pairs, Where
from langchain_senseweave.retrieval.off_loop import OffLoop
from senseweave.interop import (
    FINGERPRINT,
    ChromaWriter,
    MediaError,
    Modality,
    Ocr,
    OnInputError,
    Pages,
    Record,
    check_choice,
    check_filter_size,
    close_replaced,
    embed_documents,
    failure_summary,
    filter_parts,
    in_thread,
    list_items,
    listed_values,
    raise_failed,
    read_each,
    read_metadata,
    reopen_in_child,
)

try:
    from langchain_chroma import Chroma
except ImportError as error:
    msg = 'SenseweaveChroma needs langchain-chroma; try: pip install "langchain-senseweave[chroma]"'
    raise ImportError(msg) from error


class SenseweaveChroma(MediaSearch, OffLoop, Chroma):
    """Chroma for text, images, audio and video of one space.

    Documents whose metadata names a `modality` other than text are embedded from the file that `source` names (and
    the span or page), not from their `page_content`; everything else is as in `Chroma`. The collection remembers the
    fingerprint of its space and refuses vectors of another.

    Setup:
        ```bash
        pip install "langchain-senseweave[starter,chroma]"
        ```

    Key init args:
        collection_name: Name of the collection.
        embedding_function: `SenseweaveEmbeddings`, or any embeddings for text alone.
        persist_directory, client, ...: As in `langchain_chroma.Chroma`.

    Instantiate:
        ```python
        from langchain_senseweave import SenseweaveChroma, SenseweaveEmbeddings

        store = SenseweaveChroma("media", SenseweaveEmbeddings(model="starter"), persist_directory="db")
        ```

    Add:
        ```python
        store.add_media(["notes/", "photo.jpg", "talk.mp3"])
        store.add_documents(MediaLoader("videos/").load())
        ```

    Search:
        ```python
        store.similarity_search("a dog on the grass", k=3)
        store.similarity_search_by_image("query.jpg", k=3)
        ```
    """

    def __init__(
        self, collection_name: str = "langchain", embedding_function: Embeddings | None = None, **chroma: Any
    ) -> None:
        """Open a collection, or create it.

        Args:
            collection_name: Name of the collection.
            embedding_function: Embeddings of texts and media; `SenseweaveEmbeddings()` if None.
            **chroma: Every other argument of `langchain_chroma.Chroma`, such as `persist_directory` and `client`.
                Distances are cosine unless `collection_configuration` or `collection_metadata` says otherwise.

        Raises:
            FingerprintError: If the collection holds vectors of another space; the error names both fingerprints.
        """
        embedding = embedding_function if embedding_function is not None else SenseweaveEmbeddings()
        given = embedding.fingerprint if isinstance(embedding, MediaEmbeddings) else None
        metadata = dict(chroma.pop("collection_metadata", None) or {})
        if given is not None:
            metadata[FINGERPRINT] = given
        if chroma.get("collection_configuration") is None and "hnsw:space" not in metadata:
            chroma["collection_configuration"] = {"hnsw": {"space": "cosine"}}
        super().__init__(collection_name, embedding, collection_metadata=metadata or None, **chroma)
        self._is_closed = False
        self._owns_client = chroma.get("client") is None
        self.failed: list[MediaError] = []
        """What the last call that added something left out, with the reasons."""
        self._writer.check_fingerprint(given)

    @property
    def _collection(self) -> Any:
        """The collection, opened anew in a forked child, where the parent's would hang."""
        if getattr(self, "_is_closed", False):  # the base class asks before there is anything of this one
            msg = "this store is closed; open it again with SenseweaveChroma(...)"
            raise ValueError(msg)
        if self._chroma_collection is not None:
            reopen_in_child(self._chroma_collection, self._replace_collection)
        return super()._collection

    @property
    def _writer(self) -> ChromaWriter:
        return ChromaWriter(self._collection)

    def _replace_collection(self, collection: Any, client: Any) -> None:
        self._chroma_collection, self._client, self._owns_client = collection, client, True

    def close(self) -> None:
        """Close the files and threads of the client that this store opened; a `client` that was given stays open.

        What other stores of this process have open of the same folder stays open. A store in memory is empty then, if
        nothing else uses it. Closing again does nothing.
        """
        if not self._is_closed:
            self._is_closed = True
            if self._owns_client:
                close_replaced(self._client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        ids: list[str] | None = None,
        *,
        on_error: OnInputError = "named",
        **kwargs: Any,
    ) -> list[str]:
        """Add texts, or media where `metadatas` name another modality; `add_documents` comes here too.

        Args:
            texts: The texts, or the captions of media.
            metadatas: One per text, or fewer. `modality` and `source` decide what is embedded.
            ids: One per text; a new id where it is None. Of texts with the same id, the last is added.
            on_error: `named` raises for a document whose file cannot be embedded when the others are in the store,
                `raise` before anything is; `skip` warns, and `failed` has the reasons.
            **kwargs: Ignored, as in `Chroma` (LangChain's `index` passes `batch_size`).

        Returns:
            The ids, of documents that failed as well.

        Raises:
            AddError: If the file of a document cannot be embedded, unless `on_error` says otherwise.
            ValueError: If there are more metadata than texts, or not as many ids as texts.
        """
        texts, self.failed = list(texts), []
        records, given = _align(metadatas, ids, len(texts))
        every = [identifier if identifier is not None else str(uuid.uuid4()) for identifier in given]
        added = zip(every, texts, records, strict=True)
        documents = {identifier: Document(text, metadata=record) for identifier, text, record in added}
        if all(map(_is_text, records)):
            # Chroma embeds all texts, and then refuses more than its database takes at a time.
            kept, size = list(documents), self._client.get_max_batch_size()
            for batch in (kept[start : start + size] for start in range(0, len(kept), size)):
                texts = [documents[identifier].page_content for identifier in batch]
                super().add_texts(texts, [documents[identifier].metadata for identifier in batch], batch, **kwargs)
        else:
            self._write(documents, on_error)
        return every

    def update_documents(self, ids: list[str], documents: list[Document], *, on_error: OnInputError = "named") -> None:
        """Replace documents; media are embedded from their files.

        Args:
            ids: Ids of the documents to replace.
            documents: Documents to put in their place.
            on_error: As for `add_texts`; documents that fail stay as they were.

        Raises:
            AddError: If the file of a document cannot be embedded, unless `on_error` says otherwise.
        """
        if not documents:
            return
        if all(_is_text(document.metadata) for document in documents):
            super().update_documents(ids, documents)
        else:
            self._write(dict(zip(ids, documents, strict=True)), on_error, update=True)

    def add_images(
        self,
        uris: Sequence[Any],
        metadatas: list[dict[str, Any]] | None = None,
        ids: list[str] | None = None,
        *,
        on_error: OnInputError = "named",
    ) -> list[str]:
        """Add images. The store keeps a line of text and where they are, never their bytes.

        Args:
            uris: Paths, URLs, data URIs, bytes, PIL images or blobs.
            metadatas: One per image, or fewer.
            ids: One per image; made from source and content if None, so that adding an image twice changes nothing,
                and adding it after its file has changed leaves the older record in place (see `add_media`).
            on_error: `named` raises for an image that cannot be read when the others are in the store, `raise` before
                anything is; `skip` warns, and `failed` has the reasons.

        Returns:
            The ids of the images that are in the store.

        Raises:
            AddError: If an image cannot be read, unless `on_error` says otherwise.
            ValueError: If there are more metadata than images, or not as many ids as images.
        """
        embeddings = self._media_embeddings()
        items = list_items(uris, "add_images", single=(Blob,))
        records, given = _align(metadatas, ids, len(items))
        read = partial(media_from, "image", policy=embeddings.media_policy)
        parser = MediaParser(embeddings=embeddings, on_error=on_error)
        self.failed = parser.failed
        made = self._writer.add_each(items, read, parser.loader, embeddings, metadata=records, ids=given)
        parser.warn_of_failed()
        return made

    def add_media(
        self,
        media: Any,
        metadata: dict[str, Any] | None = None,
        *,
        seconds: float | None = None,
        overlap: float = 0.0,
        replace: bool = True,
        on_error: OnInputError = "named",
        encoding: str | None = None,
        ocr: Ocr = "auto",
        pages: Pages = "separate",
    ) -> list[str]:
        """Add files, folders or media of any modality, a document per passage, image, page, window or segment.

        Args:
            media: A list of, or a single: path of a file or folder, URL, bytes, `senseweave` media.
            metadata: Flat values for all documents.
            seconds: Length of the windows of audio and video; None for what suits the model.
            overlap: Seconds that neighboring windows share.
            replace: Whether to delete documents that the store made of the same files before, when they were different
                or were divided differently. Files that are not among `media` or of which a chunk cannot be embedded
                keep their documents, and so do all files where `metadata` names a `source` of its own. Documents with
                ids of your own or of `index()` stay in any case, and what they hold is not added again.
            on_error: As for `MediaParser`; with `named`, the error comes when the rest is in the store. `failed` has
                what was left out.
            encoding: Of the text and HTML files, for example `cp1250`; None detects it file by file.
            ocr: Pictures whose words are read too, as for `MediaParser`.
            pages: What becomes of pages of a PDF, as for `MediaParser`.

        Returns:
            The ids of the documents, made from content, place and source: adding the same again changes nothing.

        Raises:
            AddError: If a file that is named cannot be read, unless `on_error` is `skip`.
            MediaError: With `on_error="raise"`; what came before it is in the store.
        """
        embeddings = self._media_embeddings()
        shown = bool(getattr(embeddings, "show_progress", False))
        parser = MediaParser(
            embeddings=embeddings,
            seconds=seconds,
            overlap=overlap,
            on_error=on_error,
            encoding=encoding,
            ocr=ocr,
            pages=pages,
            show_progress=shown,
        )
        self.failed = parser.failed
        try:
            return self._writer.add_media(media, parser.loader, embeddings, metadata=metadata, replace=replace)
        finally:
            parser.warn_of_failed()

    async def aadd_images(
        self,
        uris: Sequence[Any],
        metadatas: list[dict[str, Any]] | None = None,
        ids: list[str] | None = None,
        *,
        on_error: OnInputError = "named",
    ) -> list[str]:
        """Run `add_images` off the event loop."""
        return await in_thread(lambda: self.add_images(uris, metadatas, ids, on_error=on_error))

    async def aadd_media(self, media: Any, metadata: dict[str, Any] | None = None, **options: Any) -> list[str]:
        """Run `add_media` off the event loop; its options are those of `add_media`."""
        return await in_thread(lambda: self.add_media(media, metadata, **options))

    def similarity_search_by_image_with_relevance_score(
        self,
        uri: Any,
        k: int = 4,
        filter: Where = None,  # noqa: A002
        **kwargs: Any,
    ) -> Pairs:
        """Search as `similarity_search_by_image` does, and return relevance scores, of which larger is closer.

        They are those of `similarity_search_with_relevance_scores`. `Chroma` 1.1's method of this name always raises.
        """
        relevance = self._select_relevance_score_fn()
        results = self._search_by_media("image", uri, k, filter, **kwargs)
        return [(document, relevance(distance)) for document, distance in results]

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return documents by their ids, also those without metadata, on which `Chroma` 1.1 raises.

        Args:
            ids: Ids of documents; ids that are not in the store are left out.

        Returns:
            The documents, in no certain order.
        """
        if not ids:
            return []
        stored = self.get(ids=list(ids))
        records = zip(stored["documents"], stored["ids"], stored["metadatas"], strict=True)
        return [Document(text, id=key, metadata=metadata or {}) for text, key, metadata in records if text is not None]

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> None:
        """Delete documents by their ids, as in `Chroma`; an empty list deletes nothing."""
        if ids != []:
            super().delete(ids, **kwargs)

    @classmethod
    def from_texts(cls, texts: list[str], embedding: Embeddings | None = None, *arguments: Any, **options: Any) -> Self:
        """Create a store of texts; arguments are those of `Chroma.from_texts`."""
        return cast(Self, super().from_texts(texts, embedding, *arguments, **options))

    @classmethod
    def from_documents(
        cls, documents: list[Document], embedding: Embeddings | None = None, *arguments: Any, **options: Any
    ) -> Self:
        """Create a store of documents; arguments are those of `Chroma.from_documents`."""
        return cast(Self, super().from_documents(documents, embedding, *arguments, **options))

    def fork(self, new_name: str) -> SenseweaveChroma:
        """Return a store over a fork of the collection under another name, as in `Chroma`."""
        forked = super().fork(new_name)
        return type(self)(forked._collection_name, self._embedding_function, client=self._client)

    def _search_by_media(self, modality: Modality, uri: Any, k: int, where: Where, **kwargs: Any) -> Pairs:
        """Return documents with their distances, nearest first.

        Raises:
            ValueError: If the condition is larger than Chroma answers in one query.
        """
        check_filter_size(where, filter_parts, listed_values, one_query=True)
        embeddings = self._media_embeddings()
        media = media_from(modality, uri, policy=embeddings.media_policy)
        vector = embeddings.embed_media([media], role="query")[0]
        return self.similarity_search_by_vector_with_relevance_scores(vector, k, where, **kwargs)

    def _media_embeddings(self) -> MediaEmbeddings:
        """Return the store's embeddings, having checked that they embed media."""
        if not isinstance(self._embedding_function, MediaEmbeddings):
            kind = type(self._embedding_function).__name__
            msg = f"{kind} embeds text alone; pass SenseweaveEmbeddings to the store to add or search by media"
            raise TypeError(msg)
        return self._embedding_function

    def _write(self, documents: Mapping[str, Document], on_error: OnInputError, *, update: bool = False) -> None:
        """Embed documents by id, write those that can be embedded, and say which could not."""
        check_choice("on_error", on_error, ("named", "raise", "skip"))
        self.failed = []
        written = self._embed(documents, None if on_error == "raise" else self.failed)
        self._writer.write(written, update=update)
        if on_error == "named":
            raise_failed(self.failed, len(written))
        elif self.failed:
            warnings.warn(failure_summary(self.failed), UserWarning, stacklevel=3)

    def _embed(self, documents: Mapping[str, Document], failed: list[MediaError] | None) -> list[Record]:
        """Return the records of documents by id; media without a description get that of the model."""
        embeddings = self._media_embeddings()
        given = list(documents.values())
        read = partial(media_from_document, policy=embeddings.media_policy)
        media = read_each(read, given, on_error="skip")
        texts, metadata = [document.page_content for document in given], [document.metadata for document in given]
        return embed_documents(list(documents), media, texts, metadata, embeddings, failed)


def _align(
    metadatas: Sequence[dict[str, Any]] | None, ids: Sequence[str | None] | None, count: int
) -> tuple[list[dict[str, Any]], Sequence[str | None]]:
    """Return metadata (empty for the last items, where there are fewer) and an id or None for each item.

    Raises:
        ValueError: If there are more metadata than items, or ids, but not as many as items.
    """
    records = [dict(record or {}) for record in metadatas or ()]
    if len(records) > count:
        msg = f"there are {count} items, but {len(records)} metadatas; pass at most one for each item"
        raise ValueError(msg)
    if ids is not None and len(ids) != count:
        msg = f"there are {count} items, but {len(ids)} ids; pass an id for each item, or no ids"
        raise ValueError(msg)
    return records + [{} for _ in range(count - len(records))], ids if ids is not None else [None] * count


def _is_text(metadata: Mapping[str, Any]) -> bool:
    return read_metadata(metadata).modality == "text"
