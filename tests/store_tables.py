"""What works in each store of each framework: the tests hold the stores to it, and the READMEs' tables are made of it.

python tests/store_tables.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

INTEGRATIONS = Path(__file__).parents[1] / "integrations"
BEGIN, END = "<!-- table of stores: begin (tests/store_tables.py) -->", "<!-- table of stores: end -->"


@dataclass(frozen=True)
class LangChainStore:
    """A row of LangChain's table.

    Attributes:
        name: What the README calls the store.
        kinds: The stores that the tests make for it; none where it stands for classes that are not known.
        by_media: Whether it can be asked by images and sound.
        modalities: How the documents of some modalities are found: `yes`, by its own filter.
        filter: What it takes as a filter.
        deletes: Whether documents can be deleted and replaced.
        asynchronous: What is particular about async calls.
        calibrated: Whether similarities are estimated from its vectors.
        spread: Whether `diversity` has its vectors to compare.
        note: What else is particular about its vectors.
    """

    name: str
    kinds: tuple[str, ...] = ()
    by_media: bool = True
    modalities: str = "yes"
    filter: str = "the store's"
    deletes: str = "yes"
    asynchronous: str = "yes"
    calibrated: bool = True
    spread: bool = True
    note: str = ""

    def cells(self) -> list[str]:
        """Return the row as the README shows it."""
        calibrated = {(True, True): "yes", (False, True): "`diversity` alone", (False, False): "no"}
        shown = calibrated[self.calibrated, self.spread] + (f"; {self.note}" if self.note else "")
        asked = "yes" if self.by_media else "by text"
        return [self.name, asked, self.modalities, self.filter, self.deletes, self.asynchronous, shown]


@dataclass(frozen=True)
class LlamaIndexStore:
    """A row of LlamaIndex's table.

    Attributes:
        name: What the README calls the store.
        kinds: The stores that the tests make for it.
        filters: What it is asked for and what is tested on its answers.
        media_in_store: Whether it is asked for nodes of a modality that they name.
        texts_in_store: Whether it is asked for texts, which name no modality.
        calibrated: Whether similarities are estimated from its vectors.
        deletes: Whether files are deleted and refreshed, or why not.
        asynchronous: How it is asked off the event loop.
        own_async: The kinds that are asked in an asynchronous way of their own.
    """

    name: str
    kinds: tuple[str, ...]
    filters: str = "in the store"
    media_in_store: bool = True
    texts_in_store: bool = True
    calibrated: bool = False
    deletes: str = "yes"
    asynchronous: str = "in a thread"
    own_async: tuple[str, ...] = ()

    def cells(self) -> list[str]:
        """Return the row as the README shows it."""
        return [self.name, self.filters, "yes" if self.calibrated else "no", self.deletes, self.asynchronous]


@dataclass(frozen=True)
class HaystackStore:
    """A row of Haystack's table.

    Attributes:
        name: What the README calls the store.
        retriever: The retriever over it.
        kinds: The stores that the tests make for it.
        works: What of the tests' subjects works.
        asynchronous: How it is asked off the event loop.
        own_async: The kinds that have an asynchronous way of their own.
    """

    name: str
    retriever: str
    kinds: tuple[str, ...]
    works: str = "all"
    asynchronous: str = "its own"
    own_async: tuple[str, ...] = ()

    def cells(self) -> list[str]:
        """Return the row as the README shows it."""
        return [self.name, self.retriever, self.works, self.asynchronous]


LANGCHAIN = (
    LangChainStore(
        "`SenseweaveChroma`, `Chroma` on a folder or a server",
        ("chroma", "stock_chroma", "chroma_server"),
        filter="senseweave's or Chroma's",
    ),
    LangChainStore("`InMemoryVectorStore`", ("memory",), filter="a dict or a function"),
    LangChainStore("`FAISS` (langchain-community)", ("faiss",), filter="a dict or a function of the metadata"),
    LangChainStore("`QdrantVectorStore`", ("qdrant",), filter="`models.Filter`; ids are UUIDs"),
    LangChainStore(
        "`LanceDB` (langchain-community)",
        ("lancedb",),
        modalities="by asking for more",
        filter="SQL, such as `metadata.n = 1`",
        calibrated=False,
        spread=False,
        note="the first documents decide which metadata there are",
    ),
    LangChainStore(
        "`PGVector` (langchain-postgres)",
        ("pgvector",),
        filter='a dict, such as `{"n": {"$in": [1]}}`',
        asynchronous="yes, `async_mode` too",
        note="in `async_mode` no",
    ),
    LangChainStore(
        "`PGVectorStore` (langchain-postgres)",
        ("pgvector_table",),
        filter="a dict; ids are UUIDs",
        calibrated=False,
    ),
    LangChainStore(
        "others with `similarity_search_with_score_by_vector`",
        modalities="by asking for more, up to 10,000",
        deletes="the store's",
        calibrated=False,
        spread=False,
    ),
    LangChainStore(
        "others",
        by_media=False,
        modalities="by asking for 4 times as many",
        deletes="the store's",
        calibrated=False,
        spread=False,
    ),
)

LLAMA_INDEX = (
    LlamaIndexStore("Chroma, folder or server", ("chroma folder", "chroma server"), calibrated=True),
    LlamaIndexStore("`SimpleVectorStore`", ("simple",), filters="in the store, none nested", calibrated=True),
    LlamaIndexStore(
        "Qdrant",
        ("qdrant", "qdrant in threads"),
        asynchronous="with an `aclient`, else in a thread; a local one, which serves one client, is refreshed "
        "asynchronously with `InThreads` of `local_stores.py`",
        own_async=("qdrant in threads",),
    ),
    LlamaIndexStore(
        "FAISS, by inner product or distance",
        ("faiss", "faiss by distance"),
        filters="tested on what the store gives",
        media_in_store=False,
        texts_in_store=False,
        deletes="no: LlamaIndex's class deletes nothing; build it anew",
    ),
    LlamaIndexStore("`PGVectorStore` on PostgreSQL", ("pgvector",), asynchronous="its own", own_async=("pgvector",)),
    LlamaIndexStore(
        "LanceDB",
        ("lancedb", "lancedb that deletes"),
        filters="media in the store, unless its first nodes lacked the key; texts by sorting",
        texts_in_store=False,
        deletes="with `deleting_lance_store` of `local_stores.py`; LlamaIndex's class quotes ids as names of columns",
    ),
    LlamaIndexStore(
        "any other, such as SQL databases",
        ("unknown",),
        filters="media in the store; texts by sorting up to 4096 nearest nodes; all tested afterwards where a store "
        "refuses filters",
        texts_in_store=False,
        deletes="as the store does",
        asynchronous="as the store does",
    ),
)

HAYSTACK = (
    HaystackStore(
        "`ChromaDocumentStore`, in memory, in a folder or on a server",
        "`SenseweaveChromaRetriever`",
        ("chroma", "chroma folder", "chroma server"),
        asynchronous="in a thread",
    ),
    HaystackStore("`InMemoryDocumentStore`", "`InMemoryEmbeddingRetriever`", ("in memory",), own_async=("in memory",)),
    HaystackStore(
        "`QdrantDocumentStore`",
        "`QdrantEmbeddingRetriever`",
        ("qdrant", "qdrant folder"),
        works="all, with `return_embedding` for diversity and calibration, which are asked for",
        asynchronous="its own; a local one in a thread, since it serves one client",
    ),
    HaystackStore(
        "`PgvectorDocumentStore`",
        "`PgvectorEmbeddingRetriever`",
        ("pgvector",),
        works='all, with `vector_function="cosine_similarity"`',
        own_async=("pgvector",),
    ),
)

Store = LangChainStore | LlamaIndexStore | HaystackStore
S = TypeVar("S", LangChainStore, LlamaIndexStore, HaystackStore)
TABLES: dict[str, tuple[list[str], Sequence[Store]]] = {
    "langchain-senseweave": (
        [
            "store",
            "by text, image, audio",
            "only some modalities",
            "filter",
            "delete, replace",
            "async",
            "calibrated, `diversity`",
        ],
        LANGCHAIN,
    ),
    "llama-index-retrievers-senseweave": (
        ["store", "filters and modalities", "calibrated", "delete and refresh", "async"],
        LLAMA_INDEX,
    ),
    "senseweave-haystack": (["store", "retriever", "works", "async"], HAYSTACK),
}
"""The head and the rows of the table of each package."""


def kinds(rows: Sequence[Store]) -> list[str]:
    """Return the stores that the tests of a framework make."""
    return [kind for row in rows for kind in row.kinds]


def find_row(rows: Sequence[S], kind: str) -> S:
    """Return the row that a store of the tests stands in."""
    return next(row for row in rows if kind in row.kinds)


def render(package: str) -> str:
    """Return the table of a package."""
    head, rows = TABLES[package]
    lines = [head, ["---"] * len(head), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def replace(document: str, table: str) -> str:
    """Return a document with another table."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not after:
        raise LookupError(f"the document has no {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def readme(package: str) -> Path:
    """Return the README of a package."""
    return INTEGRATIONS / package / "README.md"


if __name__ == "__main__":
    for package in TABLES:
        text = readme(package).read_text(encoding="utf-8")
        readme(package).write_text(replace(text, render(package)), encoding="utf-8")
