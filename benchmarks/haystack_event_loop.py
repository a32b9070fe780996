"""How long Haystack's `Pipeline.run_async` holds up its event loop: eight questions at once, model loaded or not.

    python benchmarks/haystack_event_loop.py

A heartbeat wakes every millisecond; the longest time between two beats, less that millisecond, is the longest stall.
What is left once the model is loaded is mostly Haystack itself, which copies the embedding of a query number by number.
"""

import argparse
import asyncio
import os
import tempfile
import time

os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")  # its first message runs a subprocess on the event loop

from haystack import Document, Pipeline
from haystack_integrations.components.builders.senseweave import MultimodalPromptBuilder
from haystack_integrations.components.embedders.senseweave import SenseweaveDocumentEmbedder, SenseweaveTextEmbedder
from haystack_integrations.components.retrievers.senseweave import SenseweaveChromaRetriever
from haystack_integrations.document_stores.chroma import ChromaDocumentStore

BEAT = 0.001
QUESTIONS = 8


async def heartbeat(longest: list[float]) -> None:
    """Keep the longest stall in `longest[0]`, in seconds."""
    before = time.perf_counter()
    while True:
        await asyncio.sleep(BEAT)
        now = time.perf_counter()
        longest[0] = max(longest[0], now - before - BEAT)
        before = now


async def idle(seconds: float) -> float:
    """Return the longest stall in seconds while no question is asked: what the machine itself adds."""
    longest = [0.0]
    beating = asyncio.create_task(heartbeat(longest))
    await asyncio.sleep(seconds)
    beating.cancel()
    return longest[0]


async def ask_together(pipeline: Pipeline, questions: list[str]) -> tuple[float, float]:
    """Ask all questions at once; return the seconds it took and the longest stall in seconds."""
    longest = [0.0]
    beating = asyncio.create_task(heartbeat(longest))
    await asyncio.sleep(10 * BEAT)
    start = time.perf_counter()
    await asyncio.gather(*(pipeline.run_async(inputs(question)) for question in questions))
    seconds = time.perf_counter() - start
    beating.cancel()
    return seconds, longest[0]


def inputs(question: str) -> dict[str, dict[str, str]]:
    """Return the inputs of the pipeline for a question."""
    return {"embedder": {"text": question}, "prompt": {"query": question}}


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--documents", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        store = ChromaDocumentStore(collection_name="benchmark", persist_path=folder, distance_function="cosine")
        documents = [
            Document(content=f"Room {i} is on floor {i % 9} of house {i % 37}.") for i in range(given.documents)
        ]
        writing = SenseweaveDocumentEmbedder()
        store.write_documents(writing.run(documents=documents)["documents"])
        writing.close()
        store.close()

        pipeline = Pipeline()
        pipeline.add_component("embedder", SenseweaveTextEmbedder())
        pipeline.add_component("retriever", SenseweaveChromaRetriever(document_store=store))
        pipeline.add_component("prompt", MultimodalPromptBuilder(modalities=["text"]))
        pipeline.connect("embedder.embedding", "retriever.query_embedding")
        pipeline.connect("retriever.documents", "prompt.documents")

        print(f"nothing asked for a second: longest stall {1000 * asyncio.run(idle(1.0)):.1f} ms")
        cases = ["first use: opens the store and loads the model", *["model loaded"] * given.rounds]
        for number, case in enumerate(cases):
            questions = [f"Which room is on floor {i} of house {number}?" for i in range(QUESTIONS)]
            seconds, stall = asyncio.run(ask_together(pipeline, questions))
            print(f"{QUESTIONS} at once, {case}: {1000 * seconds:.0f} ms in all, longest stall {1000 * stall:.1f} ms")
        start = time.perf_counter()
        for i in range(QUESTIONS):
            pipeline.run(inputs(f"Which room is on floor {i} of house {len(cases)}?"))
        print(f"{QUESTIONS} one after the other with run: {1000 * (time.perf_counter() - start):.0f} ms in all")


if __name__ == "__main__":
    main()
