# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle of every component with a model: nothing at construction, loaded once, released by `close`."""

import os
from copy import deepcopy
from typing import Any, Self
from weakref import WeakKeyDictionary, WeakSet

from haystack import default_from_dict
from haystack.utils import ComponentDevice, Secret
from haystack.utils.auth import EnvVarSecret
from haystack_integrations.common.senseweave.components import Lifecycle, keep_parameters

import senseweave as sw
from senseweave.interop import (
    DIRECT,
    MODALITIES,
    OFF_LOOP,
    Lock,
    Modality,
    Steps,
    check_recorded,
    in_thread,
    remember,
    run_direct,
    without_secret_options,
)


class SpaceComponent(Lifecycle):
    """Base of the components that embed. The space is loaded by `warm_up` or on first use, whichever comes first.

    Components of equal settings share one space, and so one model in memory. What may be read is not part of the
    settings: each component gives its own policy to the media that it makes.
    """

    embeds: tuple[Modality, ...] = MODALITIES
    """Modalities that the component embeds, as far as the model can: `warm_up` loads their encoders."""
    model: str
    dimensions: int | None = None
    normalize: bool | None = None
    device: ComponentDevice | None
    api_key: Secret | None

    @keep_parameters
    def __init__(
        self,
        *,
        model: str = "starter",
        dimensions: int | None = None,
        normalize: bool | None = None,
        device: ComponentDevice | None = None,
        api_key: Secret | None = None,
        load_options: dict[str, Any] | None = None,
    ) -> None:
        """Create the component; nothing is loaded yet.

        :param model: A name that `senseweave.load` takes: `starter`, a hub id, a local folder, or `scheme:name`.
        :param dimensions: How many leading dimensions to keep, for models trained to allow it.
        :param normalize: Whether embeddings have length 1; what the model was saved with if None.
        :param device: Where the model runs; several devices share the work. If None, senseweave chooses when the model
            is loaded.
        :param api_key: Key of a model behind an API, as `Secret.from_env_var(...)`; its usual variable if None.
        :param load_options: Further options of `senseweave.load` for this family, for example `max_length`.
        :raises TypeError: If `device` is not a `ComponentDevice`, or `api_key` not a `Secret`.
        :raises ValueError: If `load_options` hold a key, which would be written to YAML.
        """
        self._prepare()

    def _prepare(self) -> None:
        """Check the parameters of the model, which every constructor lets this do, and hold no space yet."""
        if self.device is not None and not isinstance(self.device, ComponentDevice):
            msg = f"device must be a ComponentDevice, such as ComponentDevice.from_str('cuda:0'), not {self.device!r}"
            raise TypeError(msg)
        if self.api_key is not None and not isinstance(self.api_key, Secret):
            msg = f"api_key must be a Secret, such as Secret.from_env_var('NAME'), not {type(self.api_key).__name__}"
            raise TypeError(msg)
        self.load_options: dict[str, Any] = dict(self.load_options or {})
        if without_secret_options(self.load_options) != self.load_options:
            msg = (
                "load_options are written to YAML as they are, and must not hold a key, a token, a password or a URL "
                "with one; give the key as api_key=Secret.from_env_var('NAME')"
            )
            raise ValueError(msg)
        self._space: sw.Space | None = None
        self._space_lock = Lock()
        remember(self.model, self.load_options)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Deserialize the component, if its model asks for nothing that only the caller can allow.

        :param data: What `to_dict` returned, or what a YAML file says.
        :returns: The component.
        :raises senseweave.TrustError: If its model runs code, sends to a server, is downloaded, or lies at a path that
            this user has never named. `with senseweave.trust("server"):` or the environment variable
            `SENSEWEAVE_TRUST` allows it.
        """
        parameters = data.get("init_parameters", {})
        model = parameters.get("model", parameters.get("describe_with"))
        if model:
            check_recorded(f"the component {cls.__name__}", model, parameters.get("load_options"))
        return default_from_dict(cls, deepcopy(data))

    def warm_up(self) -> None:
        """Load the space and the weights of what the component embeds. Calling it again does nothing."""
        if not self._is_warm:
            space = self._loaded()
            # A model with none of them fails in `run`, whose error names what was given.
            space.load([modality for modality in space.modalities if modality in self.embeds])
            self._is_warm = True

    def close(self) -> None:
        """Release the space; its model is freed when no other component uses it. The next run loads it again."""
        with self._space_lock:
            space, self._space, self._is_warm = self._space, None, False
            if space is None:
                return
            with _holders_lock:
                holders = _holders[space]
                holders.discard(self)
                last = not holders
            if last:
                space.close()

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the space; only embeddings of equal fingerprints can be compared."""
        return self._loaded().fingerprint

    def embed_media(self, media: sw.Media) -> list[float]:
        """Embed one media as a query.

        :param media: The media.
        :returns: Its embedding.
        :raises senseweave.UnsupportedModalityError: If the model lacks its modality.
        """
        return run_direct(self._embed(DIRECT, media))

    async def embed_media_async(self, media: sw.Media) -> list[float]:
        """Like `embed_media`, off the event loop; queries that wait at the same time become one batch."""
        return await self._embed(OFF_LOOP, media)

    async def _embed(self, steps: Steps, media: sw.Media) -> list[float]:
        space = await steps.ask(self._loaded, self._loaded_async)
        vectors = await steps.ask(space.embed, space.aembed, [media], role="query")
        embedding: list[float] = vectors[0].tolist()
        return embedding

    def _loaded(self) -> sw.Space:
        with self._space_lock:
            if self._space is None:
                options = dict(self.load_options)
                if self.device is not None:
                    options["device"] = _device_names(self.device)
                if self.api_key is not None:
                    options["key_variable"] = _read_key_variable(self.api_key)
                space = sw.load(self.model, dimensions=self.dimensions, normalize=self.normalize, **options)
                with _holders_lock:
                    _holders.setdefault(space, WeakSet()).add(self)
                self._space = space
            return self._space

    async def _loaded_async(self) -> sw.Space:
        """Like `_loaded`, in a thread if something must be loaded: even the configuration is read from files."""
        return self._space if self._space is not None else await in_thread(self._loaded)


def _device_names(device: ComponentDevice) -> str | list[str]:
    """Return the name of a device as `senseweave.load` takes it, or those of several, in the order of their map.

    :param device: The device, or `ComponentDevice.from_multiple(DeviceMap({"first": ..., "second": ...}))`, whose keys
        mean nothing here.
    :returns: One name, or several.
    """
    if not device.has_multiple_devices:
        name: str = device.to_torch_str()
        return name
    devices = ComponentDevice.to_dict(device)["device_map"]
    return list(devices.values())


def _read_key_variable(api_key: Secret) -> str:
    """Return the environment variable that holds a key, from which senseweave's models read it at each request.

    :param api_key: The secret.
    :returns: The first of its variables that is set.
    :raises ValueError: If none is set, or the secret is a token, which no model takes.
    """
    if not isinstance(api_key, EnvVarSecret):
        msg = "senseweave reads keys from environment variables only: give api_key as Secret.from_env_var('NAME')"
        raise ValueError(msg)
    names: list[str] = api_key.to_dict()["env_vars"]
    api_key.resolve_value()  # raises where none is set
    return next((name for name in names if os.environ.get(name) is not None), names[0])


_holders: WeakKeyDictionary[sw.Space, WeakSet[SpaceComponent]] = WeakKeyDictionary()
_holders_lock = Lock()
"""The components that use each space, so that closing one pipeline does not unload the model of another."""
