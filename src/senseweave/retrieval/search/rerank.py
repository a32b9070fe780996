"""Rerank the best hits by a model that reads query and record together, or compares them word by word."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np

from senseweave.encoders.rerankers.base import Scorer, Scores
from senseweave.encoders.rerankers.multi_vector import MultiVectorModel
from senseweave.encoders.runtime.torch_runtime import Lazy
from senseweave.errors import MediaError, RerankWarning
from senseweave.media import Image, Media, Text
from senseweave.redaction import quoted
from senseweave.retrieval.hits import Hit
from senseweave.retrieval.query import Query, as_query
from senseweave.retrieval.records.labels import place_label
from senseweave.retrieval.search.reranker import Reranker, is_reranker, plugin_reranker
from senseweave.spaces.recorded import remember

PDF: Final = "application/pdf"
TokenScores = Callable[[MultiVectorModel, Any, Sequence[Any], Sequence[Hit]], Scores]
"""Scores what a multi-vector model reads of hits by means of stored vectors, given the model, the query, and both."""


class ModelReranker:
    """A cross-encoder, multi-vector model, sparse encoder or vision-language model over queries and hits.

    Models that read are given the text of a hit, its transcript, its caption or its labels, and the words in its
    picture. Models that see are given pictures as pictures, and pages of a PDF where they read no text. What cannot be
    scored comes last and is warned of (`RerankWarning`), the rest is ranked without it.
    """

    def __init__(self, name: str | os.PathLike[str], **options: Any) -> None:
        """Create a reranker from a model's name; the model is found and loaded when it is first used.

        Args:
            name: A hub id or a local folder.
            **options: As for `load_reranker`.

        Raises:
            TypeError: If the name is neither a string nor a path, or is blank.
        """
        name = os.fspath(name)
        if not isinstance(name, str) or not name.strip():
            msg = f"the name of a reranker must be a string such as 'cross-encoder/ms-marco-MiniLM-L6-v2', not {name!r}"
            raise TypeError(msg)
        self.model_name = name
        self.name = f"rerank:{name}"
        self._options = options
        self._model: Lazy[Scorer] = Lazy(lambda: _load(name, options))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.model_name, self._options)

    def __repr__(self) -> str:
        return f"ModelReranker({quoted(self.model_name)})"

    @property
    def model(self) -> Scorer:
        """The model: its kind, its fingerprint, and the vectors of multi-vector and sparse models (`embed`)."""
        return self._model()

    def close(self) -> None:
        """Free the model; the next use loads it again."""
        self._model().close()
        self._model.close()

    def score(self, query: str | Media | Query, candidates: Sequence[str | Media | Hit]) -> Scores:
        """Score how well candidates answer a query.

        Args:
            query: A string (always text), media, or a `Query` of several parts.
            candidates: Strings, media and hits.

        Returns:
            A score for each candidate, larger is better, NaN for those that could not be scored, with the reasons and
            what was cut off (`notes`).

        Raises:
            ValueError: If the model reads no part of the query.
            ModelError: If the model cannot be loaded, or cannot compute the query.
        """
        return self._score(as_query(query), candidates, lambda asked, contents, _: self.model.score(asked, contents))

    def _score(
        self,
        query: Query,
        candidates: Sequence[str | Media | Hit],
        compare: Callable[[Any, Sequence[Any], Sequence[Any]], Scores],
    ) -> Scores:
        """Score candidates by what compares the query's content, theirs, and the candidates that have any."""
        asked = self._query_content(query)
        contents = [self._content(candidate) for candidate in candidates]
        usable = [at for at, content in enumerate(contents) if not isinstance(content, MediaError)]
        found = compare(asked, [contents[at] for at in usable], [candidates[at] for at in usable])
        values = np.full(len(candidates), np.nan)
        values[usable] = found.values
        dropped = np.zeros(len(candidates), dtype=int)
        dropped[usable] = found.dropped
        errors = {at: content.reason for at, content in enumerate(contents) if isinstance(content, MediaError)}
        errors.update({usable[at]: reason for at, reason in found.errors.items()})
        return Scores(values, errors, tuple(map(int, dropped)), found.query_dropped)

    def scores(self, query: Query, hits: Sequence[Hit], stored: TokenScores | None = None) -> np.ndarray:
        """Return a score for each hit, shape (n,), float64; what could not be scored is below all others.

        Args:
            query: The query.
            hits: At least one.
            stored: Scores by vectors that a store keeps; used if the model is one of several vectors.

        Raises:
            ValueError: If the model reads no part of the query, or no hit.

        Warns:
            RerankWarning: If the model did not read everything.
        """
        model = self.model
        if stored is not None and isinstance(model, MultiVectorModel):
            found = self._score(query, hits, partial(stored, model))
        else:
            found = self.score(query, hits)
        unscored = np.isnan(found.values)
        if unscored.all():
            first = place_label(hits[0].provenance)
            msg = f"{self.name} can score none of the {len(hits)} hits; {first}: {found.errors[0]}"
            raise ValueError(msg)
        if found.notes:
            place = f" ({place_label(hits[min(found.errors)].provenance)})" if found.errors else ""
            warnings.warn(f"{self.name}: {'; '.join(found.notes)}{place}", RerankWarning, stacklevel=2)
        return np.where(unscored, np.nextafter(np.nanmin(found.values), -np.inf), found.values)

    def _query_content(self, query: Query) -> Any:
        """Return the words of a query, its picture, or both, as far as the model reads them.

        Raises:
            ValueError: If it reads none of them.
        """
        reads = self.model.reads("query")
        parts = [media for media, weight in query.parts if weight > 0]
        words = " ".join(media.decode() for media in parts if media.modality == "text") if "text" in reads else ""
        pictures = [media.decode() for media in parts if media.modality == "image"] if "image" in reads else []
        if words and pictures and self.model.reads_together:
            return {"text": words, "image": pictures[0]}
        if not words and not pictures:
            has = " and ".join(dict.fromkeys(media.modality for media in parts)) or "no part that counts"
            msg = f"{self.name} reads {' and '.join(sorted(reads, reverse=True))}, but the query has {has}"
            if reads == {"text"} and "text" not in has:
                msg = f"{self.name} reads text, but the query has no text; use a model that also reads {has}"
            raise ValueError(msg)
        return words or pictures[0]

    def _content(self, candidate: str | Media | Hit) -> Any:
        """Return the picture or the words of a candidate, or why it has neither."""
        reads = self.model.reads("document")
        if isinstance(candidate, str):
            candidate = Text(candidate)
        reason = f"{candidate.modality} cannot be read by this model"
        if "image" in reads:
            try:
                shown = _picture(candidate, of_text="text" not in reads)
                if shown is not None:
                    return shown.decode()
            except MediaError as error:
                reason = error.reason  # the file is gone, or was never a file; its words remain
        if "text" in reads:
            words = hit_words(candidate)
            if words.strip():
                return words
            reason = "there is no text to read"
        return MediaError(candidate.source, reason)


