"""Questions that a retriever of an index is asked at once are embedded in a few batches."""

import asyncio
import time

from haystack_integrations.components.retrievers.senseweave import SenseweaveMultimodalRetriever

import senseweave as sw
from senseweave.testing.toys import toy_space

NOTES = [f"note {n} of the harbor" for n in range(12)]
QUESTIONS = [f"where is {n} in the harbor, asks client {n}" for n in range(32)]


def contents(result):
    return [document.content for document in result["documents"]]


def test_questions_at_once_are_embedded_in_a_few_batches(tmp_path, monkeypatch):
    space = toy_space(modalities=("text",))
    index = sw.Index(tmp_path / "index", spaces=[space])
    index.add([sw.Text(note, source=f"/notes/{n}") for n, note in enumerate(NOTES)])
    retriever = SenseweaveMultimodalRetriever(index=index, top_k=3)
    alone = [contents(retriever.run(query=question)) for question in QUESTIONS]
    assert all(len(found) == 3 for found in alone)
    space.close()  # forgets vectors
    batches, encoder = [], space.encoder("text")
    forward = encoder.forward

    def slow(batch):
        batches.append(len(batch))
        time.sleep(0.05)  # while the others come
        return forward(batch)

    monkeypatch.setattr(encoder, "forward", slow)
    monkeypatch.setattr(encoder, "batch_budget", 1000)

    async def ask():
        return await asyncio.gather(*(retriever.run_async(query=question) for question in QUESTIONS))

    assert [contents(result) for result in asyncio.run(ask())] == alone
    assert sum(batches) == len(QUESTIONS)
    assert len(batches) <= 12
    index.close()
