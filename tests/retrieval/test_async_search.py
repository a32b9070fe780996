"""Searches that wait together are embedded and answered together, and find what each would find alone."""

import asyncio
import contextvars
import threading
import time
import zlib

import numpy as np
import pytest
from counting import CountingStore
from PIL import Image as PillowImage

import senseweave as sw
from senseweave.encoders.base import Encoded, Encoder, Prepared
from senseweave.errors import StoreError, UnsupportedModalityError
from senseweave.spaces.space import Space
from senseweave.stores import Memory
from senseweave.testing.toys import ToyEncoder

WORDS = ["harbor", "bridge", "market", "station", "museum", "garden", "river", "letter"]
QUESTIONS = [f"where is the {WORDS[n % 8]} and the {WORDS[n // 8]}" for n in range(64)]
SECONDS = 60


class Words(Encoder):
    """Sums of random directions of words; keeps what it was asked, and in which threads, and is slow if told to."""

    modality = "text"
    batch_budget = 1000
    dimension = 32

    def __init__(self):
        self.batches, self.threads, self.seconds = [], set(), 0.0

    def prepare(self, items, role):
        return [Prepared(item) for item in items]

    def forward(self, batch):
        texts = [item.data for item in batch]
        self.batches.append(texts)
        self.threads.add(threading.get_ident())
        time.sleep(self.seconds)
        if any("poison" in text for text in texts):
            raise RuntimeError("poisoned")
        return Encoded(np.stack([sum(map(direction, text.split())) for text in texts]).astype(np.float32))

    def identity(self):
        return {"family": "words"}


def direction(word):
    return np.random.default_rng(zlib.crc32(word.encode())).normal(size=32)


@pytest.fixture(params=[False, True], ids=["in memory", "in a folder"])
def index(request, tmp_path):
    store = CountingStore(sw.stores.Chroma(tmp_path / "index") if request.param else Memory())
    space = Space("words", {"text": Words(), "image": ToyEncoder("image")}, cache_size=0)
    opened = sw.Index(store, spaces=[space])
    notes = [
        f"a note of the {first} by the {second} {first}{second}"
        for first in WORDS
        for second in WORDS
        if first != second
    ]
    opened.add(
        [
            sw.Text(note, source=f"/notes/{n}", metadata={"n": n, "flag": n % 2 == 0 if n < 30 else 1})
            for n, note in enumerate(notes)
        ]
    )
    yield opened
    store.close()


@pytest.fixture
def encoder(index):
    """The encoder of texts, from here on so slow that other searches come while it works."""
    (space,) = index.spaces.values()
    watched = space.encoder("text")
    watched.batches.clear()
    watched.threads.clear()
    watched.seconds = 0.05
    return watched


def gather(*searches):
    async def run():
        return await asyncio.wait_for(asyncio.gather(*searches, return_exceptions=True), SECONDS)

    return asyncio.run(run())


def summarize(hits):
    return [(hit.id, pytest.approx(hit.score, abs=1e-4), set(hit.sources)) for hit in hits]


def test_64_searches_at_once_take_a_few_batches_and_questions_to_the_store(index, encoder):
    alone = [summarize(index.search(question)) for question in QUESTIONS]
    assert [len(batch) for batch in encoder.batches] == [1] * len(QUESTIONS)
    encoder.batches.clear()
    index._store.store.take()
    together = gather(*(index.asearch(question) for question in QUESTIONS))
    assert [summarize(hits) for hits in together] == alone
    assert sum(map(len, encoder.batches)) == len(QUESTIONS)
    assert len(encoder.batches) <= 16
    assert index._store.store.calls["query"] <= 32


def test_an_event_loop_neither_embeds_nor_asks_the_store(index, encoder, monkeypatch):
    threads, query = set(), index._store.store.query
    monkeypatch.setattr(
        index._store.store, "query", lambda *a, **o: threads.add(threading.get_ident()) or query(*a, **o)
    )
    gather(*(index.asearch(question) for question in QUESTIONS[:8]))
    assert threads
    assert not (threads | encoder.threads) & {threading.get_ident()}


def test_searches_of_different_options_find_what_they_find_alone(index):
    options = [
        {},
        {"k": 3, "offset": 2},
        {"k": 60},
        {"filter": {"n": {"$lt": 20}}},
        {"filter": {"n": {"$gte": 50}}, "k": 4},
        {"modalities": {"text"}},
        {"diversity": 0.5},
        {"group": True},
        {"fusion": "none"},
        {"min_score": 0.1},
        {"quota": {"text": 2}},
        {"filter": {"n": 1000}},
        {"filter": {"flag": True}},
        {"filter": {"flag": 1}},
        {"k": 9000},
    ]
    calls = [(question, chosen) for question in QUESTIONS[:4] for chosen in options]
    alone = [summarize(index.search(question, **chosen)) for question, chosen in calls]
    together = gather(*(index.asearch(question, **chosen) for question, chosen in calls))
    assert [summarize(hits) for hits in together] == alone


