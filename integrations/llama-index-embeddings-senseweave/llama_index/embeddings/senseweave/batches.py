"""Runs one embedding call: in batches, with both kinds of events, through the cache and the rate limiter."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from llama_index.core.async_utils import run_jobs
from llama_index.core.callbacks.schema import CBEventType, EventPayload
from llama_index.core.instrumentation.events.embedding import EmbeddingEndEvent, EmbeddingStartEvent
from llama_index.core.utils import get_tqdm_iterable
from llama_index.embeddings.senseweave.nodes import as_media
from llama_index_instrumentation import get_dispatcher

from senseweave.encoders.base import Role
from senseweave.errors import MediaError
from senseweave.media import Media, Modality
from senseweave.spaces.batch import Batch

if TYPE_CHECKING:
    from llama_index.embeddings.senseweave.methods import EmbeddingMethods

Embedding = list[float]

CACHE_COLLECTION = "embeddings"
"""The collection of an embeddings cache that LlamaIndex itself uses; the keys here cannot be taken for its."""

dispatcher = get_dispatcher(__name__)


class Embedded(NamedTuple):
    """What one input became.

    Attributes:
        vector: Its vector.
        description: The transcript or label line from which an encoder made it, or None.
    """

    vector: Embedding
    description: str | None


class Batches:
    """One call of an embedding model with inputs of one modality, for one role."""

    def __init__(self, model: EmbeddingMethods, modality: Modality, role: Role = "document") -> None:
        self.model = model
        self.modality = modality
        self.role = role

    def run(self, items: Sequence[Any], *, show_progress: bool = False) -> list[Embedding]:
        """Return the vectors of `items`, see `embed`."""
        return [one.vector for one in self.embed(items, show_progress=show_progress)]

    async def arun(self, items: Sequence[Any], *, show_progress: bool = False) -> list[Embedding]:
        """Return the vectors of `items`, see `aembed`."""
        return [one.vector for one in await self.aembed(items, show_progress=show_progress)]

    def embed(self, items: Sequence[Any], *, show_progress: bool = False) -> list[Embedded]:
        """Embed in batches of the model's `embed_batch_size`, one after the other.

        Raises:
            MediaError: For the first item that cannot be read, with its position among all items.
        """
        done: list[Embedded] = []
        batch: list[Any] = []
        for item in get_tqdm_iterable(items, show_progress, self._progress_label):
            batch.append(item)
            if len(batch) == self.model.embed_batch_size or len(done) + len(batch) == len(items):
                done += self._run_batch(batch, len(done), len(items))
                batch = []
        return done

    async def aembed(self, items: Sequence[Any], *, show_progress: bool = False) -> list[Embedded]:
        """Like `embed`, off the event loop; as many batches at a time as the model's `num_workers` says, or all."""
        size = self.model.embed_batch_size
        jobs: list[Coroutine[Any, Any, list[Embedded]]] = [
            self._arun_batch(items[start : start + size], start, len(items)) for start in range(0, len(items), size)
        ]
        if not jobs:
            return []
        if show_progress or self.model.num_workers:
            workers = self.model.num_workers or len(jobs)
            nested = await run_jobs(jobs, show_progress=show_progress, workers=workers, desc=self._progress_label)
        else:
            nested = await asyncio.gather(*jobs)
        return [one for batch in nested for one in batch]

    def compute(self, items: Sequence[Any]) -> list[Embedding]:
        """Return the vectors of one batch without events, cache or rate limit."""
        return [one.vector for one in self._encode(self._media(items))]

    async def acompute(self, items: Sequence[Any]) -> list[Embedding]:
        """Like `compute`, off the event loop."""
        return [one.vector for one in await self._aencode(await asyncio.to_thread(self._media, items))]

    def _run_batch(self, items: Sequence[Any], start: int, total: int) -> list[Embedded]:
        with self._events() as finished, placed(start, total):
            media = self._media(items)
            done = self._cached(media)
            finished.append((_labels(media), done))
        return done

    async def _arun_batch(self, items: Sequence[Any], start: int, total: int) -> list[Embedded]:
        with self._events() as finished, placed(start, total):
            media = await asyncio.to_thread(self._media, items)
            done = await self._acached(media)
            finished.append((await asyncio.to_thread(_labels, media), done))
        return done

    @contextmanager
    def _events(self) -> Iterator[list[tuple[list[str], list[Embedded]]]]:
        """Tell of a batch's start and end by both of LlamaIndex's means; the caller puts its result in the list."""
        finished: list[tuple[list[str], list[Embedded]]] = []
        payload = self.model.to_payload()
        dispatcher.event(EmbeddingStartEvent(model_dict=payload))
        with self.model.callback_manager.event(
            CBEventType.EMBEDDING, payload={EventPayload.SERIALIZED: payload}
        ) as event:
            yield finished
            ((chunks, done),) = finished
            embeddings = [one.vector for one in done]
            event.on_end(payload={EventPayload.CHUNKS: chunks, EventPayload.EMBEDDINGS: embeddings})
        dispatcher.event(EmbeddingEndEvent(chunks=chunks, embeddings=embeddings))

    def _cached(self, media: list[Media]) -> list[Embedded]:
        cache = self.model.embeddings_cache
        if cache is None:
            self._wait_for_turn()
            return self._encode(media)
        keys = self._keys(media)
        stored = {key: cache.get(key, collection=CACHE_COLLECTION) for key in dict.fromkeys(keys)}
        known = {key: Embedded(**value) for key, value in stored.items() if value is not None}
        if missing := [key for key in stored if key not in known]:
            self._wait_for_turn()
            computed = self._encode([media[keys.index(key)] for key in missing])
            for key, one in zip(missing, computed, strict=True):
                known[key] = one
                cache.put(key, one._asdict(), collection=CACHE_COLLECTION)
        return [known[key] for key in keys]

    async def _acached(self, media: list[Media]) -> list[Embedded]:
        cache = self.model.embeddings_cache
        if cache is None:
            await self._await_turn()
            return await self._aencode(media)
        keys = await asyncio.to_thread(self._keys, media)
        stored = {key: await cache.aget(key, collection=CACHE_COLLECTION) for key in dict.fromkeys(keys)}
        known = {key: Embedded(**value) for key, value in stored.items() if value is not None}
        if missing := [key for key in stored if key not in known]:
            await self._await_turn()
            computed = await self._aencode([media[keys.index(key)] for key in missing])
            for key, one in zip(missing, computed, strict=True):
                known[key] = one
                await cache.aput(key, one._asdict(), collection=CACHE_COLLECTION)
        return [known[key] for key in keys]

    def _media(self, items: Sequence[Any]) -> list[Media]:
        """Take the inputs as media, loading the space first: the slow part, so never on an event loop."""
        self.model.space.encoder(self.modality)
        media = []
        for position, item in enumerate(items):
            with placed(position, len(items)):
                media.append(as_media(self.modality, item, self.model.media_policy))
        return media

    def _encode(self, media: list[Media]) -> list[Embedded]:
        return _rows(self.model.space.encode(media, role=self.role))

    async def _aencode(self, media: list[Media]) -> list[Embedded]:
        return _rows(await self.model.space.aencode(media, role=self.role))

    def _keys(self, media: list[Media]) -> list[str]:
        """Cache keys that differ wherever model, options, modality, role, content or the part of it do."""
        shared = ("senseweave", self.model.space.fingerprint, self.modality, self.role)
        keys = []
        for position, one in enumerate(media):
            with placed(position, len(media)):
                content = (*shared, one.sha256, one.span, one.page)
            keys.append(sha256(repr(content).encode()).hexdigest())
        return keys

    def _wait_for_turn(self) -> None:
        if self.model.rate_limiter is not None:
            self.model.rate_limiter.acquire()

    async def _await_turn(self) -> None:
        if self.model.rate_limiter is not None:
            await self.model.rate_limiter.async_acquire()

    @property
    def _progress_label(self) -> str:
        return f"Generating {'' if self.modality == 'text' else f'{self.modality} '}embeddings"


