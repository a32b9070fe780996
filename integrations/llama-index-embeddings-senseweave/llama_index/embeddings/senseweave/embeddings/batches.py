"""Runs an embedding call: in batches, with both kinds of events, through the cache and the rate limiter."""

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
from llama_index.embeddings.senseweave.items.nodes import as_media
from llama_index_instrumentation import get_dispatcher

from senseweave.interop import Batch, Media, MediaError, MediaPolicy, Modality, OnError, Role, placed_among

if TYPE_CHECKING:
    from senseweave.interop import Space

Embedding = list[float]

CACHE_COLLECTION = "embeddings"
"""The collection of an embeddings cache that LlamaIndex uses too; its keys differ from those made here."""

dispatcher = get_dispatcher(__name__)


class Embedded(NamedTuple):
    """The outcome of one input.

    Attributes:
        vector: Its vector.
        description: The transcript or label line from which an encoder made it, or None.
    """

    vector: Embedding
    description: str | None


Outcome: TypeAlias = Embedded | MediaError
"""The outcome of one input; an error only with `on_error="skip"`."""


class Model(Protocol):
    """What a call needs of its embedding model."""

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
        """Return the description of the model in events."""


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
        return require_vectors(self.embed(items, show_progress=show_progress))

    async def arun(self, items: Sequence[Any], *, show_progress: bool = False) -> list[Embedding]:
        """Return the vectors of `items`, see `aembed`."""
        return require_vectors(await self.aembed(items, show_progress=show_progress))

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
        """Embed like `embed`, off the event loop, `num_workers` of the model's batches at a time, or all at once."""
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
        return [outcome for batch in nested for outcome in batch]

    def compute(self, items: Sequence[Any]) -> list[Embedding]:
        """Return the vectors of one batch without events, cache or rate limit."""
        self._check_list(items)
        return require_vectors(self._encode(self._media(items)))

    async def acompute(self, items: Sequence[Any]) -> list[Embedding]:
        """Embed like `compute`, off the event loop."""
        self._check_list(items)
        return require_vectors(await self._aencode(await asyncio.to_thread(self._media, items)))

    def _check_list(self, items: Sequence[Any]) -> None:
        one_array = isinstance(items, np.ndarray) and items.dtype != object
        if (
            isinstance(items, str | bytes | bytearray | PathLike | Media)
            or one_array
            or not isinstance(items, Collection)
        ):
            msg = f"expected a list of {self.modality} inputs; put the single {type(items).__name__} into a list"
            raise TypeError(msg)

    def _run_batch(self, items: Sequence[Any], start: int, total: int) -> list[Outcome]:
        with self._events() as finished, locate_errors(start, total):
            media = self._media(items)
            done = self._cached(media)
            finished.append((_labels(media), done))
        return done

    async def _arun_batch(self, items: Sequence[Any], start: int, total: int) -> list[Outcome]:
        with self._events() as finished, locate_errors(start, total):
            media = await asyncio.to_thread(self._media, items)
            done = await self._acached(media)
            finished.append((await asyncio.to_thread(_labels, media), done))
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
            done = [(label, outcome.vector) for label, outcome in pairs if isinstance(outcome, Embedded)]
            chunks, embeddings = [label for label, _ in done], [vector for _, vector in done]
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
            for key, outcome in zip(missing, computed, strict=True):
                known[key] = outcome
                if isinstance(outcome, Embedded):
                    cache.put(key, outcome._asdict(), collection=CACHE_COLLECTION)
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
            for key, outcome in zip(missing, computed, strict=True):
                known[key] = outcome
                if isinstance(outcome, Embedded):
                    await cache.aput(key, outcome._asdict(), collection=CACHE_COLLECTION)
        return [known[key] for key in keys]

    def _media(self, items: Sequence[Any]) -> list[Media]:
        """Return the inputs as media, loading the space first: the slow part, so never on an event loop."""
        self.model.space.encoder(self.modality)
        media = []
        for position, item in enumerate(items):
            with locate_errors(position, len(items)):
                media.append(as_media(self.modality, item, self.model.media_policy))
        return media

    def _encode(self, media: list[Media]) -> list[Outcome]:
        return _outcomes(self.model.space.encode(media, role=self.role, on_error=self.on_error))

    async def _aencode(self, media: list[Media]) -> list[Outcome]:
        return _outcomes(await self.model.space.aencode(media, role=self.role, on_error=self.on_error))

    def _keys(self, media: list[Media]) -> list[str]:
        """Return cache keys that differ wherever model, options, modality, role, content or the part of it do."""
        shared = ("senseweave", self.model.space.fingerprint, self.modality, self.role)
        keys = []
        for position, item in enumerate(media):
            content: tuple[Any, ...]
            try:
                content = (*shared, item.sha256, item.span, item.page)
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
    model: Model,
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
    for modality, positions in _grouped(model, media).items():
        batches = Batches(model, modality, role, on_error=on_error)
        with placed_among(positions, len(media)):
            group = batches.embed([media[i] for i in positions], show_progress=show_progress)
        done.update(zip(positions, group, strict=True))
    return [done[position] for position in range(len(media))]


async def aembed_mixed(
    model: Model,
    media: Sequence[Media],
    role: Role = "document",
    *,
    show_progress: bool = False,
    on_error: OnError = "raise",
) -> list[Outcome]:
    """Embed like `embed_mixed`, off the event loop."""
    done: dict[int, Outcome] = {}
    for modality, positions in (await asyncio.to_thread(_grouped, model, media)).items():
        batches = Batches(model, modality, role, on_error=on_error)
        with placed_among(positions, len(media)):
            group = await batches.aembed([media[i] for i in positions], show_progress=show_progress)
        done.update(zip(positions, group, strict=True))
    return [done[position] for position in range(len(media))]


def require_vectors(outcomes: Sequence[Outcome]) -> list[Embedding]:
    """Return the vectors of inputs.

    Raises:
        MediaError: If an input failed.
    """
    vectors = []
    for outcome in outcomes:
        if isinstance(outcome, MediaError):
            raise outcome
        vectors.append(outcome.vector)
    return vectors


@contextmanager
def locate_errors(start: int, total: int) -> Iterator[None]:
    """Count the position in an error from the start of the whole call; an error without a position is at the start."""
    with placed_among(range(start, total), total):
        yield


def _labels(media: list[Media]) -> list[str]:
    """Return the names of inputs in events: texts themselves, media by their source; never bytes."""
    return [item.decode() if item.modality == "text" else item.source for item in media]


def _grouped(model: Model, media: Sequence[Media]) -> dict[Modality, list[int]]:
    groups: dict[Modality, list[int]] = {}
    for position, item in enumerate(media):
        groups.setdefault(item.modality, []).append(position)
    for modality in groups:
        model.space.encoder(modality)
    return groups


def _known(stored: dict[str, Any]) -> dict[str, Outcome]:
    return {key: Embedded(**value) for key, value in stored.items() if value is not None}


def _outcomes(batch: Batch) -> list[Outcome]:
    """Return the outcome of each item of a batch, in order."""
    done: dict[int, Outcome] = {error.position or 0: error for error in batch.failed}
    vectors: list[Embedding] = batch.vectors.tolist()
    for position, vector, text in zip(batch.kept, vectors, batch.descriptions, strict=True):
        done[position] = Embedded(vector, text)
    return [done[position] for position in range(len(done))]
