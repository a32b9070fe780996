"""Runs an embedding call: in batches, with both kinds of events, through the cache and the rate limiter."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from typing import Any, TypeAlias

from llama_index.core.async_utils import run_jobs
from llama_index.core.callbacks.schema import CBEventType, EventPayload
from llama_index.core.embeddings import MultiModalEmbedding
from llama_index.core.instrumentation.events.embedding import EmbeddingEndEvent, EmbeddingStartEvent
from llama_index.core.utils import get_tqdm_iterable
from llama_index.embeddings.senseweave.embeddings.overrides import BARE, Embedding, embed_own, override_name
from llama_index.embeddings.senseweave.items.nodes import as_media
from llama_index_instrumentation import get_dispatcher

from senseweave.interop import (
    DESCRIPTION,
    DIRECT,
    OFF_LOOP,
    EmbeddedItem,
    Media,
    MediaError,
    Modality,
    OnError,
    Role,
    SpaceFields,
    Steps,
    fetch_or_compute,
    list_items,
    placed_among,
    read_each,
    require_all,
    run_direct,
)

CACHE_COLLECTION = "embeddings"
"""The collection of an embeddings cache that LlamaIndex uses too; its keys differ from those made here."""

dispatcher = get_dispatcher(__name__)


Outcome: TypeAlias = EmbeddedItem | MediaError
"""The outcome of one input; an error only with `on_error="skip"`."""


class SpaceModel(SpaceFields, MultiModalEmbedding):
    """What a call needs of its embedding model: a space, and LlamaIndex's settings."""


class Batches:
    """One call of an embedding model with inputs of one modality, for one role."""

    def __init__(
        self, model: SpaceModel, modality: Modality, role: Role = "document", *, on_error: OnError = "raise"
    ) -> None:
        self.model = model
        self.modality = modality
        self.role = role
        self.on_error = on_error

    def run(self, items: Sequence[Any], *, show_progress: bool = False) -> list[Embedding]:
        """Return the vectors of `items`, see `embed`."""
        return require_vectors(run_direct(self.embed(DIRECT, items, show_progress=show_progress)))

    async def arun(self, items: Sequence[Any], *, show_progress: bool = False) -> list[Embedding]:
        """Return the vectors of `items` like `run`, off the event loop."""
        return require_vectors(await self.embed(OFF_LOOP, items, show_progress=show_progress))

    def compute(self, items: Sequence[Any]) -> list[Embedding]:
        """Return the vectors of one batch without events, cache or rate limit."""
        return run_direct(self._compute(DIRECT, items))

    async def acompute(self, items: Sequence[Any]) -> list[Embedding]:
        """Return the vectors of one batch like `compute`, off the event loop."""
        return await self._compute(OFF_LOOP, items)

    async def embed(self, steps: Steps, items: Sequence[Any], *, show_progress: bool = False) -> list[Outcome]:
        """Embed in batches of the model's `embed_batch_size`.

        Direct steps take the batches one after the other; off the event loop there are `num_workers` of the model's at
        a time, or all at once.

        Raises:
            MediaError: With `on_error="raise"`, for the first item that cannot be read, with its position among all.
            TypeError: If a single item is given in place of a list.
        """
        items, size = self._list(items), self.model.embed_batch_size
        label = f"Generating {'' if self.modality == 'text' else f'{self.modality} '}embeddings"
        done: list[Outcome] = []
        if not steps.asynchronous:
            for end, _ in enumerate(get_tqdm_iterable(items, show_progress, label), 1):
                if end % size == 0 or end == len(items):
                    done += await self._run_batch(steps, items[len(done) : end], len(done), len(items))
            return done
        starts = range(0, len(items), size)
        jobs = [self._run_batch(steps, items[start : start + size], start, len(items)) for start in starts]
        if jobs and (show_progress or self.model.num_workers):
            workers = self.model.num_workers or len(jobs)
            nested = await run_jobs(jobs, show_progress=show_progress, workers=workers, desc=label)
        else:
            nested = await asyncio.gather(*jobs)
        return [outcome for batch in nested for outcome in batch]

    async def _compute(self, steps: Steps, items: Sequence[Any]) -> list[Embedding]:
        media = await steps.work(self._media, self._list(items))
        return require_vectors(await self._encode(steps, media))

    def _list(self, items: Any) -> list[Any]:
        name = "query" if (self.modality, self.role) == ("text", "query") else self.modality
        return list_items(items, f"get_{name}_embedding_batch")

    async def _run_batch(self, steps: Steps, items: Sequence[Any], start: int, total: int) -> list[Outcome]:
        with self._events() as finished, placed_among(range(start, total), total):
            media = await steps.work(self._media, items)
            done = await self._cached(steps, media)
            finished.append((await steps.work(_labels, media), done))
        return done

    @contextmanager
    def _events(self) -> Iterator[list[tuple[list[str], list[Outcome]]]]:
        """Report a batch's start and end by both of LlamaIndex's means; the caller puts its result in the list."""
        finished: list[tuple[list[str], list[Outcome]]] = []
        payload = self.model.to_payload()
        dispatcher.event(EmbeddingStartEvent(model_dict=payload))
        with self.model.callback_manager.event(
            CBEventType.EMBEDDING, payload={EventPayload.SERIALIZED: payload}
        ) as event:
            yield finished
            ((labels, outcomes),) = finished
            pairs = zip(labels, outcomes, strict=True)
            done = [(label, outcome.vector) for label, outcome in pairs if isinstance(outcome, EmbeddedItem)]
            chunks, embeddings = [label for label, _ in done], [vector for _, vector in done]
            event.on_end(payload={EventPayload.CHUNKS: chunks, EventPayload.EMBEDDINGS: embeddings})
        dispatcher.event(EmbeddingEndEvent(chunks=chunks, embeddings=embeddings))

    async def _cached(self, steps: Steps, media: list[Media]) -> list[Outcome]:
        """Return the outcomes of media, from the model's cache where it has one."""
        cache = self.model.embeddings_cache
        if cache is None:
            return await self._take_turn(steps, media)

        async def fetch(keys: list[str]) -> dict[str, Outcome]:
            stored = {key: await steps.ask(cache.get, cache.aget, key, collection=CACHE_COLLECTION) for key in keys}
            return {key: _unpacked(value) for key, value in stored.items() if value is not None}

        async def keep(new: dict[str, Outcome]) -> None:
            for key, outcome in new.items():
                if isinstance(outcome, EmbeddedItem):
                    value = {"vector": outcome.vector, "description": DESCRIPTION.pack(outcome.description).decode()}
                    await steps.ask(cache.put, cache.aput, key, value, collection=CACHE_COLLECTION)

        keys = await steps.work(partial(read_each, self._key, media, on_error=self.on_error))
        return await fetch_or_compute(media, keys, fetch, partial(self._take_turn, steps), keep)

    async def _take_turn(self, steps: Steps, media: list[Media]) -> list[Outcome]:
        """Encode media when the rate limit allows it."""
        if (limiter := self.model.rate_limiter) is not None:
            await steps.ask(limiter.acquire, limiter.async_acquire)
        if self.modality == "text" and override_name(self.model, self.role):
            own = await embed_own(steps, self.model, [item.decode() for item in media], self.role, BARE)
            if own is not None:
                return [EmbeddedItem(vector, None) for vector in own]
        return await self._encode(steps, media)

    async def _encode(self, steps: Steps, media: list[Media]) -> list[Outcome]:
        space = self.model.space
        batch = await steps.ask(space.encode, space.aencode, media, role=self.role, on_error=self.on_error)
        return batch.outcomes()

    def _media(self, items: Sequence[Any]) -> list[Media]:
        """Return the inputs as media, loading the space first: the slow part, so never on an event loop."""
        self.model.space.encoder(self.modality)
        return require_all(read_each(lambda item: as_media(self.modality, item, self.model.media_policy), items))

    def _key(self, media: Media) -> str:
        """Return a cache key that differs wherever model, options, modality, role, content or the part of it do."""
        parts: tuple[str, ...] = ("senseweave", self.model.space.fingerprint, self.modality, self.role)
        if self.modality == "text" and (own := override_name(self.model, self.role)):
            parts += (own,)
        return sha256(repr((*parts, media.sha256, media.span, media.page)).encode()).hexdigest()