def embed_mixed(model: EmbeddingMethods, media: Sequence[Media], *, show_progress: bool = False) -> list[Embedded]:
    """Embed documents of any modalities, each modality in batches of its own; the result is in the order of `media`.

    Raises:
        UnsupportedModalityError: If the model lacks a modality, before anything is computed.
        MediaError: For the first item of a modality that cannot be read, with its position among all.
    """
    done: dict[int, Embedded] = {}
    for modality, positions in _grouped(model, media).items():
        with placed_among(positions, len(media)):
            group = Batches(model, modality).embed([media[i] for i in positions], show_progress=show_progress)
        done.update(zip(positions, group, strict=True))
    return [done[position] for position in range(len(media))]


async def aembed_mixed(
    model: EmbeddingMethods, media: Sequence[Media], *, show_progress: bool = False
) -> list[Embedded]:
    """Like `embed_mixed`, off the event loop."""
    done: dict[int, Embedded] = {}
    for modality, positions in (await asyncio.to_thread(_grouped, model, media)).items():
        with placed_among(positions, len(media)):
            group = await Batches(model, modality).aembed([media[i] for i in positions], show_progress=show_progress)
        done.update(zip(positions, group, strict=True))
    return [done[position] for position in range(len(media))]


@contextmanager
def placed_among(positions: list[int], total: int) -> Iterator[None]:
    """Give errors the position among all items instead of that among those of one modality."""
    try:
        yield
    except MediaError as error:
        located = error.at(positions[error.position or 0], total)
        raise located from located.__cause__


@contextmanager
def placed(start: int, total: int) -> Iterator[None]:
    """Count the position in an error from the start of the whole call; an error without one happened at the start."""
    try:
        yield
    except MediaError as error:
        located = error.at(start + (error.position or 0), total)
        raise located from located.__cause__


def _labels(media: list[Media]) -> list[str]:
    """What events call the inputs: texts themselves, media by their source; never bytes."""
    return [one.decode() if one.modality == "text" else one.source for one in media]


def _grouped(model: EmbeddingMethods, media: Sequence[Media]) -> dict[Modality, list[int]]:
    groups: dict[Modality, list[int]] = {}
    for position, one in enumerate(media):
        groups.setdefault(one.modality, []).append(position)
    for modality in groups:
        model.space.encoder(modality)
    return groups


def _rows(batch: Batch) -> list[Embedded]:
    vectors: list[Embedding] = batch.vectors.tolist()
    return [Embedded(vector, text) for vector, text in zip(vectors, batch.descriptions, strict=True)]
