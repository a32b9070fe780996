"""Concurrent small requests: merged into few batches, each answered as if it had been alone."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

import senseweave as sw


async def test_64_concurrent_requests_are_merged_into_few_batches(space, letters, counts):
    texts = [f"{'a' * (i % 7)}{'b' * (i % 5)} {i}" for i in range(64)]
    letters.wait = threading.Event()
    letters.batch_budget = 10_000
    requests = [asyncio.ensure_future(space.aembed_text([text])) for text in texts]
    while not space._coalescer._waiting and len(letters.batches) == 0:
        await asyncio.sleep(0.01)
    letters.wait.set()
    vectors = np.concatenate(await asyncio.gather(*requests))
    np.testing.assert_allclose(vectors, counts(texts), atol=1e-6)
    assert len(letters.batches) <= 4


async def test_queries_and_documents_are_not_mixed(space, letters):
    letters.wait = threading.Event()
    first = asyncio.ensure_future(space.aembed_text(["first"]))
    await asyncio.sleep(0.05)
    others = [asyncio.ensure_future(space.aembed_text(["x"], role=role)) for role in ("query", "document", "query")]
    await asyncio.sleep(0.05)
    letters.wait.set()
    await asyncio.gather(first, *others)
    assert sorted(map(sorted, letters.batches)) == [["first"], ["qx"], ["x"]]


async def test_the_event_loop_goes_on_while_the_model_computes(space, letters):
    letters.wait = threading.Event()
    request = asyncio.ensure_future(space.aembed_text(["a"]))
    for _ in range(10):
        await asyncio.sleep(0.005)
    assert not request.done()
    letters.wait.set()
    assert (await request).shape == (1, 27)


async def test_a_bad_item_fails_its_own_request_alone(space, letters, counts):
    letters.wait = threading.Event()
    held = asyncio.ensure_future(space.aembed_text(["held"]))
    await asyncio.sleep(0.05)
    requests = [asyncio.ensure_future(space.aembed_text(texts)) for texts in (["a"], ["b", "bad"], ["c"])]
    await asyncio.sleep(0.05)
    letters.wait.set()
    await held
    answers = await asyncio.gather(*requests, return_exceptions=True)
    np.testing.assert_allclose(answers[0], counts(["a"]), atol=1e-6)
    np.testing.assert_allclose(answers[2], counts(["c"]), atol=1e-6)
    assert isinstance(answers[1], sw.MediaError)
    assert (answers[1].position, answers[1].total) == (1, 2)


async def test_an_error_of_the_model_reaches_the_caller(space):
    with pytest.raises(sw.EncodingError, match="not finite"):
        await space.aembed_text(["nan"])


async def test_an_error_of_the_model_reaches_only_the_caller_whose_item_it_is(space, letters, counts):
    letters.wait = threading.Event()
    held = asyncio.ensure_future(space.aembed_text(["held"]))
    await asyncio.sleep(0.05)
    requests = [asyncio.ensure_future(space.aembed_text(texts)) for texts in (["a"], ["nan"], ["c"])]
    await asyncio.sleep(0.05)
    letters.wait.set()
    await held
    answers = await asyncio.gather(*requests, return_exceptions=True)
    np.testing.assert_allclose(answers[0], counts(["a"]), atol=1e-6)
    np.testing.assert_allclose(answers[2], counts(["c"]), atol=1e-6)
    assert isinstance(answers[1], sw.EncodingError)


async def test_a_request_that_was_given_up_does_not_harm_the_others(space, letters, counts):
    letters.wait = threading.Event()
    held = asyncio.ensure_future(space.aembed_text(["held"]))
    await asyncio.sleep(0.05)
    dropped, kept = (asyncio.ensure_future(space.aembed_text([text])) for text in ("dropped", "kept"))
    await asyncio.sleep(0.05)
    dropped.cancel()
    await asyncio.sleep(0)
    letters.wait.set()
    await held
    np.testing.assert_allclose(await kept, counts(["kept"]), atol=1e-6)
    assert "dropped" not in [text for batch in letters.batches for text in batch]


async def test_a_space_that_was_closed_answers_again(space, letters, counts):
    await space.aembed_text(["a"])
    space.close()
    assert letters.closed == 1
    np.testing.assert_allclose(await space.aembed_text(["b"]), counts(["b"]), atol=1e-6)
    space.close()


async def test_requests_from_several_event_loops_are_answered(space, counts):
    def in_another_thread(text):
        return asyncio.run(space.aembed_text([text]))

    answers = await asyncio.gather(*(asyncio.to_thread(in_another_thread, text) for text in "abcd"))
    np.testing.assert_allclose(np.concatenate(answers), counts(list("abcd")), atol=1e-6)
