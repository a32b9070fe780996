"""Questions that retrievers are asked at once are embedded in a few batches."""

import asyncio
import time

import pytest

from langchain_senseweave import SenseweaveChroma, SenseweaveEmbeddings, SenseweaveRetriever
from senseweave import Index, Text
from senseweave.testing.toys import toy_space

NOTES = [f"note {n} of the harbor" for n in range(12)]
QUESTIONS = [f"where is {n} in the harbor, asks client {n}" for n in range(32)]


@pytest.fixture
def space():
    return toy_space(modalities=("text",))


@pytest.fixture(params=["index", "store"])
def retriever(request, space, tmp_path):
    if request.param == "index":
        index = Index(tmp_path / "index", spaces=[space])
        index.add([Text(note, source=f"/notes/{n}") for n, note in enumerate(NOTES)])
        yield SenseweaveRetriever(index=index, k=3)
        index.close()
    else:
        store = SenseweaveChroma(
            "at-once", SenseweaveEmbeddings(model=space), persist_directory=str(tmp_path / "store")
        )
        store.add_texts(NOTES)
        yield SenseweaveRetriever(vector_stores=[store], k=3)


def test_questions_at_once_are_embedded_in_a_few_batches(retriever, space, monkeypatch):
    alone = [[document.page_content for document in retriever.invoke(question)] for question in QUESTIONS]
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
        return await asyncio.gather(*(retriever.ainvoke(question) for question in QUESTIONS))

    assert [[document.page_content for document in found] for found in asyncio.run(ask())] == alone
    assert sum(batches) == len(QUESTIONS)
    assert len(batches) <= 12
