"""Tune an embedding model on questions and answers in LlamaIndex's shape, and use it like any other.

    python finetune_engine.py

Runs offline on the starter's text model, in about a minute.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from llama_index.core import VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.embeddings.senseweave import SenseweaveFinetuneEngine

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
    engine = SenseweaveFinetuneEngine(ROWS, model_id=model, model_output_path=folder, **options)
    engine.finetune()
    print(engine.report)
    index = VectorStoreIndex([TextNode(text=text) for _, text in ROWS], embed_model=engine.get_finetuned_model())
    found = index.as_retriever(similarity_top_k=1).retrieve("the whale cries")
    print(found[0].score, found[0].text)
    return found[0].text


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary) / "tuned", epochs=6, batch_size=16, learning_rate=1e-4)