async def embed_mixed(
    steps: Steps,
    model: SpaceModel,
    media: Sequence[Media],
    role: Role = "document",
    *,
    show_progress: bool = False,
    on_error: OnError = "raise",
) -> list[Outcome]:
    """Embed media of any modalities, each modality in batches of its own; the result is in the order of `media`.

    Raises:
        UnsupportedModalityError: If the model lacks a modality, before anything is computed.
        MediaError: With `on_error="raise"`, for the first item of a modality that cannot be read, with its position
            among all.
    """
    done: dict[int, Outcome] = {}
    for modality, positions in (await steps.work(_grouped, model, media)).items():
        if modality == "text":
            own = await embed_own(steps, model, [media[i].decode() for i in positions], role)
            if own is not None:
                done.update(zip(positions, (EmbeddedItem(vector, None) for vector in own), strict=True))
                continue
        batches = Batches(model, modality, role, on_error=on_error)
        with placed_among(positions, len(media)):
            group = await batches.embed(steps, [media[i] for i in positions], show_progress=show_progress)
        done.update(zip(positions, group, strict=True))
    return [done[position] for position in range(len(media))]


def require_vectors(outcomes: Sequence[Outcome]) -> list[Embedding]:
    """Return the vectors of inputs.

    Raises:
        MediaError: If an input failed.
    """
    return [outcome.vector for outcome in require_all(outcomes)]


def _labels(media: list[Media]) -> list[str]:
    """Return the names of inputs in events: texts themselves, media by their source; never bytes."""
    return [item.decode() if item.modality == "text" else item.source for item in media]


def _grouped(model: SpaceModel, media: Sequence[Media]) -> dict[Modality, list[int]]:
    groups: dict[Modality, list[int]] = {}
    for position, item in enumerate(media):
        groups.setdefault(item.modality, []).append(position)
    for modality in groups:
        model.space.encoder(modality)
    return groups


def _unpacked(value: dict[str, Any]) -> EmbeddedItem:
    return EmbeddedItem(value["vector"], DESCRIPTION.unpack((value["description"] or "").encode()))
