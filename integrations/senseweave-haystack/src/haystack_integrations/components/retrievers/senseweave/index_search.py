# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Searches an index of senseweave and returns its hits as Documents."""

import asyncio
from pathlib import Path
from threading import Lock
from typing import Any

from haystack import Document
from haystack_integrations.common.senseweave.items import hit_to_document
from haystack_integrations.components.retrievers.senseweave.filters import for_index

import senseweave as sw
from senseweave.interop import Modality


class IndexSearch:
    """An index, opened when it is first needed."""

    def __init__(
        self,
        index: str | Path | sw.Index | None,
        modalities: list[Modality] | None,
        fusion: str | None,
        weights: dict[str, float] | None,
    ) -> None:
        self._given = index
        self._modalities = modalities
        self._fusion = fusion
        self._weights = weights
        self._index: sw.Index | None = None
        self._opening = Lock()

    def warm_up(self) -> None:
        """Open the index and load what embeds questions in its spaces."""
        for space in self._opened().spaces.values():
            space.load([modality for modality in space.modalities if modality == "text"])

    async def warm_up_async(self) -> None:
        """Like `warm_up`, in a thread."""
        if self._index is None:
            await asyncio.to_thread(self.warm_up)

    def close(self) -> None:
        """Close the index if it was opened here; one that was given open belongs to whoever opened it."""
        with self._opening:
            index, self._index = self._index, None
        if index is not None and index is not self._given:
            index.close()

    def place(self) -> str:
        """Return the folder of the index.

        :raises ValueError: If it is open on a Chroma client instead.
        """
        if not isinstance(self._given, sw.Index):
            return str(self._given)
        info = self._given.info()
        if info["bytes"] is None:
            msg = "an index that is open on a Chroma client cannot be serialized; give the folder of the index"
            raise ValueError(msg)
        return str(info["place"])

    def calibrate(self, documents: dict[str, list[Document]], queries: list[str] | None) -> dict[str, dict[str, Any]]:
        """Refuse: an index calibrates itself when media are added."""
        msg = "an index calibrates itself when media are added"
        raise ValueError(msg)

    def run(self, query: str | sw.Media, top_k: int, filters: dict[str, Any] | None) -> list[Document]:
        """Return the best Documents of the index, best first."""
        hits = self._opened().search(
            query,
            top_k,
            modalities=self._modalities,
            filter=for_index(filters),
            fusion=self._fusion,
            weights=self._weights,
        )
        return [hit_to_document(hit) for hit in hits]

    async def run_async(self, query: str | sw.Media, top_k: int, filters: dict[str, Any] | None) -> list[Document]:
        """Like `run`, in a thread."""
        return await asyncio.to_thread(self.run, query, top_k, filters)

    def _opened(self) -> sw.Index:
        with self._opening:
            if self._index is None:
                self._index = self._given if isinstance(self._given, sw.Index) else sw.Index.open(self._given)
            return self._index
