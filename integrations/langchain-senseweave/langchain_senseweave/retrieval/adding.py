"""Add documents of media to any vector store: their vectors are made of the media, not of their captions."""

from __future__ import annotations

import copy
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from inspect import signature
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from langchain_senseweave.embeddings.base import MediaEmbeddings
from langchain_senseweave.items import media_from_document
from senseweave.interop import (
    MediaError,
    OnInputError,
    check_choice,
    embed_documents,
    failure_summary,
    in_thread,
    placed_among,
    raise_failed,
    read_each,
)


def add_media_documents(
    store: VectorStore,
    documents: Sequence[Document],
    *,
    batch_size: int = 64,
    on_error: OnInputError = "named",
    **options: Any,
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
        on_error: `named` raises for a document whose file cannot be embedded when the others are in the store, `raise`
            at once; `skip` leaves it out with a warning.
        **options: Further arguments of the store's `add_documents`.

    Returns:
        The ids, as the store returns them.

    Raises:
        TypeError: If the store's embeddings embed text alone, or cannot be told from its attributes.
        AddError: If the file of a document cannot be embedded, unless `on_error` says otherwise.
    """
    check_choice("on_error", on_error, ("named", "raise", "skip"))
    _media_embeddings(store)
    if hasattr(store, "add_media"):  # a store of this package embeds media itself
        return store.add_documents(list(documents), on_error=on_error, **options)
    ids, failed = list[str](), list[MediaError]()
    for batch, prepared in _batches(store, documents, batch_size, failed, on_error):
        ids += _add(store, batch, prepared, options)
    _tell(failed, len(ids), on_error)
    return ids


async def aadd_media_documents(
    store: VectorStore,
    documents: Sequence[Document],
    *,
    batch_size: int = 64,
    on_error: OnInputError = "named",
    **options: Any,
) -> list[str]:
    """Run `add_media_documents` off the event loop; a store in async mode is added to by its own async method."""
    if not getattr(store, "async_mode", False):
        add_all = partial(add_media_documents, batch_size=batch_size, on_error=on_error, **options)
        return await in_thread(add_all, store, documents)
    check_choice("on_error", on_error, ("named", "raise", "skip"))
    ids, failed = list[str](), list[MediaError]()
    batches = _batches(store, documents, batch_size, failed, on_error)
    add: Any = getattr(store, "aadd_embeddings")  # noqa: B009 - not a method of every store
    while (made := await in_thread(next, batches, None)) is not None:
        ids += await add(**_texts_and_vectors(*made), **options)
    _tell(failed, len(ids), on_error)
    return ids


def _tell(failed: list[MediaError], added: int, on_error: OnInputError) -> None:
    """Raise or warn for documents that could not be embedded, when the others are in the store."""
    if on_error == "named":
        raise_failed(failed, added)
    elif failed:
        warnings.warn(failure_summary(failed), UserWarning, stacklevel=3)


def _batches(
    store: VectorStore, documents: Sequence[Document], batch_size: int, failed: list[MediaError], on_error: OnInputError
) -> Iterator[tuple[list[Document], Prepared]]:
    """Yield documents that can be embedded, with their vectors; the errors of others are put into `failed`, or raised.

    Raises:
        MediaError: With `on_error="raise"`, for the first of them.
    """
    embeddings = _media_embeddings(store)
    for start in range(0, len(documents), batch_size):
        batch = documents[start : start + batch_size]
        texts, metadata = [document.page_content for document in batch], [document.metadata for document in batch]
        media = read_each(partial(media_from_document, policy=embeddings.media_policy), batch, on_error="skip")
        places = [str(at) for at in range(len(batch))]
        held = list[MediaError]()
        with placed_among(range(start, start + len(batch)), len(documents)):
            records = embed_documents(places, media, texts, metadata, embeddings, None if on_error == "raise" else held)
        failed += [error.at(start + (error.position or 0), len(documents)) for error in held]
        made = [batch[int(record.id)].model_copy(update={"page_content": record.text}) for record in records]
        if made:
            yield made, Prepared((record.text, record.vector.tolist()) for record in records)


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


def _media_embeddings(store: VectorStore) -> MediaEmbeddings:
    """Return the store's embeddings.

    Raises:
        TypeError: If they embed text alone.
    """
    if not isinstance(store.embeddings, MediaEmbeddings):
        msg = f"the embeddings of {type(store).__name__} embed text alone; give the store SenseweaveEmbeddings"
        raise TypeError(msg)
    return store.embeddings


def _add(store: VectorStore, documents: list[Document], prepared: Prepared, options: dict[str, Any]) -> list[str]:
    """Add documents with their vectors, and return their ids as the store returns them.

    A store that takes no vectors is copied, and the copy given embeddings that know them: its client and its data are
    the store's own, and threads that use the store meanwhile see its own embeddings.
    """
    method: Any = getattr(store, "add_embeddings", None)
    if method is not None and {"texts", "embeddings", "metadatas", "ids"} <= set(signature(method).parameters):
        added: list[str] = method(**_texts_and_vectors(documents, prepared), **options)
        return added
    names = [name for name, value in vars(store).items() if value is store.embeddings]
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


def _texts_and_vectors(documents: list[Document], prepared: Prepared) -> dict[str, Any]:
    """Return the arguments by which stores such as those of PostgreSQL are given vectors."""
    texts, ids = [document.page_content for document in documents], [document.id for document in documents]
    return {
        "texts": texts,
        "embeddings": prepared.embed_documents(texts),
        "metadatas": [document.metadata for document in documents],
        "ids": ids if any(ids) else None,
    }
