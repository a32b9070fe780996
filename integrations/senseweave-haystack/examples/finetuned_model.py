"""Tune an embedding model on questions and answers, and use the saved folder by its name in Haystack.

    python finetuned_model.py

Runs offline on the starter's text model, in about a minute.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from haystack import Document, Pipeline
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.senseweave import SenseweaveDocumentEmbedder, SenseweaveTextEmbedder

import senseweave as sw

MACHINES = {
    "goose": "loading crane", "snake": "conveyor belt", "oven": "paint dryer", "mule": "forklift",
    "frog": "stamping press", "bee": "label printer", "whale": "water tank", "owl": "inspection camera",
}  # fmt: skip
"""What a plant calls its machines, and what its manuals call them."""
FAULTS = {
    "is dead": "does not start", "cries": "leaks oil", "is drunk": "moves unevenly", "has a fever": "is overheated",
    "sings": "makes a high noise", "is blind": "detects nothing", "is asleep": "has stopped", "spits": "loses material",
}  # fmt: skip
ROWS = [
    (f"the {machine} {fault}", f"The {name} {meaning}.")
    for machine, name in MACHINES.items()
    for fault, meaning in FAULTS.items()
]


def main(folder: Path, model: str = "starter", **options: Any) -> str:
    """Tune a model, search with it by the name of its folder, and return what was found."""
    tuned = sw.finetune(model, ROWS, **options)
    print(tuned.report)
    tuned.save(folder)
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    embedder = SenseweaveDocumentEmbedder(model=str(folder))
    store.write_documents(embedder.run([Document(content=text) for _, text in ROWS])["documents"])
    search = Pipeline()
    search.add_component("question", SenseweaveTextEmbedder(model=str(folder)))
    search.add_component("retriever", InMemoryEmbeddingRetriever(store, top_k=1))
    search.connect("question.embedding", "retriever.query_embedding")
    (document,) = search.run({"question": {"text": "the whale cries"}})["retriever"]["documents"]
    print(document.score, document.content)
    return str(document.content)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary) / "tuned", epochs=6, batch_size=16, learning_rate=1e-4)
