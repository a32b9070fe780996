"""The asynchronous methods of LangChain's stores in senseweave's threads, rather than the event loop's own few."""

from __future__ import annotations

from typing import Any, Self

from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore

from senseweave.interop import in_thread


class OffLoop(VectorStore):
    """A store whose methods are synchronous; LangChain runs them in the event loop's default executor.

    Arguments and results are those of the methods of the same names without `a`.
    """

    @classmethod
    async def afrom_texts(cls, *args: Any, **kwargs: Any) -> Self:
        """Run `from_texts` off the event loop."""
        return await in_thread(cls.from_texts, *args, **kwargs)

    async def aadd_texts(self, *args: Any, **kwargs: Any) -> list[str]:
        """Run `add_texts` off the event loop."""
        return await in_thread(self.add_texts, *args, **kwargs)

    async def aadd_documents(self, *args: Any, **kwargs: Any) -> list[str]:
        """Run `add_documents` off the event loop."""
        return await in_thread(self.add_documents, *args, **kwargs)

    async def adelete(self, *args: Any, **kwargs: Any) -> bool | None:
        """Run `delete` off the event loop."""
        return await in_thread(self.delete, *args, **kwargs)

    async def aget_by_ids(self, *args: Any, **kwargs: Any) -> list[Document]:
        """Run `get_by_ids` off the event loop."""
        return await in_thread(self.get_by_ids, *args, **kwargs)

    async def asimilarity_search(self, *args: Any, **kwargs: Any) -> list[Document]:
        """Run `similarity_search` off the event loop."""
        return await in_thread(self.similarity_search, *args, **kwargs)

    async def asimilarity_search_by_vector(self, *args: Any, **kwargs: Any) -> list[Document]:
        """Run `similarity_search_by_vector` off the event loop."""
        return await in_thread(self.similarity_search_by_vector, *args, **kwargs)

    async def asimilarity_search_with_score(self, *args: Any, **kwargs: Any) -> list[tuple[Document, float]]:
        """Run `similarity_search_with_score` off the event loop."""
        return await in_thread(self.similarity_search_with_score, *args, **kwargs)

    async def amax_marginal_relevance_search(self, *args: Any, **kwargs: Any) -> list[Document]:
        """Run `max_marginal_relevance_search` off the event loop."""
        return await in_thread(self.max_marginal_relevance_search, *args, **kwargs)

    async def amax_marginal_relevance_search_by_vector(self, *args: Any, **kwargs: Any) -> list[Document]:
        """Run `max_marginal_relevance_search_by_vector` off the event loop."""
        return await in_thread(self.max_marginal_relevance_search_by_vector, *args, **kwargs)
