"""Hybrid retrieval: words by BM25 and meaning by senseweave, joined by rank; runs offline.

python hybrid.py "error E18"

Transcripts and image labels are the content of recordings and photographs, so that both sides see every modality.
"""

import argparse

from haystack import Pipeline
from haystack.components.joiners import DocumentJoiner
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import DuplicatePolicy
from haystack_integrations.components.converters.senseweave import MediaToDocument
from haystack_integrations.components.embedders.senseweave import SenseweaveDocumentEmbedder, SenseweaveTextEmbedder
from haystack_integrations.components.retrievers.senseweave import SenseweaveChromaRetriever
from haystack_integrations.document_stores.chroma import ChromaDocumentStore

from senseweave.demo.corpus import corpus_folder


def index(chroma: ChromaDocumentStore, words: InMemoryDocumentStore, sources: list[str]) -> None:
    """Write the Documents of files and folders into both stores."""
    pipeline = Pipeline()
    pipeline.add_component("converter", MediaToDocument(describe_with="starter"))
    pipeline.add_component("embedder", SenseweaveDocumentEmbedder())
    pipeline.add_component("to_chroma", DocumentWriter(chroma, policy=DuplicatePolicy.SKIP))
    pipeline.add_component("to_words", DocumentWriter(words, policy=DuplicatePolicy.SKIP))
    pipeline.connect("converter.documents", "embedder.documents")
    pipeline.connect("embedder.documents", "to_chroma.documents")
    pipeline.connect("embedder.documents", "to_words.documents")
    pipeline.run({"converter": {"sources": sources}})


def hybrid(chroma: ChromaDocumentStore, words: InMemoryDocumentStore) -> Pipeline:
    """A pipeline that asks both stores and joins their rankings."""
    pipeline = Pipeline()
    pipeline.add_component("embedder", SenseweaveTextEmbedder())
    pipeline.add_component("by_meaning", SenseweaveChromaRetriever(document_store=chroma))
    pipeline.add_component("by_words", InMemoryBM25Retriever(words))
    pipeline.add_component("joiner", DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=3))
    pipeline.connect("embedder.embedding", "by_meaning.query_embedding")
    pipeline.connect("by_meaning.documents", "joiner.documents")
    pipeline.connect("by_words.documents", "joiner.documents")
    return pipeline


def main(arguments: list[str] | None = None) -> None:
    """Index the sample corpus and print the three best Documents."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("question", nargs="?", default="What does error E18 mean?")
    parser.add_argument("sources", nargs="*", help="files and folders; the sample corpus if there are none")
    given = parser.parse_args(arguments)

    chroma = ChromaDocumentStore(collection_name="hybrid", distance_function="cosine")
    words = InMemoryDocumentStore()
    index(chroma, words, given.sources or [str(corpus_folder())])
    result = hybrid(chroma, words).run({"embedder": {"text": given.question}, "by_words": {"query": given.question}})
    for document in result["joiner"]["documents"]:
        said = " ".join(document.content.split())[:70]
        print(document.meta["modality"], document.meta["file_path"].rpartition("/")[2], said)


if __name__ == "__main__":
    main()