def load_reranker(name: str | os.PathLike[str], **options: Any) -> ModelReranker:
    """Load a reranker: cross-encoder, multi-vector model (ColBERT, ColPali), SPLADE or vision-language model.

        reranker = sw.load_reranker("lightonai/GTE-ModernColBERT-v1", device="cuda")
        index.search("how does it work", rerank=reranker)
        reranker.score("how does it work", ["It turns.", "It is blue."]).values

    Args:
        name: A hub id or a local folder; its files tell which kind it is. Weights are loaded when they are first used.
        **options: `device`, `dtype`, `revision`, `max_length` (tokens of a document, or of a pair), `batch_tokens`,
            `prompts` (by role; what the folder was saved with if left out), `trust_remote_code`, and `kind`
            (`cross-encoder`, `multi-vector`, `sparse`, `vision-language`) for a folder whose files do not say it. Of
            vision-language models `device`, `dtype`, `revision`, `max_length`, `prompt` (the question, with `{query}`
            in it) and `answers` (of a relevant candidate, and of another).

    Raises:
        ModelError: If there is no such model, or it is none of these.
        TypeError: If there is no such option, or the name or a value has the wrong type.
        ValueError: If a value is impossible.
    """
    reranker = ModelReranker(name, **options)
    _ = reranker.model  # a wrong name or option is an error here, not at the first search
    remember(reranker.model_name, options)
    return reranker


