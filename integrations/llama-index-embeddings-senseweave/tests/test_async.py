"""Async equals sync, and never holds up the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.schema import TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.embeddings.senseweave import SenseweaveEmbedding, media_node

import senseweave as sw

KINDS = ("query", "text", "image", "audio", "video")
TEXTS = ["a red thing", "a low note", "a blue thing", "a green thing"]


class Gate:
    """Holds up whoever passes it in another thread until the event loop, if it still runs, opens it."""

    def __init__(self) -> None:
        self._opened = threading.Event()
        self.passed = 0

    def __call__(self) -> None:
        assert self._opened.wait(60), "the event loop stood still while a thread was at work"
        self.passed += 1

    async def opened_by(self, call: Any) -> Any:
        """Await `call`, opening the gate from the event loop once the call is under way."""
        task = asyncio.ensure_future(call)
        for _ in range(5):
            await asyncio.sleep(0.01)
        self._opened.set()
        return await task


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("cached", [False, True])
async def test_computing_never_holds_up_the_event_loop_and_gives_what_sync_gives(
    space: sw.Space, kind: str, many: bool, cached: bool, files: Any, gate: Gate
) -> None:
    model = SenseweaveEmbedding(space=space, embed_batch_size=2, embeddings_cache=SimpleKVStore() if cached else None)
    items = files.get(kind, TEXTS)
    name, given = (f"get_{kind}_embedding_batch", items) if many else (f"get_{kind}_embedding", items[0])
    space.encoders["text" if kind == "query" else kind].before_forward = gate  # type: ignore[attr-defined]
    vectors = await gate.opened_by(getattr(model, f"a{name}")(given))
    assert gate.passed
    assert vectors == getattr(model, name)(given)


async def test_loading_a_model_does_not_hold_up_the_event_loop(
    space: sw.Space, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(name: str, **options: Any) -> sw.Space:
        gate()
        return space

    monkeypatch.setattr("senseweave.interop.fields.load", load)
    await gate.opened_by(SenseweaveEmbedding("a slow model").aget_text_embedding("red"))
    assert gate.passed == 1


async def test_a_pipeline_step_does_not_hold_up_the_event_loop(
    embed_model: SenseweaveEmbedding, space: sw.Space, files: Any, gate: Gate
) -> None:
    for encoder in space.encoders.values():
        encoder.before_forward = gate  # type: ignore[attr-defined]
    nodes = [TextNode(text="red"), *(media_node(kind, files[kind][0]) for kind in ("image", "audio", "video"))]  # type: ignore[arg-type]
    await gate.opened_by(embed_model.acall(nodes))
    assert gate.passed == 4


@pytest.mark.parametrize("workers", [None, 1, 2])
async def test_the_order_is_kept_however_many_batches_are_under_way(space: sw.Space, workers: int | None) -> None:
    model = SenseweaveEmbedding(space=space, embed_batch_size=1, num_workers=workers)
    texts = [f"word {number}" for number in range(9)]
    assert await model.aget_text_embedding_batch(texts, show_progress=True) == model.get_text_embedding_batch(texts)


@pytest.mark.parametrize("kind", ["image", "audio", "video"])
async def test_errors_are_those_of_sync(
    embed_model: SenseweaveEmbedding, kind: str, files: Any, make: dict[str, Callable[..., bytes]]
) -> None:
    items = [*files[kind], b"nothing that is known", files[kind][0]]
    with pytest.raises(sw.MediaError, match=r"item 4 of 5"):
        await getattr(embed_model, f"aget_{kind}_embedding_batch")(items)
    with pytest.raises(sw.MediaError, match=r"item 4 of 5"):
        getattr(embed_model, f"get_{kind}_embedding_batch")(items)
