"""Tune an embedding model on questions and answers, and use the saved folder by its name in LangChain.

    python finetuned_model.py

Runs offline on the starter's text model, in about a minute.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from langchain_core.vectorstores import InMemoryVectorStore

import senseweave as sw
from langchain_senseweave import SenseweaveEmbeddings

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
    store = InMemoryVectorStore(SenseweaveEmbeddings(model=str(folder)))
    store.add_texts([text for _, text in ROWS])
    ((document, score),) = store.similarity_search_with_score("the whale cries", k=1)
    print(score, document.page_content)
    return document.page_content


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary) / "tuned", epochs=6, batch_size=16, learning_rate=1e-4)
