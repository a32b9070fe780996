# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Embeds a text query."""

from typing import Any

from haystack import component
from haystack_integrations.common.senseweave.embeddings import SpaceComponent

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

    embeds = ("text",)

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
        """Like `run`, off the event loop; queries that wait at the same time become one batch."""
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
