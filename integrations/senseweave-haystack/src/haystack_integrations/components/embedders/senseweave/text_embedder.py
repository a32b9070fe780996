# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Embeds a text query."""

from typing import Any

from haystack import component, default_from_dict, default_to_dict
from haystack.utils import ComponentDevice, Secret
from haystack_integrations.common.senseweave.space import SpaceComponent

import senseweave as sw


@component
class SenseweaveTextEmbedder(SpaceComponent):
    """Embeds a string, as a query, with any model that senseweave loads.

    The embedding can be compared with those of SenseweaveDocumentEmbedder of the same model, whatever the modality of
    the Document: with the default model a question finds texts, photographs, recordings and videos.

    ### Usage example

    ```python
    from haystack_integrations.components.embedders.senseweave import SenseweaveTextEmbedder

    embedder = SenseweaveTextEmbedder(model="starter")
    embedding = embedder.run(text="a dog on the grass")["embedding"]
    print(len(embedding))  # 384
    ```
    """

    def __init__(
        self,
        *,
        model: str = "starter",
        dimensions: int | None = None,
        normalize: bool = True,
        device: ComponentDevice | None = None,
        api_key: Secret | None = None,
        load_options: dict[str, Any] | None = None,
    ) -> None:
        """Create the component; nothing is loaded yet.

        :param model: A name that `senseweave.load` takes: `starter`, a hub id, a local folder, or `scheme:name`.
        :param dimensions: Keep only so many leading dimensions, for models trained to allow it.
        :param normalize: Whether embeddings have length 1.
        :param device: Where the model runs. If None, senseweave picks the best there is when the model is loaded.
        :param api_key: Key of a model behind an API, as `Secret.from_env_var(...)`. Without it, such a model reads the
            variable that is usual for it.
        :param load_options: Further options of `senseweave.load` for this family of models, for example `max_length`.
        """
        self._configure(
            model=model,
            dimensions=dimensions,
            normalize=normalize,
            device=device,
            api_key=api_key,
            load_options=load_options,
        )

    def to_dict(self) -> dict[str, Any]:
        """Serialize the component.

        :returns: A dictionary with every parameter.
        """
        return default_to_dict(self, **self._space_parameters())

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "SenseweaveTextEmbedder":
        """Deserialize the component.

        :param data: What `to_dict` returned.
        :returns: The component.
        """
        return default_from_dict(cls, data)

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, Any]:
        """Embed one text.

        :param text: The query. It is taken as text whatever it looks like: never opened, never fetched.
        :returns: A dictionary with `embedding`, a list of floats.
        :raises TypeError: If `text` is not a string.
        """
        self._check(text)
        return {"embedding": self.embed_media(sw.Text(text))}

    @component.output_types(embedding=list[float])
    async def run_async(self, text: str) -> dict[str, Any]:
        """Embed one text off the event loop; queries that wait together are computed as one batch.

        :param text: The query. It is taken as text whatever it looks like: never opened, never fetched.
        :returns: A dictionary with `embedding`, a list of floats.
        :raises TypeError: If `text` is not a string.
        """
        self._check(text)
        return {"embedding": await self.embed_media_async(sw.Text(text))}

    @staticmethod
    def _check(text: Any) -> None:
        if not isinstance(text, str):
            msg = (
                f"SenseweaveTextEmbedder expects a string as input, not {type(text).__name__}. "
                "To embed a list of Documents, use the SenseweaveDocumentEmbedder; "
                "to embed an image, a recording or a video as a query, use the SenseweaveMediaEmbedder."
            )
            raise TypeError(msg)
