"""A second, closer look at the best hits: a cross-encoder reads query and record together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from senseweave.errors import MediaError
from senseweave.extras import require
from senseweave.media import Media
from senseweave.retrieval.hits import Hit
from senseweave.retrieval.query import Query


class Reranker(Protocol):
    """Anything that judges how well hits answer a query."""

    name: str

    def scores(self, query: Query, hits: Sequence[Hit]) -> np.ndarray:
        """One number per hit, shape (n,); larger is better."""


class CrossEncoderReranker:
    """A cross-encoder of sentence-transformers over queries and the records' lines (text, transcripts, labels).

    With `media=True` and a multimodal model, images of query and hits are given to it as pictures instead.
    """

    def __init__(
        self,
        model: str | Any,
        *,
        media: bool = False,
        batch_size: int = 32,
        device: str | None = None,
        revision: str | None = None,
    ) -> None:
        """Name a model, or take a loaded `CrossEncoder`.

        Args:
            model: A hub id, a local folder, or a `sentence_transformers.CrossEncoder`.
            media: Whether images go to the model as pictures; it has to be multimodal.
            batch_size: Pairs that are read at a time.
            device: torch device; the best there is if None.
            revision: Of a model on the hub.
        """
        self._given = model
        self._media = media
        self._batch_size = batch_size
        self._options = {"device": device, "revision": revision}
        self._model: Any = None if isinstance(model, str) else model
        self.name = f"rerank:{model}" if isinstance(model, str) else "rerank"

    def scores(self, query: Query, hits: Sequence[Hit]) -> np.ndarray:
        """The model's output for each pair of query and hit, shape (n,), float64.

        Raises:
            ValueError: If the query holds nothing that the model reads, or it gives more than one score per pair.
        """
        if self._model is None:
            library = require("sentence_transformers", extra="text", feature="reranking with a cross-encoder")
            self._model = library.CrossEncoder(self._given, **self._options)
        asked = self._asked(query)
        pairs = [(asked, self._shown(hit)) for hit in hits]
        result = np.asarray(
            self._model.predict(pairs, batch_size=self._batch_size, show_progress_bar=False), dtype=np.float64
        )
        if result.shape != (len(hits),):
            msg = (
                f"a reranker gives one score per pair, but this model gives shape {result.shape} for {len(hits)} pairs"
            )
            raise ValueError(msg)
        return result

    def _asked(self, query: Query) -> Any:
        parts = [media for media, weight in query.parts if weight > 0]
        texts = [media.decode() for media in parts if media.modality == "text"]
        pictures = [media for media in parts if media.modality == "image"]
        if self._media and pictures:
            return {"image": pictures[0].decode(), **({"text": " ".join(texts)} if texts else {})}
        if not texts:
            msg = "this reranker reads text, and the query has none; use a multimodal model with media=True"
            raise ValueError(msg)
        return " ".join(texts)

    def _shown(self, hit: Hit) -> Any:
        if self._media and hit.modality == "image":
            try:
                picture: Media = hit.media
                return picture.decode()
            except MediaError:
                return hit.text  # the file has gone or was never one; the line is what is left of it
        return hit.text


def as_reranker(given: str | Reranker) -> Reranker:
    """Take a model's name, or anything with `name` and `scores`."""
    if isinstance(given, str):
        return CrossEncoderReranker(given)
    if not callable(getattr(given, "scores", None)) or not hasattr(given, "name"):
        msg = (
            f"rerank is the name of a cross-encoder, or an object with `name` and `scores(query, hits)`, not {given!r}"
        )
        raise TypeError(msg)
    return given


def rerank(query: Query, hits: Sequence[Hit], reranker: Reranker) -> list[Hit]:
    """Hits in the order of the reranker's scores, which become their scores; equal ones keep their order."""
    if not hits:
        return []
    values = np.asarray(reranker.scores(query, hits), dtype=np.float64)
    if values.shape != (len(hits),) or not np.isfinite(values).all():
        msg = f"{reranker.name} gives one finite score per hit, but gave {values} for {len(hits)} hits"
        raise ValueError(msg)
    order = np.argsort(-values, kind="stable")
    return [replace(hits[i], score=float(values[i]), calibration=reranker.name) for i in order]
