# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Embeds a query that is an image, a recording or a video."""

from pathlib import Path
from typing import Any

from haystack import component
from haystack.dataclasses import ByteStream, FileContent, ImageContent
from haystack.utils import ComponentDevice, Secret
from haystack_integrations.common.senseweave.components import keep_parameters
from haystack_integrations.common.senseweave.embeddings import SpaceComponent
from haystack_integrations.common.senseweave.loading import source_to_media

import senseweave as sw
from senseweave.interop import MODALITIES, Modality, check_choice, in_thread


@component
class SenseweaveMediaEmbedder(SpaceComponent):
    """Embeds an image, a recording or a video as a query, so that it connects to any embedding retriever.

    ### Usage example

    ```python
    from haystack.dataclasses import ByteStream
    from haystack_integrations.components.embedders.senseweave import SenseweaveMediaEmbedder

    embedder = SenseweaveMediaEmbedder(model="starter")
    # embedder.run(media="photo.jpg")["embedding"]
    # embedder.run(media=ByteStream(data=jpeg_bytes))["embedding"]
    ```
    """

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
        root_path: str | Path | None = None,
        network: bool = False,
        modality: Modality | None = None,
    ) -> None:
        """Create the component; nothing is loaded yet.

        :param model: A name that `senseweave.load` takes: `starter`, a hub id, a local folder, or `scheme:name`.
        :param dimensions: How many leading dimensions to keep, for models trained to allow it.
        :param normalize: Whether embeddings have length 1; what the model was saved with if None.
        :param device: Where the model runs. If None, senseweave chooses when the model is loaded.
        :param api_key: Key of a model behind an API, as `Secret.from_env_var(...)`; its usual variable if None.
        :param load_options: Further options of `senseweave.load` for this family of models.
        :param root_path: Files must lie under this folder (links resolved), the base of relative paths; None: anywhere.
        :param network: Whether a query may be an http or https URL.
        :param modality: `image`, `audio` or `video`; detected from the content if None.
        :raises ValueError: If the modality does not exist.
        """
        if modality is not None:
            check_choice("modality", modality, MODALITIES)
        self.embeds = (modality,) if modality is not None else ("image", "audio", "video")
        self._prepare()

    @component.output_types(embedding=list[float])
    def run(self, media: str | Path | ByteStream | ImageContent | FileContent) -> dict[str, Any]:
        """Embed one image, recording or video.

        :param media: A path, a permitted URL, or a container of bytes. A long recording or video gives the mean of the
            embeddings of its windows.
        :returns: A dictionary with `embedding`, a list of floats.
        :raises TypeError: If `media` is of another type.
        :raises senseweave.MediaError: If it cannot be read.
        :raises senseweave.UnsupportedModalityError: If the model lacks its modality.
        """
        return {"embedding": self.embed_media(self._media(media))}

    @component.output_types(embedding=list[float])
    async def run_async(self, media: str | Path | ByteStream | ImageContent | FileContent) -> dict[str, Any]:
        """Like `run`, off the event loop; queries that wait at the same time become one batch."""
        return {"embedding": await self.embed_media_async(await in_thread(self._media, media))}

    def _media(self, media: Any) -> sw.Media:
        if not isinstance(media, str | Path | ByteStream | ImageContent | FileContent):
            msg = (
                "SenseweaveMediaEmbedder expects a path, URL, ByteStream, ImageContent or FileContent as input, "
                f"not {type(media).__name__}. To embed words, use the SenseweaveTextEmbedder; "
                "to embed a list of Documents, use the SenseweaveDocumentEmbedder."
            )
            raise TypeError(msg)
        return source_to_media(media, policy=self._policy, modality=self.modality)
