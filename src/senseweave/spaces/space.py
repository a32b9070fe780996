"""A space: an encoder per modality, all of one dimension, whose vectors can be compared with each other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from senseweave.concurrency import in_thread_if_many
from senseweave.encoders.base import Encoder, Role, Similarity
from senseweave.encoders.observation import MediaDescription
from senseweave.encoders.runtime.model_files import ModelFiles
from senseweave.errors import MediaError, UnsupportedModalityError, placed_among
from senseweave.media import MODALITIES, Media, MediaPolicy, Modality, Text
from senseweave.media.collecting import as_media
from senseweave.media.fused import Fused
from senseweave.progress import Counter
from senseweave.redaction import quoted
from senseweave.spaces.batch import (
    Batch,
    check_choices,
    compare,
    group_by_modality,
    layer_norm,
    merge_batches,
    unit_rows,
)
from senseweave.spaces.cache import VectorCache
from senseweave.spaces.coalescing import Coalescer
from senseweave.spaces.describing import describe_all
from senseweave.spaces.devices import Devices, Replica
from senseweave.spaces.engine import Engine, OnError
from senseweave.spaces.fast_decoding import decoded_at_least
from senseweave.spaces.fused import encode_fused

FINGERPRINT_VERSION = 1
"""Raised whenever the same model and options would give other vectors than before."""


class Space:
    """Encoders whose vectors can be compared with each other.

    Created by `senseweave.load`. Safe to use from several threads; pickled by name and options, without weights.

    Attributes:
        name: Its name in errors and hits.
        encoders: The encoder of each modality; where there are several devices, on the first.
        devices: The devices among which batches are dealt; empty where there is one.
    """

    def __init__(
        self,
        name: str,
        encoders: Mapping[Modality, Encoder],
        *,
        normalize: bool | None = None,
        dimensions: int | None = None,
        cache_size: int = 4096,
        policy: MediaPolicy | None = None,
        recipe: tuple[Any, ...] | None = None,
        replicas: Sequence[Replica] = (),
    ) -> None:
        """Combine encoders of one dimension.

        Args:
            name: The name of the space in errors and hits.
            encoders: The encoder of each modality.
            normalize: Whether vectors have length 1; None for what the encoders say by their `similarity`.
            dimensions: How many leading dimensions to keep (Matryoshka truncation); None for what the encoders say.
            cache_size: How many finished vectors to keep, so that none is computed twice; 0 for none.
            policy: What may be read when media come as paths, URLs or bytes.
            recipe: How `pickle` builds the space again: `(function, arguments, keywords)`.
            replicas: The same encoders on each of several devices, the first replica being `encoders`; none where
                there is one device.

        Raises:
            ValueError: If there are no encoders.
        """
        if not encoders:
            msg = f"space {name} has no encoders; pass at least one"
            raise ValueError(msg)
        self.name = name
        self.encoders = {modality: encoders[modality] for modality in MODALITIES if modality in encoders}
        first = next(iter(self.encoders.values()))
        self.normalize = first.similarity == "cosine" if normalize is None else normalize
        self.similarity_fn: Similarity = "cosine" if self.normalize else first.similarity
        self.dimensions = first.usual_dimensions if dimensions is None else dimensions
        self.policy = policy or MediaPolicy()
        self._recipe = recipe
        self.devices = tuple(replica.device for replica in replicas)
        self._further = [replica.encoders for replica in replicas[1:]]
        self._engine = Engine(self._finish, VectorCache(cache_size), Devices(replicas))
        run = partial(self._run, on_error="skip", progress=None)
        self._coalescer = Coalescer(run, workers=max(1, len(self.devices)))
        self._files = ModelFiles(name, {modality: encoder.identity for modality, encoder in self.encoders.items()})
        self._fingerprint: str | None = None

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that can be embedded, in the order text, image, audio, video."""
        return tuple(self.encoders)

    @property
    def dimension(self) -> int:
        """The length of every vector of the space."""
        first = self.modalities[0]
        self._files.note(first)
        full = self.encoders[first].dimension
        if self.dimensions is None:
            return full
        if not 0 < self.dimensions <= full:
            msg = f"dimensions must be between 1 and {full} for {self.name}, not {self.dimensions}"
            raise ValueError(msg)
        return self.dimensions

    @property
    def max_length(self) -> int | None:
        """The most tokens of a text that the model reads; None if there is no limit or no text encoder."""
        if "text" not in self.encoders:
            return None
        self._files.note("text")
        return self.encoders["text"].max_length

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that are equal for spaces whose vectors can be compared, and for no others.

        Raises:
            ModelError: If the files of a model have changed since it was loaded.
        """
        if self._fingerprint is None:
            described = {
                "version": FINGERPRINT_VERSION,
                "dimension": self.dimension,
                "normalize": self.normalize,
                **({"layer_norm": True} if self._norms_before_cut else {}),
                **({"fast_decode": smaller} if (smaller := decoded_at_least(self.encoders)) else {}),
                "encoders": self._files.identity(),
            }
            canonical = json.dumps(described, sort_keys=True, default=str)
            self._fingerprint = hashlib.sha256(canonical.encode()).hexdigest()[:16]
        return self._fingerprint

    def embed_text(
        self,
        texts: Sequence[str | Text],
        *,
        role: Role = "document",
        on_error: OnError = "raise",
        progress: Counter | None = None,
    ) -> np.ndarray:
        """Embed strings; each is taken as text, even if it looks like a path or URL.

        Args:
            texts: The texts; a single string is an error, because each letter of it would be embedded as a text.
            role: `query` or `document`; families with prompts prepend the prompt of the role.
            on_error: `raise`, or `skip` to leave out items that cannot be embedded.
            progress: Called with (items done, items in all).

        Returns:
            Shape (n, dimension), float32; rows have length 1 unless the space was loaded with `normalize=False`.

        Raises:
            TypeError: If `texts` is a single string, or an item is not a string.
            UnsupportedModalityError: If the space has no text encoder.
        """
        return self._embed_one("text", texts, role, on_error, progress)

    def embed_image(
        self,
        images: Sequence[Any],
        *,
        role: Role = "document",
        on_error: OnError = "raise",
        progress: Counter | None = None,
    ) -> np.ndarray:
        """Embed images: paths, data URIs, bytes, file objects, PIL images, arrays or `senseweave.Image`.

        Arguments, result and errors are those of `embed_text`; `MediaError` names an image that cannot be read.
        """
        return self._embed_one("image", images, role, on_error, progress)

    def embed_audio(
        self,
        audio: Sequence[Any],
        *,
        role: Role = "document",
        on_error: OnError = "raise",
        progress: Counter | None = None,
    ) -> np.ndarray:
        """Embed recordings, one vector each; a long recording gets the normalized mean of its windows.

        Items are paths, data URIs, bytes, file objects, `(samples, sampling_rate)` or `senseweave.Audio`.
        """
        return self._embed_one("audio", audio, role, on_error, progress)

    def embed_video(
        self,
        videos: Sequence[Any],
        *,
        role: Role = "document",
        on_error: OnError = "raise",
        progress: Counter | None = None,
    ) -> np.ndarray:
        """Embed videos, one vector each; a long video gets the normalized mean of its segments."""
        return self._embed_one("video", videos, role, on_error, progress)

    def embed(
        self,
        media: Sequence[Media],
        *,
        role: Role = "document",
        on_error: OnError = "raise",
        progress: Counter | None = None,
    ) -> np.ndarray:
        """Embed media of several modalities in one call; rows are in the order of `media`."""
        return self.encode(media, role=role, on_error=on_error, progress=progress).vectors

    def encode(
        self,
        media: Sequence[Media],
        *,
        role: Role = "document",
        on_error: OnError = "raise",
        progress: Counter | None = None,
    ) -> Batch:
        """Embed media of any of the space's modalities, and report on each: descriptions, truncation, failures.

        Raises:
            TypeError: If an item is not `Media`.
            UnsupportedModalityError: If the space does not embed an item's modality; nothing is computed then.
            MediaError: With `on_error="raise"`, for the first item that cannot be read.
        """
        check_choices(role, on_error)
        groups = group_by_modality(media, self.encoder)
        if len(groups) == 1:
            (modality,) = groups
            return self._run(modality, media, role, on_error, progress)
        batches = {}
        for modality, positions in groups.items():
            with placed_among(positions, len(media)):
                batches[modality] = self._run(modality, [media[i] for i in positions], role, on_error, None)
        return merge_batches(groups, batches, len(media), self.dimension)

    def describe(
        self, media: Sequence[Media], *, tags: int = 10, on_error: OnError = "raise"
    ) -> list[MediaDescription]:
        """Return what the space's bridges and classifiers say of media, as data rather than as vectors.

        Args:
            media: Images, recordings or videos; text says itself.
            tags: How many classes are named for an image or a window, at most.
            on_error: `raise`, or `skip` to leave out media that cannot be read.

        A model on several devices describes on the first.

        Returns:
            A description for each media: tags with scores, captions or text in images, transcripts with the times of
            their words and the language, by windows of the source.

        Raises:
            TypeError: If an item is not `Media`.
            UnsupportedModalityError: If the space has no bridge or classifier for a modality; nothing is computed then.
            MediaError: With `on_error="raise"`, for the first media that cannot be read.
        """
        check_choices("document", on_error)
        group_by_modality(media, self.encoder)
        return describe_all(self.name, self.encoders, media, tags, on_error)

    async def aembed_text(
        self, texts: Sequence[str | Text], *, role: Role = "document", on_error: OnError = "raise"
    ) -> np.ndarray:
        """Like `embed_text`, off the event loop; requests that wait together are computed as one batch."""
        return await self._aembed_one("text", texts, role, on_error)

    async def aembed_image(
        self, images: Sequence[Any], *, role: Role = "document", on_error: OnError = "raise"
    ) -> np.ndarray:
        """Like `embed_image`, off the event loop."""
        return await self._aembed_one("image", images, role, on_error)

    async def aembed_audio(
        self, audio: Sequence[Any], *, role: Role = "document", on_error: OnError = "raise"
    ) -> np.ndarray:
        """Like `embed_audio`, off the event loop."""
        return await self._aembed_one("audio", audio, role, on_error)

    async def aembed_video(
        self, videos: Sequence[Any], *, role: Role = "document", on_error: OnError = "raise"
    ) -> np.ndarray:
        """Like `embed_video`, off the event loop."""
        return await self._aembed_one("video", videos, role, on_error)

    async def aembed(
        self, media: Sequence[Media], *, role: Role = "document", on_error: OnError = "raise"
    ) -> np.ndarray:
        """Like `embed`, off the event loop."""
        return (await self.aencode(media, role=role, on_error=on_error)).vectors

    async def aencode(self, media: Sequence[Media], *, role: Role = "document", on_error: OnError = "raise") -> Batch:
        """Like `encode`, off the event loop."""
        import asyncio

        check_choices(role, on_error)
        groups = await in_thread_if_many(media, group_by_modality, media, self.encoder)
        futures = {
            modality: asyncio.wrap_future(self._coalescer.submit(modality, [media[i] for i in positions], role))
            for modality, positions in groups.items()
        }
        await asyncio.gather(*futures.values())
        batches = {modality: future.result() for modality, future in futures.items()}
        merged = await in_thread_if_many(media, merge_batches, groups, batches, len(media), self.dimension)
        if on_error == "raise" and merged.failed:
            raise merged.failed[0]
        return merged

    def similarity(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the similarity of every row of `a` with every row of `b`, shape (len(a), len(b)), float32.

        It is the cosine, or for a space whose vectors keep their length, what its model was trained with
        (`similarity_fn`): the dot product, or the negative Euclidean or Manhattan distance.

        Raises:
            TypeError: If texts are given in place of vectors.
            ValueError: If the dimensions differ.
        """
        return compare(a, b, self.similarity_fn)

    def info(self) -> dict[str, Any]:
        """Return what the space is and what computes it, as plain values; loads the models of its texts and images.

        Returns:
            `name`, `modalities`, `dimension`, `fingerprint`, and by modality in `backends` the backend, its precision
            and threads, the plans that were timed, and the measured `loss` of a lower precision: the mean and the
            lowest cosine to vectors of float32. Where there are several devices, `devices` names them, and `backends`
            says what computes on the first.
        """
        for modality in self.modalities:
            self._files.note(modality)
        described = {modality: dict(encoder.describe_backend()) for modality, encoder in self.encoders.items()}
        return {
            "name": self.name,
            "modalities": list(self.modalities),
            "dimension": self.dimension,
            "fingerprint": self.fingerprint,
            **({"devices": list(self.devices)} if self.devices else {}),
            "backends": {modality: facts for modality, facts in described.items() if facts},
        }

    def load(self, modalities: Modality | Iterable[Modality] | None = None) -> None:
        """Load the models now, so that the first request is as quick as later requests; loaded models stay loaded.

        Args:
            modalities: The modalities whose encoders to load; None for all of the space.

        Raises:
            UnsupportedModalityError: If the space lacks one of the modalities; nothing is loaded then.
            ModelError: If a model cannot be loaded, or its files have changed since it was loaded before.
        """
        named = (modalities,) if isinstance(modalities, str) else modalities
        chosen: Collection[Modality] = self.modalities if named is None else tuple(named)
        chosen_replicas = [self.replicas(modality) for modality in chosen]
        self._engine.devices.check()
        self._files.check_once(chosen)
        for replicas in chosen_replicas:
            for device, encoder in enumerate(replicas):
                with self._engine.devices.loading(device):
                    encoder.load()

    def close(self) -> None:
        """Free the models and forget cached vectors; the next use loads them again."""
        self._coalescer.close()
        self._engine.devices.close()
        self._engine.cache.clear()
        for encoders in (self.encoders, *self._further):
            for encoder in encoders.values():
                encoder.close()
        self._files.forget()

    def __enter__(self) -> Space:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Space({quoted(self.name)}, modalities={self.modalities})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._recipe is None:
            msg = f"cannot pickle space {self.name}: it was not created by senseweave.load"
            raise TypeError(msg)
        function, arguments, keywords = self._recipe
        return partial(function, **keywords), arguments

    def media(self, modality: Modality, item: Any) -> Media:
        """Return `item` as media of `modality`, read under the space's policy; `Media` are returned unchanged."""
        return as_media(modality, item, self.policy)

    def encoder(self, modality: Modality) -> Encoder:
        """Return the encoder of `modality`.

        Raises:
            UnsupportedModalityError: If the space does not embed it; the message names the modalities it embeds.
        """
        try:
            return self.encoders[modality]
        except KeyError:
            raise UnsupportedModalityError(self.name, modality, self.modalities) from None

    def replicas(self, modality: Modality) -> list[Encoder]:
        """Return the encoder of `modality` on each device; errors are those of `encoder`."""
        return [self.encoder(modality), *(encoders[modality] for encoders in self._further)]

    @cached_property
    def _norms_before_cut(self) -> bool:
        first = next(iter(self.encoders.values()))
        return self.dimensions is not None and self.dimension < first.dimension and first.layer_norm_before_cut

    def _as_media(self, modality: Modality, items: Sequence[Any], role: Role, on_error: OnError) -> list[Media]:
        check_choices(role, on_error)
        self.encoder(modality)
        is_array = isinstance(items, np.ndarray) and items.dtype != object
        if isinstance(items, (str, bytes, Path, Media)) or is_array or not isinstance(items, Iterable):
            msg = f"embed_{modality} takes a list of items; put the single {type(items).__name__} into a list"
            raise TypeError(msg)
        given, media = list(items), []
        for at, item in enumerate(given):
            try:
                media.append(self.media(modality, item))
            except MediaError as error:
                if on_error == "raise":
                    raise error.at(at, len(given)) from error
        return media

    def _embed_one(
        self, modality: Modality, items: Sequence[Any], role: Role, on_error: OnError, progress: Counter | None
    ) -> np.ndarray:
        media = self._as_media(modality, items, role, on_error)
        return self._run(modality, media, role, on_error, progress).vectors

    async def _aembed_one(self, modality: Modality, items: Sequence[Any], role: Role, on_error: OnError) -> np.ndarray:
        reads_nothing = modality == "text" and isinstance(items, Sequence)
        media = await in_thread_if_many(
            items if reads_nothing else None, self._as_media, modality, items, role, on_error
        )
        return (await self.aencode(media, role=role, on_error=on_error)).vectors

    def _run(
        self, modality: Modality, media: Sequence[Media], role: Role, on_error: OnError, progress: Counter | None
    ) -> Batch:
        replicas = self.replicas(modality)
        if any(isinstance(item, Fused) for item in media):
            encode = partial(self.encode, role=role, on_error="skip")
            return encode_fused(media, encode, self._unit, on_error=on_error, progress=progress)
        self._files.check_once((modality,))
        return self._engine.run(
            replicas, media, role=role, dimension=self.dimension, on_error=on_error, progress=progress
        )

    def _finish(self, vectors: np.ndarray) -> np.ndarray:
        """Truncate and normalize raw vectors."""
        if self.dimensions is not None:
            vectors = layer_norm(vectors) if self._norms_before_cut else vectors
            vectors = vectors[:, : self.dimension]
        return self._unit(vectors)

    def _unit(self, vectors: np.ndarray) -> np.ndarray:
        return unit_rows(vectors) if self.normalize else vectors
