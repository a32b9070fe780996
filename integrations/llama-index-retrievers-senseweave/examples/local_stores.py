"""Completes two local stores: a LanceDB that deletes files, and a Qdrant that is refreshed asynchronously.

pip install "llama-index-retrievers-senseweave[starter]"
pip install llama-index-vector-stores-lancedb llama-index-vector-stores-qdrant
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class InThreads:
    """The asynchronous twin of a local Qdrant client, which alone may open its folder or its memory.

    `QdrantVectorStore(client=client, aclient=InThreads(client), collection_name=...)`; a client of a folder has to be
    made with `force_disable_check_same_thread=True`.
    """

    def __init__(self, client: Any) -> None:
        """Call the methods of a client in threads."""
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a method of the client as a coroutine function."""
        method = getattr(self._client, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await asyncio.to_thread(method, *args, **kwargs)

        return call


def deleting_lance_store(**options: Any) -> Any:
    """Return a `LanceDBVectorStore` that deletes; LlamaIndex's own puts ids in the quotes of SQL's column names."""
    from llama_index.vector_stores.lancedb import LanceDBVectorStore

    class DeletingLanceStore(LanceDBVectorStore):
        def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
            self.table.delete(f"{self.doc_id_key} = {_quoted(ref_doc_id)}")

        def delete_nodes(self, node_ids: list[str], **delete_kwargs: Any) -> None:
            self.table.delete(f"id in ({', '.join(map(_quoted, node_ids))})")

    return DeletingLanceStore(**options)


def _quoted(value: str) -> str:
    """Return a string of SQL."""
    return "'" + value.replace("'", "''") + "'"
