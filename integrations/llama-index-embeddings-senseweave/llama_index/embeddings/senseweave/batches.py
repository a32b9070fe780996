"""Runs one embedding call: in batches, with both kinds of events, through the cache and the rate limiter."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from llama_index.core.async_utils import run_jobs
from llama_index.core.callbacks import CallbackManager
from llama_index.core.callbacks.schema import CBEventType, EventPayload
from llama_index.core.instrumentation.events.embedding import EmbeddingEndEvent, EmbeddingStartEvent
from llama_index.core.utils import get_tqdm_iterable
from llama_index.embeddings.senseweave.nodes import as_media
from llama_index_instrumentation import get_dispatcher

from senseweave.encoders.base import Role
from senseweave.errors import MediaError, placed_among
from senseweave.media import Media, MediaPolicy, Modality
from senseweave.spaces.batch import Batch

if TYPE_CHECKING:
    from senseweave.spaces import Space
    from senseweave.spaces.engine import OnError

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


Outcome: TypeAlias = Embedded | MediaError
"""What became of one input; errors only where they are asked for, with `on_error="skip"`."""


class Model(Protocol):
    """What a call needs of the embedding model that makes it."""

    embed_batch_size: int
    num_workers: int | None
    callback_manager: CallbackManager
    embeddings_cache: Any | None
    rate_limiter: Any | None

    @property
    def space(self) -> Space:
        """The senseweave space that computes."""

    @property
    def media_policy(self) -> MediaPolicy:
        """What may be read."""

    def to_payload(self) -> dict[str, Any]:
        """What events say of the model."""


class Batches:
    """One call of an embedding model with inputs of one modality, for one role."""

    def __init__(
        self, model: Model, modality: Modality, role: Role = "document", *, on_error: OnError = "raise"
    ) -> None:
        self.model = model
        self.modality = modality
        self.role = role
        self.on_error = on_error

    def run(self, items: Sequence[Any], *, show_progress: bool = False) -> list[Embedding]:
        """Return the vectors of `items`, see `embed`."""
        return vectors_of(self.embed(items, show_progress=show_progress))

    async def arun(self, items: Sequence[Any], *, show_progress: bool = False) -> list[Embedding]:
        """Return the vectors of `items`, see `aembed`."""
        return vectors_of(await self.aembed(items, show_progress=show_progress))

    def embed(self, items: Sequence[Any], *, show_progress: bool = False) -> list[Outcome]:
        """Embed in batches of the model's `embed_batch_size`, one after the other.

        Raises:
            MediaError: With `on_error="raise"`, for the first item that cannot be read, with its position among all.
            TypeError: If a single item is given in place of a list.
        """
        self._check_list(items)
        done: list[Outcome] = []
        batch: list[Any] = []
        for item in get_tqdm_iterable(items, show_progress, self._progress_label):
            batch.append(item)
            if len(batch) == self.model.embed_batch_size or len(done) + len(batch) == len(items):
                done += self._run_batch(batch, len(done), len(items))
                batch = []
        return done

    async def aembed(self, items: Sequence[Any], *, show_progress: bool = False) -> list[Outcome]:
        """Like `embed`, off the event loop; as many batches at a time as the model's `num_workers` says, or all."""
        self._check_list(items)
        size = self.model.embed_batch_size
        jobs: list[Coroutine[Any, Any, list[Outcome]]] = [
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
        self._check_list(items)
        return vectors_of(self._encode(self._media(items)))

    async def acompute(self, items: Sequence[Any]) -> list[Embedding]:
        """Like `compute`, off the event loop."""
        self._check_list(items)
        return vectors_of(await self._aencode(await asyncio.to_thread(self._media, items)))

    def _check_list(self, items: Sequence[Any]) -> None:
        one_array = isinstance(items, np.ndarray) and items.dtype != object
        if (
            isinstance(items, str | bytes | bytearray | PathLike | Media)
            or one_array
            or not isinstance(items, Collection)
        ):
            msg = f"a batch of {self.modality} is a list of items; put the single {type(items).__name__} into a list"
            raise TypeError(msg)

    def _run_batch(self, items: Sequence[Any], start: int, total: int) -> list[Outcome]:
        with self._events() as finished, placed(start, total):
            media = self._media(items)
            done = self._cached(media)
            finished.append((_labels(media), done))
        return done

    async def _arun_batch(self, items: Sequence[Any], start: int, total: int) -> list[Outcome]:
        with self._events() as finished, placed(start, total):
            media = await asyncio.to_thread(self._media, items)
            done = await self._acached(media)
            finished.append((await asyncio.to_thread(_labels, media), done))
        return done

    @contextmanager
    def _events(self) -> Iterator[list[tuple[list[str], list[Outcome]]]]:
        """Tell of a batch's start and end by both of LlamaIndex's means; the caller puts its result in the list."""
        finished: list[tuple[list[str], list[Outcome]]] = []
        payload = self.model.to_payload()
        dispatcher.event(EmbeddingStartEvent(model_dict=payload))
        with self.model.callback_manager.event(
            CBEventType.EMBEDDING, payload={EventPayload.SERIALIZED: payload}
        ) as event:
            yield finished
            ((labels, outcomes),) = finished
            done = [(label, one) for label, one in zip(labels, outcomes, strict=True) if isinstance(one, Embedded)]
            chunks, embeddings = [label for label, _ in done], [one.vector for _, one in done]
            event.on_end(payload={EventPayload.CHUNKS: chunks, EventPayload.EMBEDDINGS: embeddings})
        dispatcher.event(EmbeddingEndEvent(chunks=chunks, embeddings=embeddings))

    def _cached(self, media: list[Media]) -> list[Outcome]:
        cache = self.model.embeddings_cache
        if cache is None:
            self._wait_for_turn()
            return self._encode(media)
        keys = self._keys(media)
        known = _known({key: cache.get(key, collection=CACHE_COLLECTION) for key in dict.fromkeys(keys)})
        missing = {key: keys.index(key) for key in dict.fromkeys(keys) if key not in known}
        if missing:
            self._wait_for_turn()
            with placed_among(list(missing.values()), len(media)):
                computed = self._encode([media[i] for i in missing.values()])
            for key, one in zip(missing, computed, strict=True):
                known[key] = one
                if isinstance(one, Embedded):
                    cache.put(key, one._asdict(), collection=CACHE_COLLECTION)
        return [known[key] for key in keys]

    async def _acached(self, media: list[Media]) -> list[Outcome]:
        cache = self.model.embeddings_cache
        if cache is None:
            await self._await_turn()
            return await self._aencode(media)
        keys = await asyncio.to_thread(self._keys, media)
        known = _known({key: await cache.aget(key, collection=CACHE_COLLECTION) for key in dict.fromkeys(keys)})
        missing = {key: keys.index(key) for key in dict.fromkeys(keys) if key not in known}
        if missing:
            await self._await_turn()
            with placed_among(list(missing.values()), len(media)):
                computed = await self._aencode([media[i] for i in missing.values()])
            for key, one in zip(missing, computed, strict=True):
                known[key] = one
                if isinstance(one, Embedded):
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

    def _encode(self, media: list[Media]) -> list[Outcome]:
        return _outcomes(self.model.space.encode(media, role=self.role, on_error=self.on_error))

    async def _aencode(self, media: list[Media]) -> list[Outcome]:
        return _outcomes(await self.model.space.aencode(media, role=self.role, on_error=self.on_error))

    def _keys(self, media: list[Media]) -> list[str]:
        """Cache keys that differ wherever model, options, modality, role, content or the part of it do."""
        shared = ("senseweave", self.model.space.fingerprint, self.modality, self.role)
        keys = []
        for position, one in enumerate(media):
            content: tuple[Any, ...]
            try:
                content = (*shared, one.sha256, one.span, one.page)
            except MediaError as error:
                if self.on_error == "raise":
                    raise error.at(position, len(media)) from error.__cause__
                content = (*shared, "unreadable", position)  # in no cache, so that it fails when it is encoded
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


def embed_mixed(
    model: Model, media: Sequence[Media], *, show_progress: bool = False, on_error: OnError = "raise"
) -> list[Outcome]:
    """Embed documents of any modalities, each modality in batches of its own; the result is in the order of `media`.

    Raises:
        UnsupportedModalityError: If the model lacks a modality, before anything is computed.
        MediaError: With `on_error="raise"`, for the first item of a modality that cannot be read, with its position
            among all.
    """
    done: dict[int, Outcome] = {}
    for modality, positions in _grouped(model, media).items():
        batches = Batches(model, modality, on_error=on_error)
        with placed_among(positions, len(media)):
            group = batches.embed([media[i] for i in positions], show_progress=show_progress)
        done.update(zip(positions, group, strict=True))
    return [done[position] for position in range(len(media))]


async def aembed_mixed(
    model: Model, media: Sequence[Media], *, show_progress: bool = False, on_error: OnError = "raise"
) -> list[Outcome]:
    """Like `embed_mixed`, off the event loop."""
    done: dict[int, Outcome] = {}
    for modality, positions in (await asyncio.to_thread(_grouped, model, media)).items():
        batches = Batches(model, modality, on_error=on_error)
        with placed_among(positions, len(media)):
            group = await batches.aembed([media[i] for i in positions], show_progress=show_progress)
        done.update(zip(positions, group, strict=True))
    return [done[position] for position in range(len(media))]


def vectors_of(outcomes: Sequence[Outcome]) -> list[Embedding]:
    """Return the vectors of inputs.

    Raises:
        MediaError: If one of them failed.
    """
    vectors = []
    for one in outcomes:
        if isinstance(one, MediaError):
            raise one
        vectors.append(one.vector)
    return vectors


@contextmanager
def placed(start: int, total: int) -> Iterator[None]:
    """Count the position in an error from the start of the whole call; an error without one happened at the start."""
    with placed_among(range(start, total), total):
        yield


def _labels(media: list[Media]) -> list[str]:
    """What events call the inputs: texts themselves, media by their source; never bytes."""
    return [one.decode() if one.modality == "text" else one.source for one in media]


def _grouped(model: Model, media: Sequence[Media]) -> dict[Modality, list[int]]:
    groups: dict[Modality, list[int]] = {}
    for position, one in enumerate(media):
        groups.setdefault(one.modality, []).append(position)
    for modality in groups:
        model.space.encoder(modality)
    return groups


def _known(stored: dict[str, Any]) -> dict[str, Outcome]:
    return {key: Embedded(**value) for key, value in stored.items() if value is not None}


def _outcomes(batch: Batch) -> list[Outcome]:
    """What became of each item of a batch, in order."""
    done: dict[int, Outcome] = {error.position or 0: error for error in batch.failed}
    vectors: list[Embedding] = batch.vectors.tolist()
    for position, vector, text in zip(batch.kept, vectors, batch.descriptions, strict=True):
        done[position] = Embedded(vector, text)
    return [done[position] for position in range(len(done))]