def as_reranker(reranker: str | Reranker) -> Reranker:
    """Return a reranker for a name; anything with `name` and `scores` is returned as it is.

    Args:
        reranker: A hub id or a folder, `scheme:name` of a plugin's reranker, or a reranker.

    Raises:
        TypeError: If it is neither.
        ModelError: If a plugin cannot be loaded.
    """
    if isinstance(reranker, str):
        return plugin_reranker(reranker) or ModelReranker(reranker)
    if not is_reranker(reranker):
        msg = (
            "rerank must be the name of a cross-encoder, multi-vector model, sparse encoder or vision-language model, "
            f"or an object with `name` and `scores(query, hits)`, not {quoted(reranker)}"
        )
        raise TypeError(msg)
    return reranker


def rerank(query: Query, hits: Sequence[Hit], reranker: Reranker) -> list[Hit]:
    """Return hits in the order of the reranker's scores, which become their scores; ties keep their order.

    Hits without a score (NaN) come last, in their order.

    Raises:
        ValueError: If the reranker does not return one number per hit, or scores none of them.

    Warns:
        RerankWarning: If it did not score a hit; the first is named.
    """
    if not hits:
        return []
    values = _numbers(reranker, reranker.scores(query, hits))
    if values.shape != (len(hits),):
        msg = f"{reranker.name} must return one score per hit, but returned {values.shape} for {len(hits)} hits"
        raise ValueError(msg)
    unscored = ~np.isfinite(values)
    if unscored.any():
        first = hits[int(np.flatnonzero(unscored)[0])]
        reason = f"{place_label(first.provenance)}: the score is {values[unscored][0]}"
        if unscored.all():
            msg = f"{reranker.name} scores none of the {len(hits)} hits; {reason}"
            raise ValueError(msg)
        msg = f"{reranker.name}: {unscored.sum()} of {len(hits)} hits have no score and come last; {reason}"
        warnings.warn(msg, RerankWarning, stacklevel=2)
        values[unscored] = np.nextafter(values[~unscored].min(), -np.inf)
    order = np.argsort(-values, kind="stable")
    return [replace(hits[i], score=float(values[i]), calibration=reranker.name) for i in order]


def _numbers(reranker: Reranker, scores: Any) -> np.ndarray:
    """Return what a reranker gave as an array of float64.

    Raises:
        ValueError: If it is no array or list of numbers.
    """
    try:
        return np.array(scores, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError) as error:  # tensors that have no array raise the last
        msg = f"{reranker.name} must return a list or an array of numbers, not {quoted(scores)}: {error}"
        raise ValueError(msg) from error


def _picture(candidate: Media | Hit, *, of_text: bool) -> Media | None:
    """Return what a candidate shows: a picture, that whose words it holds or, if asked for, the page of a PDF."""
    if candidate.modality == "image":
        return candidate.media if isinstance(candidate, Hit) else candidate
    if not isinstance(candidate, Hit):
        return None
    if of_text and candidate.picture is None and candidate.page is not None and candidate.mime_type == PDF:
        return Image(candidate.source, page=candidate.page, part=candidate.part, policy=candidate.policy)
    return candidate.picture


def hit_words(candidate: Media | Hit) -> str:
    """Return the text, transcript, caption or labels of a candidate, and the words that were read in its picture."""
    if not isinstance(candidate, Hit):
        return str(candidate.decode()) if candidate.modality == "text" else ""
    joined = candidate.origin.members if candidate.origin is not None else ()
    beside = [member.text for member in joined if member.provenance.modality != candidate.modality and member.text]
    return "\n".join(dict.fromkeys([candidate.text, *beside]))


def _load(name: str, options: dict[str, Any]) -> Scorer:
    # Imported late: most searches rerank by no model, and this brings the code of every kind.
    from senseweave.encoders.rerankers.loading import load_scorer

    return load_scorer(name, options)


def _rebuild(name: str, options: dict[str, Any]) -> ModelReranker:
    return ModelReranker(name, **options)
