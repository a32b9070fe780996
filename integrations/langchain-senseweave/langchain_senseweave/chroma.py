"""`SenseweaveChroma`: LangChain's Chroma store, in which images, audio and video are embedded as what they are."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import Any, cast

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.runnables import run_in_executor

from langchain_senseweave.base import MediaEmbeddings
from langchain_senseweave.documents import content_of, document_from_media, media_from_document, media_of, modality_of
from langchain_senseweave.embeddings import SenseweaveEmbeddings
from langchain_senseweave.loaders import MediaParser, OnError
from langchain_senseweave.media_search import MediaSearch
from senseweave.errors import FingerprintError, MediaError, placed_among
from senseweave.media import Media, Modality
from senseweave.media.base import source_name

try:
    from langchain_chroma import Chroma
except ImportError as error:
    msg = 'SenseweaveChroma needs langchain-chroma; try: pip install "langchain-senseweave[chroma]"'
    raise ImportError(msg) from error

FINGERPRINT = "fingerprint"
"""Key of the collection's metadata that says whose vectors it holds."""

_TOGETHER = 64
"""Pieces that `add_media` embeds and writes at a time."""


class SenseweaveChroma(MediaSearch, Chroma):
    """Chroma for text, images, audio and video of one space.

    Documents whose metadata names another `modality` than text are embedded from the file that `source` names (and
    the span or page that they name), not from their `page_content`; all else is as in `Chroma`. The collection
    remembers the fingerprint of its space and refuses vectors of another.

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
        """Open a collection, or make it.

        Args:
            collection_name: Name of the collection.
            embedding_function: What embeds; `SenseweaveEmbeddings()` if None.
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
        self._check_fingerprint(given)

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add texts, or media where `metadatas` name another modality; `add_documents` comes here too.

        Args:
            texts: The texts, or the captions of media.
            metadatas: One per text, or fewer. `modality` and `source` decide what is embedded.
            ids: One per text; a new one where it is None. Of those with one id, the last is added.
            **kwargs: Ignored, as in `Chroma` (LangChain's `index` passes `batch_size`).

        Returns:
            The ids.

        Raises:
            MediaError: If the file of a document cannot be read; nothing is added then.
            ValueError: If there are more metadata than texts, or other than as many ids.
        """
        texts = list(texts)
        records: list[dict[str, Any]] = [dict(one or {}) for one in _padded(metadatas, len(texts))]
        named = [one if one is not None else str(uuid.uuid4()) for one in _named(ids, len(texts))]
        last = _last(named)
        kept, texts, records = [named[i] for i in last], [texts[i] for i in last], [records[i] for i in last]
        if all(modality_of(record) == "text" for record in records):
            super().add_texts(texts, records, kept, **kwargs)
        else:
            documents = [Document(page_content=text, metadata=one) for text, one in zip(texts, records, strict=True)]
            self._write(*self._embedded(documents), kept)
        return named

    def update_documents(self, ids: list[str], documents: list[Document]) -> None:
        """Replace documents; media are embedded from their files.

        Args:
            ids: Ids of the documents to replace.
            documents: What to put in their place.
        """
        if all(modality_of(document.metadata) == "text" for document in documents):
            super().update_documents(ids, documents)
        else:
            self._write(*self._embedded(documents), ids, update=True)

    def add_images(
        self,
        uris: Sequence[Any],
        metadatas: list[dict[str, Any]] | None = None,
        ids: list[str] | None = None,
    ) -> list[str]:
        """Add images. What is stored of them is a line of text and where they are, never their bytes.

        Args:
            uris: Paths, URLs, data URIs, bytes, PIL images or blobs.
            metadatas: One per image, or fewer.
            ids: One per image; made from source and content if None, so that adding twice changes nothing, and what
                an image was before its file changed stays (see `add_media`).

        Returns:
            The ids.

        Raises:
            MediaError: If an image cannot be read; nothing is added then.
            ValueError: If there are more metadata than images, or other than as many ids.
        """
        media = self._media("image", uris)
        records = _padded(metadatas, len(media))
        given = _named(ids, len(media))
        embedded = self._media_embeddings().embed_described(media)
        made = [
            document_from_media(one, words, metadata=record)
            for one, (_, words), record in zip(media, embedded, records, strict=True)
        ]
        named = [one or str(document.id) for one, document in zip(given, made, strict=True)]
        last = _last(named)
        self._write([made[i] for i in last], [embedded[i][0] for i in last], [named[i] for i in last])
        return named

    def add_media(
        self,
        media: Any,
        metadata: dict[str, Any] | None = None,
        *,
        seconds: float | None = None,
        overlap: float = 0.0,
        replace: bool = True,
        on_error: OnError = "raise",
    ) -> list[str]:
        """Add files, folders or media of any modality, a document per passage, image, page, window or segment.

        Args:
            media: One or several of: paths of files and folders, URLs, bytes, `senseweave` media.
            metadata: Flat values for all documents.
            seconds: Length of the windows of audio and video; None for what suits the model.
            overlap: Seconds that neighbouring windows share.
            replace: Whether documents that the store made of the same files before, when they were different or were
                cut differently, are deleted. Files that are not among `media` or of which a piece cannot be embedded
                keep theirs, and so do all where `metadata` names a `source` of its own.
            on_error: `raise`, or `skip` to leave out what cannot be read, with a warning that says why.

        Returns:
            The ids of the documents, made from source, content and place: adding the same again changes nothing.

        Raises:
            MediaError: If something cannot be read, unless `on_error` is `skip`; what came before it is in the store.
        """
        embeddings = self._media_embeddings()
        parser = MediaParser(embeddings=embeddings, seconds=seconds, overlap=overlap, on_error=on_error)
        added: dict[str, str] = {}
        incomplete: set[str] = set()
        pieces = parser.cut(media)
        while batch := list(islice(pieces, _TOGETHER)):
            able = [one for one in batch if one.modality in embeddings.modalities]
            for one in batch:
                if one.modality not in embeddings.modalities:
                    known = ", ".join(embeddings.modalities)
                    reason = f"is {one.modality}, which the model does not embed; it embeds: {known}"
                    parser.failed(MediaError(one.source, reason))
            embedded = parser.each(able, embeddings.embed_described)
            incomplete |= {source_name(one) for i, one in enumerate(able) if i not in embedded}
            fresh: dict[str, tuple[Document, list[float]]] = {}
            for i, (vector, words) in embedded.items():
                document = document_from_media(able[i], words, metadata=metadata)
                if document.id not in added:
                    fresh[str(document.id)] = document, vector
            self._write([one for one, _ in fresh.values()], [vector for _, vector in fresh.values()], list(fresh))
            added |= {identifier: document.metadata["source"] for identifier, (document, _) in fresh.items()}
        if replace and "source" not in (metadata or {}):
            self._delete_others_of(set(added.values()) - incomplete, added)
        return list(added)

    async def aadd_images(
        self,
        uris: Sequence[Any],
        metadatas: list[dict[str, Any]] | None = None,
        ids: list[str] | None = None,
    ) -> list[str]:
        """Like `add_images`, off the event loop."""
        return await run_in_executor(None, self.add_images, uris, metadatas, ids)

    async def aadd_media(
        self,
        media: Any,
        metadata: dict[str, Any] | None = None,
        *,
        seconds: float | None = None,
        overlap: float = 0.0,
        replace: bool = True,
        on_error: OnError = "raise",
    ) -> list[str]:
        """Like `add_media`, off the event loop."""
        options = {"seconds": seconds, "overlap": overlap, "replace": replace, "on_error": on_error}
        return await run_in_executor(None, lambda: self.add_media(media, metadata, **options))  # type: ignore[arg-type]

    def similarity_search_by_image_with_relevance_score(
        self,
        uri: Any,
        k: int = 4,
        filter: dict[str, Any] | None = None,  # noqa: A002
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """Like `similarity_search_by_image`, with relevance as in `similarity_search_with_relevance_scores`.

        Larger is closer. The method of this name in `Chroma` 1.1 always raises.
        """
        relevance = self._select_relevance_score_fn()
        found = self._by_media("image", uri, k, filter, **kwargs)
        return [(document, relevance(distance)) for document, distance in found]

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return documents by their ids, also those without metadata, on which `Chroma` 1.1 raises.

        Args:
            ids: Ids; those that are not in the store are left out.

        Returns:
            The documents, in no certain order.
        """
        found = self.get(ids=list(ids))
        rows = zip(found["ids"], found["documents"], found["metadatas"], strict=True)
        return [Document(text, id=one, metadata=record or {}) for one, text, record in rows if text is not None]

    def fork(self, new_name: str) -> SenseweaveChroma:
        """Fork the collection, as in `Chroma`.

        Args:
            new_name: Name of the fork.

        Returns:
            A store over the fork.
        """
        forked = super().fork(new_name)
        return type(self)(forked._collection_name, self._embedding_function, client=self._client)

    def _by_media(
        self, modality: Modality, uri: Any, k: int, where: dict[str, Any] | None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        vector = self._media_embeddings().embed_media(self._media(modality, [uri]), role="query")[0]
        return self.similarity_search_by_vector_with_relevance_scores(vector, k, where, **kwargs)

    def _media_embeddings(self) -> MediaEmbeddings:
        if not isinstance(self._embedding_function, MediaEmbeddings):
            kind = type(self._embedding_function).__name__
            msg = f"{kind} embeds text alone; give the store SenseweaveEmbeddings to add or search by media"
            raise TypeError(msg)
        return self._embedding_function

    def _media(self, modality: Modality, items: Sequence[Any]) -> list[Media]:
        if isinstance(items, (str, bytes)) or not isinstance(items, Sequence):
            msg = f"expected a list of items; put the single {type(items).__name__} into a list"
            raise TypeError(msg)
        policy = self._media_embeddings().media_policy
        return [media_of(modality, item, policy=policy) for item in items]

    def _embedded(self, documents: Sequence[Document]) -> tuple[list[Document], list[list[float]]]:
        """Return documents with their vectors, those that say nothing yet with what the model says of their media."""
        embeddings = self._media_embeddings()
        policy = embeddings.media_policy
        media = [media_from_document(document, policy=policy) for document in documents]
        silent = [i for i, one in enumerate(media) if one.modality != "text" and _says_nothing(documents[i], one)]
        others = [i for i in range(len(media)) if i not in set(silent)]
        with placed_among(silent, len(media)):
            described = dict(zip(silent, embeddings.embed_described([media[i] for i in silent]), strict=True))
        with placed_among(others, len(media)):
            made = dict(zip(others, embeddings.embed_media([media[i] for i in others]), strict=True))
        written = list(documents)
        for i, (vector, words) in described.items():
            made[i] = vector
            text = content_of(media[i], words, documents[i].metadata["source"])
            written[i] = documents[i].model_copy(update={"page_content": text})
        return written, [made[i] for i in range(len(media))]

    def _delete_others_of(self, sources: set[str], kept: Collection[str]) -> None:
        """Delete what `add_media` made of some sources, but for some ids; documents of other makers carry no hash."""
        size = self._client.get_max_batch_size()
        for source in sorted(sources):
            found = self._collection.get(where={"source": source}, include=["metadatas"])
            stale = [
                identifier
                for identifier, record in zip(found["ids"], found["metadatas"] or [], strict=True)
                if identifier not in kept and "sha256" in record
            ]
            for start in range(0, len(stale), size):
                self._collection.delete(ids=stale[start : start + size])

    def _write(
        self,
        documents: Sequence[Document],
        vectors: Sequence[Sequence[float]],
        ids: Sequence[str],
        *,
        update: bool = False,
    ) -> None:
        size = self._client.get_max_batch_size()
        write = self._collection.update if update else self._collection.upsert
        for start in range(0, len(ids), size):
            part = slice(start, start + size)
            write(
                ids=list(ids[part]),
                embeddings=list(vectors[part]),
                documents=[document.page_content for document in documents[part]],
                metadatas=cast(Any, [document.metadata or None for document in documents[part]]),
            )

    def _check_fingerprint(self, given: str | None) -> None:
        collection = self._collection
        known = dict(collection.metadata or {})
        expected = known.get(FINGERPRINT)
        if expected == given:
            return
        if expected is None and not collection.count():
            kept = {name: value for name, value in known.items() if not name.startswith("hnsw:")}
            collection.modify(metadata={**kept, FINGERPRINT: given})
            return
        raise FingerprintError(collection.name, str(expected or "unknown"), str(given or "unknown"))


def _named(ids: Sequence[str | None] | None, count: int) -> Sequence[str | None]:
    if ids is not None and len(ids) != count:
        msg = f"there are {count} items, but {len(ids)} ids; give one for each, or none"
        raise ValueError(msg)
    return ids if ids is not None else [None] * count


def _padded(metadatas: Sequence[dict[str, Any]] | None, count: int) -> list[dict[str, Any]]:
    records = list(metadatas or [])
    if len(records) > count:
        msg = f"there are {count} items, but {len(records)} metadatas; give at most one for each"
        raise ValueError(msg)
    return records + [{} for _ in range(count - len(records))]


def _last(ids: Sequence[str]) -> list[int]:
    """Return the last position of each id."""
    return list({identifier: position for position, identifier in enumerate(ids)}.values())


def _says_nothing(document: Document, media: Media) -> bool:
    """Whether the text of a document of media is empty, or only what the loader writes without a description."""
    return document.page_content.strip() in ("", content_of(media, None, document.metadata["source"]))