def test_searches_of_many_records_are_answered_a_few_at_a_time(index, encoder, monkeypatch):
    asked, query = [], index._store.store.query
    monkeypatch.setattr(
        index._store.store, "query", lambda name, rows, k, **o: asked.append(k * len(rows)) or query(name, rows, k, **o)
    )
    assert all(len(hits) == 56 for hits in gather(*(index.asearch(question, k=4000) for question in QUESTIONS[:12])))
    assert max(asked) <= 10_000


def test_a_search_with_a_reranker_runs_where_context_variables_are_those_of_its_caller(index):
    variable, seen = contextvars.ContextVar("variable", default="nobody"), []

    class Reranker:
        name = "as it is"

        def scores(self, query, hits):
            seen.append(variable.get())
            return np.arange(len(hits), 0, -1.0)

    async def run():
        variable.set("the caller")
        await asyncio.gather(*(index.asearch(question, rerank=Reranker()) for question in QUESTIONS[:4]))

    asyncio.run(run())
    assert seen == ["the caller"] * 4


def test_the_error_of_a_search_is_its_own(index, encoder):
    wrong = [
        index.asearch("poison"),
        index.asearch(QUESTIONS[0], filter={"$no": 1}),
        index.asearch(QUESTIONS[0], modalities={"audio"}),
        index.asearch(QUESTIONS[0], fusion="platt"),
        index.asearch(sw.Image("/no/such/picture.png")),
        index.asearch(QUESTIONS[0], nosuch=1),
        index.asearch(sw.Audio(b"RIFF")),
    ]
    right = [index.asearch(question) for question in QUESTIONS[:16]]
    found = gather(*(search for pair in zip(wrong, right, strict=False) for search in pair), *right[len(wrong) :])
    errors = found[0 : 2 * len(wrong) : 2]
    kinds = [sw.MediaError, ValueError, UnsupportedModalityError, ValueError, sw.MediaError, TypeError]
    assert [
        isinstance(error, kind) for error, kind in zip(errors, [*kinds, UnsupportedModalityError], strict=True)
    ] == [True] * len(wrong), errors
    hits = [*found[1 : 2 * len(wrong) : 2], *found[2 * len(wrong) :]]
    assert [summarize(each) for each in hits] == [summarize(index.search(question)) for question in QUESTIONS[:16]]


@pytest.mark.parametrize("fails", ["for several", "always"])
def test_a_store_that_fails_for_several_vectors_is_asked_for_each(index, fails, monkeypatch):
    query = index._store.store.query

    def ask(name, vectors, *arguments, **options):
        if fails == "always" or len(vectors) > 1:
            raise StoreError("the store is tired")
        time.sleep(0.02)
        return query(name, vectors, *arguments, **options)

    alone = [summarize(index.search(question)) for question in QUESTIONS[:16]]
    monkeypatch.setattr(index._store.store, "query", ask)
    found = gather(*(index.asearch(question) for question in QUESTIONS[:16]))
    if fails == "always":
        assert [str(error) for error in found] == ["the store is tired"] * 16
    else:
        assert [summarize(hits) for hits in found] == alone


def test_a_cancelled_search_is_not_embedded_and_the_others_are_answered(index, encoder):
    async def run():
        first = asyncio.ensure_future(index.asearch("the first question"))
        while not encoder.batches:
            await asyncio.sleep(0.001)
        dropped = asyncio.ensure_future(index.asearch("the dropped question"))
        kept = asyncio.ensure_future(index.asearch("the kept question"))
        await asyncio.sleep(0.01)
        dropped.cancel()
        found = await asyncio.wait_for(asyncio.gather(first, kept, dropped, return_exceptions=True), SECONDS)
        return found, await index.asearch("the last question")

    (first, kept, dropped), last = asyncio.run(run())
    assert isinstance(dropped, asyncio.CancelledError)
    assert all(len(hits) == 10 for hits in (first, kept, last))
    assert not any("the dropped question" in texts for texts in encoder.batches)


def test_pictures_and_questions_at_once_find_what_they_find_alone(index):
    pictures = [sw.Image(PillowImage.new("RGB", (8, 8), (n, 0, 0))) for n in range(8)]
    calls = [query for pair in zip(pictures, QUESTIONS, strict=False) for query in pair]
    calls.append(sw.Query([(pictures[0], 0.5), QUESTIONS[0]]))
    alone = [summarize(index.search(query)) for query in calls]
    assert [summarize(hits) for hits in gather(*(index.asearch(query) for query in calls))] == alone
