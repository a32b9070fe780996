# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle that every component with a model has: nothing at construction, loaded once, let go on request."""

import asyncio
import os
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
from haystack.utils import ComponentDevice, Secret
from haystack.utils.auth import EnvVarSecret

import senseweave as sw


class SpaceComponent:
    """Base of the components that embed. The space is loaded by `warm_up` or on first use, whichever comes first.

    Components of equal settings share one space, and so one model in memory. What may be read is no part of it: each
    component puts its own policy on the media that it makes.
    """

    def _configure(
        self,
        *,
        model: str,
        dimensions: int | None,
        normalize: bool,
        device: ComponentDevice | None,
        api_key: Secret | None,
        load_options: dict[str, Any] | None,
    ) -> None:
        """Keep the settings; the components call this from `__init__`.

        The decorator `component` rebuilds the class, which breaks `super()` inside it; hence a method of its own.
        """
        self.model = model
        self.dimensions = dimensions
        self.normalize = normalize
        self.device = device
        self.api_key = api_key
        self.load_options = dict(load_options or {})
        self._space: sw.Space | None = None
        self._space_lock = Lock()

    def _space_parameters(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "dimensions": self.dimensions,
            "normalize": self.normalize,
            "device": self.device,
            "api_key": self.api_key,
            "load_options": self.load_options,
        }

    def warm_up(self) -> None:
        """Load the space. Calling it again does nothing."""
        self._loaded()

    async def warm_up_async(self) -> None:
        """Load the space in a thread, so that the event loop goes on. Calling it again does nothing."""
        if self._space is None:
            await asyncio.to_thread(self._loaded)

    def close(self) -> None:
        """Let the space go; its model is freed when no other component uses it. The next run loads it again."""
        with self._space_lock:
            space, self._space = self._space, None
            if space is None:
                return
            with _holders_lock:
                holders = _holders[space]
                holders.discard(self)
                last = not holders
            if last:
                space.close()

    async def close_async(self) -> None:
        """Like `close`, in a thread."""
        await asyncio.to_thread(self.close)

    def embed_media(self, media: sw.Media) -> list[float]:
        """Embed one media as a query.

        :param media: The media.
        :returns: Its embedding.
        :raises senseweave.UnsupportedModalityError: If the model lacks its modality.
        """
        return _floats(self._loaded().embed([media], role="query"))

    async def embed_media_async(self, media: sw.Media) -> list[float]:
        """Embed one media as a query off the event loop; queries that wait together are computed as one batch.

        :param media: The media.
        :returns: Its embedding.
        :raises senseweave.UnsupportedModalityError: If the model lacks its modality.
        """
        await self.warm_up_async()
        return _floats(await self._loaded().aembed([media], role="query"))

    def _loaded(self) -> sw.Space:
        with self._space_lock:
            if self._space is None:
                options = dict(self.load_options)
                if self.device is not None:
                    options["device"] = self.device.to_torch_str()
                if self.api_key is not None:
                    options["key_variable"] = _key_variable(self.api_key)
                space = sw.load(
                    self.model,
                    dimensions=self.dimensions,
                    normalize=self.normalize,
                    **options,
                )
                with _holders_lock:
                    _holders.setdefault(space, WeakSet()).add(self)
                self._space = space
            return self._space

    async def _loaded_async(self) -> sw.Space:
        await self.warm_up_async()
        return self._loaded()


def _key_variable(api_key: Secret) -> str:
    """Return the environment variable that holds a key: senseweave's models read it from there when they are asked.

    :param api_key: The secret.
    :returns: The first of its variables that is set.
    :raises ValueError: If none is set, or the secret is a token, which no model takes.
    """
    if not isinstance(api_key, EnvVarSecret):
        msg = "senseweave reads keys from the environment alone: give api_key as Secret.from_env_var('NAME')"
        raise ValueError(msg)
    names: list[str] = api_key.to_dict()["env_vars"]
    api_key.resolve_value()  # raises where none is set
    return next((name for name in names if os.environ.get(name) is not None), names[0])


def _floats(vectors: np.ndarray) -> list[float]:
    embedding: list[float] = vectors[0].tolist()
    return embedding


_holders: WeakKeyDictionary[sw.Space, WeakSet[SpaceComponent]] = WeakKeyDictionary()
_holders_lock = Lock()
"""Which components use each space, so that closing one pipeline does not unload the model of another."""
