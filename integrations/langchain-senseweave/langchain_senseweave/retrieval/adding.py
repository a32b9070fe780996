"""Add documents of media to any vector store: their vectors are made of the media, not of their captions."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from langchain_senseweave.embeddings.base import MediaEmbeddings
from langchain_senseweave.items import media_from_document
from senseweave.interop import MediaError, embed_documents, in_thread, raise_failed, read_each


def add_media_documents(
    store: VectorStore, documents: Sequence[Document], *, batch_size: int = 64, **options: Any
) -> list[str]:
    """Add documents to a vector store, those of images, audio and video by what they show and say.

    `add_documents` of most stores embeds the `page_content` of a document, which is the caption of media. This embeds
    the file that `source` names, and hands its vector to the store's own `add_documents`. Media without a description
    get that of the model.

    ```python
    add_media_documents(store, MediaLoader(["photos/"], embeddings=store.embeddings, describe=False).load())
    ```

    Args:
        store: A store whose `embeddings` are `SenseweaveEmbeddings` or other `MediaEmbeddings`.
        documents: Documents of `MediaLoader`, or any others; without an id they get one from the store.
        batch_size: Documents that are embedded and added at a time.
        **options: Further arguments of the store's `add_documents`.

    Returns:
        The ids, as the store returns them.

    Raises:
        TypeError: If the store's embeddings embed text alone, or cannot be told from its attributes.
        AddError: If the file of a document cannot be read; the other documents are in the store.
    """
    embeddings = store.embeddings
    if not isinstance(embeddings, MediaEmbeddings):
        msg = f"the embeddings of {type(store).__name__} embed text alone; give the store SenseweaveEmbeddings"
        raise TypeError(msg)
    if hasattr(store, "add_media"):  # a store of this package embeds media itself
        return store.add_documents(list(documents), **options)
    ids, failed = list[str](), list[MediaError]()
    for start in range(0, len(documents), batch_size):
        batch = documents[start : start + batch_size]
        texts, metadata = [document.page_content for document in batch], [document.metadata for document in batch]
        media = read_each(partial(media_from_document, policy=embeddings.media_policy), batch, on_error="skip")
        places = [str(at) for at in range(len(batch))]
        records = embed_documents(places, media, texts, metadata, embeddings, failed)
        made = [batch[int(record.id)].model_copy(update={"page_content": record.text}) for record in records]
        prepared = Prepared((record.text, record.vector.tolist()) for record in records)
        ids += _with_embeddings(store, embeddings, prepared, made, options)
    raise_failed(failed, len(ids))
    return ids


async def aadd_media_documents(
    store: VectorStore, documents: Sequence[Document], *, batch_size: int = 64, **options: Any
) -> list[str]:
    """Run `add_media_documents` off the event loop."""
    return await in_thread(lambda: add_media_documents(store, documents, batch_size=batch_size, **options))


class Prepared(Embeddings):
    """Vectors that are made already, by the texts that a store asks for; equal texts take theirs in turn."""

    def __init__(self, vectors: Iterable[tuple[str, list[float]]]) -> None:
        """Hold texts with their vectors."""
        self._vectors: dict[str, deque[list[float]]] = {}
        for text, vector in vectors:
            self._vectors.setdefault(text, deque()).append(vector)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of texts."""
        found = []
        for text in texts:
            found.append(self._vectors[text][0])
            self._vectors[text].rotate(-1)
        return found

    def embed_query(self, text: str) -> list[float]:
        """Return any vector: some stores embed a text to learn the dimension."""
        del text
        return next(iter(self._vectors.values()))[0]


def _with_embeddings(
    store: VectorStore, embeddings: Embeddings, prepared: Prepared, documents: list[Document], options: dict[str, Any]
) -> list[str]:
    """Add documents by a copy of the store that holds other embeddings; its client and its data are the store's own.

    Threads that use the store meanwhile see its own embeddings.
    """
    names = [name for name, value in vars(store).items() if value is embeddings]
    if not names:
        msg = (
            f"{type(store).__name__} does not hold its embeddings as an attribute; add media by the store's own methods"
        )
        raise TypeError(msg)
    writer = copy.copy(store)
    vars(writer).update(dict.fromkeys(names, prepared))
    before = dict(vars(writer))
    ids = writer.add_documents(documents, **options)
    changed = {name: value for name, value in vars(writer).items() if before.get(name) is not value}
    vars(store).update(changed)
    return ids
