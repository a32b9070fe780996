"""Images, recordings and text in LlamaIndex's own VectorStoreIndex on Chroma, retrieved by text.

    python stock_index.py FOLDER "a question"

Runs offline on the embedded starter model.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import chromadb
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.schema import NodeWithScore
from llama_index.embeddings.senseweave import MediaReader, SenseweaveEmbedding
from llama_index.vector_stores.chroma import ChromaVectorStore


def main(folder: Path, question: str, place: Path) -> list[NodeWithScore]:
    """Index a folder, open the index again from its store, and ask it."""
    embed_model = SenseweaveEmbedding()
    client = chromadb.PersistentClient(str(place))
    collection = client.get_or_create_collection("media", configuration={"hnsw": {"space": "cosine"}})
    store = ChromaVectorStore(chroma_collection=collection)
    # Embedding comes first: an index by itself would embed the metadata of media nodes.
    nodes = embed_model(MediaReader(embed_model=embed_model).load_data(folder), show_progress=True)
    VectorStoreIndex(
        list(nodes), embed_model=embed_model, storage_context=StorageContext.from_defaults(vector_store=store)
    )

    index = VectorStoreIndex.from_vector_store(store, embed_model=embed_model)
    found = index.as_retriever(similarity_top_k=3).retrieve(question)
    for hit in found:
        print(f"{hit.score:.3f}  {hit.node.metadata['modality']}  {hit.node.metadata['source']}")
        print(f"       {[type(block).__name__ for block in hit.node.get_content_blocks()]}")
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(sys.argv[1]), sys.argv[2], Path(temporary))
