"""Questions that retrievers are asked at once are embedded in a few batches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.embeddings.senseweave import SenseweaveEmbedding
from llama_index.retrievers.senseweave import SenseweaveRetriever

import senseweave as sw
from senseweave.testing.toys import toy_space

NOTES = [f"note {n} of the harbor" for n in range(12)]
QUESTIONS = [f"where is {n} in the harbor, asks client {n}" for n in range(32)]


@pytest.fixture
def space() -> sw.Space:
    return toy_space(modalities=("text",))


@pytest.fixture(params=["index", "store"])
def retriever(request: Any, space: sw.Space, tmp_path: Path) -> Iterator[SenseweaveRetriever]:
    if request.param == "index":
        with sw.Index(tmp_path / "index", spaces=[space]) as index:
            index.add([sw.Text(note, source=f"/notes/{n}") for n, note in enumerate(NOTES)])
            yield SenseweaveRetriever(index=index, similarity_top_k=3)
    else:
        nodes = [TextNode(text=note, id_=note) for note in NOTES]
        model = SenseweaveEmbedding(space=space)
        yield SenseweaveRetriever.from_defaults(nodes=nodes, embed_model=model, similarity_top_k=3)


def contents(found: list[NodeWithScore]) -> list[str]:
    return [hit.node.get_content() for hit in found]


def test_questions_at_once_are_embedded_in_a_few_batches(
    retriever: SenseweaveRetriever, space: sw.Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [contents(retriever.retrieve(question)) for question in QUESTIONS]
    assert all(len(found) == 3 for found in alone)
    space.close()  # forgets vectors
    encoder = space.encoder("text")
    batches: list[int] = []
    forward = encoder.forward

    def slow(batch: Sequence[Any]) -> Any:
        batches.append(len(batch))
        time.sleep(0.05)  # while the others come
        return forward(batch)

    monkeypatch.setattr(encoder, "forward", slow)
    monkeypatch.setattr(encoder, "batch_budget", 1000)

    async def ask() -> list[list[NodeWithScore]]:
        return await asyncio.gather(*(retriever.aretrieve(question) for question in QUESTIONS))

    assert [contents(found) for found in asyncio.run(ask())] == alone
    assert sum(batches) == len(QUESTIONS)
    assert len(batches) <= 12
