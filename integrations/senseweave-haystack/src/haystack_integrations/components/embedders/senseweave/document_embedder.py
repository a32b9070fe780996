# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Embeds Documents of every modality, mixed in one call."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from haystack import Document, component, logging
from haystack.utils import ComponentDevice, Secret
from haystack_integrations.common.senseweave.components import check_list, keep_parameters
from haystack_integrations.common.senseweave.embeddings import SpaceComponent
from haystack_integrations.common.senseweave.items import document_to_media

import senseweave as sw
from senseweave.interop import (
    DIRECT,
    OFF_LOOP,
    EmbeddedItem,
    Steps,
    check_choice,
    embed_readable,
    keep_word_times,
    progress_bar,
    read_each,
    read_metadata,
    run_direct,
)

logger = logging.getLogger(__name__)

_INSTEAD = (
    "To embed a string, use the SenseweaveTextEmbedder; "
    "to embed one image, recording or video as a query, use the SenseweaveMediaEmbedder."
)


@component
class SenseweaveDocumentEmbedder(SpaceComponent):
    """Embeds Documents that hold text, images, audio or video, in one call and in their order.

    A Document is what `meta["modality"]` says; else what its blob holds; else text, if it has content; else what the
    file in `meta["file_path"]` or `meta["source"]` holds. `meta["start"]` and `meta["end"]` (seconds) or
    `meta["page"]` choose a part. `meta["fingerprint"]` then names the space of the embedding, so that retrievers can
    refuse embeddings of another.

    ### Usage example

    ```python
    from haystack import Document
    from haystack_integrations.components.embedders.senseweave import SenseweaveDocumentEmbedder

    embedder = SenseweaveDocumentEmbedder(model="starter")
    documents = [
        Document(content="The dog is asleep on the sofa."),
        Document(content="", meta={"file_path": "photo.jpg"}),
    ]
    # embedder.run(documents)["documents"][1].embedding
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
        file_path_meta_field: str = "file_path",
        meta_fields_to_embed: list[str] | None = None,
        embedding_separator: str = "\n",
        describe: bool = True,
        on_error: Literal["raise", "skip"] = "skip",
        progress_bar: bool = False,
    ) -> None:
        """Create the component; nothing is loaded yet.

        :param model: A name that `senseweave.load` takes: `starter`, a hub id, a local folder, or `scheme:name`.
        :param dimensions: How many leading dimensions to keep, for models trained to allow it.
        :param normalize: Whether embeddings have length 1; what the model was saved with if None.
        :param device: Where the model runs. If None, senseweave chooses when the model is loaded.
        :param api_key: Key of a model behind an API, as `Secret.from_env_var(...)`; its usual variable if None.
        :param load_options: Further options of `senseweave.load` for this family, for example `max_length`.
        :param root_path: Files must lie under this folder (links resolved), the base of relative paths; None: anywhere.
        :param network: Whether a Document may name an http or https URL.
        :param file_path_meta_field: The meta field that holds the path or URL of a Document's file.
        :param meta_fields_to_embed: Meta fields that are embedded together with the content of text Documents.
        :param embedding_separator: What stands between those fields and the content.
        :param describe: Whether a Document without content gets the transcript or labels that its embedding was made
            from, where the model makes them; without it a store like Chroma has nothing to show for it.
        :param on_error: `skip` leaves a Document that cannot be read out of `documents`, logs a warning and reports it
            in `failed`; or `raise`.
        :param progress_bar: Whether `run` shows a progress bar.
        :raises ValueError: If `on_error` is neither of these.
        """
        check_choice("on_error", on_error)
        self.meta_fields_to_embed = list(meta_fields_to_embed or [])
        self._prepare()

    @component.output_types(documents=list[Document], failed=list[dict[str, Any]])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        """Embed Documents.

        :param documents: Documents of any of the model's modalities; they are left as they are.
        :returns: A dictionary with `documents`, new Documents with embeddings in the order of the input, and `failed`,
            one entry with `id`, `source`, `position` and `reason` per Document that could not be read.
        :raises TypeError: If `documents` is not a list of Documents.
        :raises senseweave.MediaError: With `on_error="raise"`, for the first Document that cannot be read.
        :raises senseweave.UnsupportedModalityError: With `on_error="raise"`, if the model lacks a Document's modality.
        """
        return run_direct(self._run(DIRECT, documents))

    @component.output_types(documents=list[Document], failed=list[dict[str, Any]])
    async def run_async(self, documents: list[Document]) -> dict[str, Any]:
        """Like `run`, off the event loop and without a progress bar."""
        return await self._run(OFF_LOOP, documents)

    async def _run(self, steps: Steps, documents: list[Document]) -> dict[str, Any]:
        expected = "SenseweaveDocumentEmbedder expects a list of Documents as input"
        check_list(documents, Document, expected, _INSTEAD)
        space = await steps.ask(self._loaded, self._loaded_async)
        read = await steps.work(self._read, space, documents)
        shown = self.progress_bar and not steps.asynchronous
        with progress_bar("Embedding Documents", read, shown=shown) as progress:
            encode = partial(space.encode, progress=progress)

            async def embed(media: list[sw.Media]) -> list[EmbeddedItem | sw.MediaError]:
                batch = await steps.ask(encode, space.aencode, media, role="document", on_error=self.on_error)
                return batch.outcomes()

            outcomes = await embed_readable(read, embed)
        return self._result(documents, outcomes, space.fingerprint)

    def _read(self, space: sw.Space, documents: list[Document]) -> list[sw.Media | sw.SenseweaveError]:
        """Return the media of each Document, or the error because of which it has none."""

        def read(document: Document) -> sw.Media:
            media = document_to_media(
                document,
                policy=self._policy,
                file_path_meta_field=self.file_path_meta_field,
                meta_fields_to_embed=self.meta_fields_to_embed,
                embedding_separator=self.embedding_separator,
            )
            space.encoder(media.modality)
            return media

        return read_each(read, documents, on_error=self.on_error, catch=sw.SenseweaveError)

    def _result(
        self, documents: list[Document], outcomes: list[EmbeddedItem | sw.SenseweaveError], fingerprint: str
    ) -> dict[str, Any]:
        embedded, failed = [], []
        for position, (document, outcome) in enumerate(zip(documents, outcomes, strict=True)):
            if isinstance(outcome, sw.SenseweaveError):
                logger.warning("Document {id} is left out: {reason}", id=document.id, reason=str(outcome))
                failed.append(_failure(document, position, outcome))
            else:
                description = outcome.description if self.describe else None
                content = document.content or description or document.content
                span = read_metadata(document.meta).span
                meta = keep_word_times(description, span[0] if span else 0.0, document.meta)
                meta["fingerprint"] = fingerprint
                embedded.append(replace(document, embedding=outcome.vector, content=content, meta=meta))
        return {"documents": embedded, "failed": failed}


def _failure(document: Document, position: int, error: sw.SenseweaveError) -> dict[str, Any]:
    return {
        "id": document.id,
        "source": getattr(error, "source", f"Document {document.id[:12]}"),
        "position": position,
        "reason": getattr(error, "reason", str(error)),
    }
