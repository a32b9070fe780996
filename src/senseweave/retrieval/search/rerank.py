"""Rerank the best hits: a cross-encoder reads query and record together."""

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
    """Anything that scores how well hits answer a query."""

    name: str

    def scores(self, query: Query, hits: Sequence[Hit]) -> np.ndarray:
        """Return a number for each hit, shape (n,); larger is better."""


class CrossEncoderReranker:
    """A cross-encoder of sentence-transformers over queries and the records' lines (text, transcripts, labels).

    With `media=True` and a multimodal model, images of query and hits are passed to the model as images instead.
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
        """Create a reranker from a model's name, loaded when it is first used, or from a loaded `CrossEncoder`.

        Args:
            model: A hub id, a local folder, or a `sentence_transformers.CrossEncoder`.
            media: Whether to pass images to the model as images; the model must be multimodal.
            batch_size: Pairs of query and hit per batch.
            device: torch device; None picks the best available.
            revision: Revision of a model on the hub.
        """
        self._source = model
        self._media = media
        self._batch_size = batch_size
        self._options = {"device": device, "revision": revision}
        self._model: Any = None if isinstance(model, str) else model
        self.name = f"rerank:{model}" if isinstance(model, str) else "rerank"

    def scores(self, query: Query, hits: Sequence[Hit]) -> np.ndarray:
        """Return the model's output for each pair of query and hit, shape (n,), float64.

        Raises:
            ValueError: If the query has no part that the model reads, or the model returns several scores per pair.
        """
        if self._model is None:
            library = require("sentence_transformers", extra="text", feature="reranking with a cross-encoder")
            self._model = library.CrossEncoder(self._source, **self._options)
        query_input = self._query_input(query)
        pairs = [(query_input, self._hit_input(hit)) for hit in hits]
        result = np.asarray(
            self._model.predict(pairs, batch_size=self._batch_size, show_progress_bar=False), dtype=np.float64
        )
        if result.shape != (len(hits),):
            msg = (
                f"{self.name} returned scores of shape {result.shape} for {len(hits)} pairs; "
                "a reranker must return one score per pair"
            )
            raise ValueError(msg)
        return result

    def _query_input(self, query: Query) -> Any:
        parts = [media for media, weight in query.parts if weight > 0]
        texts = [media.decode() for media in parts if media.modality == "text"]
        pictures = [media for media in parts if media.modality == "image"]
        if self._media and pictures:
            return {"image": pictures[0].decode(), **({"text": " ".join(texts)} if texts else {})}
        if not texts:
            msg = f"{self.name} reads text, but the query has no text; use a multimodal model with media=True"
            raise ValueError(msg)
        return " ".join(texts)

    def _hit_input(self, hit: Hit) -> Any:
        if self._media and hit.modality == "image":
            try:
                picture: Media = hit.media
                return picture.decode()
            except MediaError:
                return hit.text  # the file is gone, or the image was never a file; its line of text remains
        return hit.text


def as_reranker(reranker: str | Reranker) -> Reranker:
    """Return a reranker for a model's name; anything with `name` and `scores` is returned as it is.

    Raises:
        TypeError: If it is neither.
    """
    if isinstance(reranker, str):
        return CrossEncoderReranker(reranker)
    if not callable(getattr(reranker, "scores", None)) or not hasattr(reranker, "name"):
        msg = (
            "rerank must be the name of a cross-encoder, or an object with `name` and `scores(query, hits)`, "
            f"not {reranker!r}"
        )
        raise TypeError(msg)
    return reranker


def rerank(query: Query, hits: Sequence[Hit], reranker: Reranker) -> list[Hit]:
    """Return hits in the order of the reranker's scores, which become their scores; ties keep their order.

    Raises:
        ValueError: If the reranker does not return one finite score per hit.
    """
    if not hits:
        return []
    values = np.asarray(reranker.scores(query, hits), dtype=np.float64)
    if values.shape != (len(hits),) or not np.isfinite(values).all():
        msg = f"{reranker.name} must return one finite score per hit, but returned {values} for {len(hits)} hits"
        raise ValueError(msg)
    order = np.argsort(-values, kind="stable")
    return [replace(hits[i], score=float(values[i]), calibration=reranker.name) for i in order]
