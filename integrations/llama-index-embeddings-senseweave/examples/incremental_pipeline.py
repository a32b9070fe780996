"""An IngestionPipeline with a docstore: a second run embeds only what is new, and replaces what has changed.

    python incremental_pipeline.py FOLDER

Runs offline on the embedded starter model; give a folder of texts, images, recordings and videos.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import chromadb
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.embeddings.senseweave import MediaReader, SenseweaveEmbedding
from llama_index.vector_stores.chroma import ChromaVectorStore


def ingest(folder: Path, place: Path, embed_model: SenseweaveEmbedding) -> tuple[int, int]:
    """Bring the store in `place` up to date with `folder`; return how many nodes were embedded and are held."""
    client = chromadb.PersistentClient(str(place / "chroma"))
    collection = client.get_or_create_collection("media", configuration={"hnsw": {"space": "cosine"}})
    docstore_file = place / "docstore.json"
    docstore = SimpleDocumentStore()
    if docstore_file.exists():
        docstore = SimpleDocumentStore.from_persist_path(str(docstore_file))
    pipeline = IngestionPipeline(
        transformations=[embed_model],
        vector_store=ChromaVectorStore(chroma_collection=collection),
        docstore=docstore,
        docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
        disable_cache=True,
    )
    embedded = pipeline.run(nodes=MediaReader(embed_model=embed_model).load_data(folder))
    docstore.persist(str(docstore_file))
    return len(embedded), collection.count()


def main(folder: Path, place: Path) -> list[tuple[int, int]]:
    """Ingest a folder twice, and once more after a file was added."""
    embed_model = SenseweaveEmbedding()
    counts = [ingest(folder, place, embed_model) for _ in range(2)]
    (folder / "added.txt").write_text("A note that came later.")
    counts.append(ingest(folder, place, embed_model))
    (folder / "added.txt").unlink()
    counts.append(ingest(folder, place, embed_model))
    for what, (embedded, held) in zip(("first", "again", "one file more", "that file gone"), counts, strict=True):
        print(f"{what}: {embedded} nodes embedded, {held} in the store")
    return counts


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(sys.argv[1]), Path(temporary))
