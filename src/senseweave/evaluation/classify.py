"""Zero-shot classification: which label, given as text, fits an image, a sound, a video or a text best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from senseweave.errors import FingerprintError
from senseweave.media import Media, Modality, Text
from senseweave.retrieval.listing import IndexRecord
from senseweave.spaces import Space
from senseweave.spaces.engine import OnError

TEMPLATES: dict[Modality, str] = {
    "text": "{}",
    "image": "a photo of a {}.",
    "audio": "This is a sound of {}.",
    "video": "a video of {}.",
}
"""The text that a label is inserted into, by the modality of the item: for images from Radford et al. 2021 (arXiv
2103.00020, section 3.1.4), for sounds from the README of LAION-AI/CLAP; for videos and texts, this library's own."""
DEFAULT_SCALE = 20.0
"""The scale for models without a scale of their own: the factor of cosines in sentence-transformers' training
(MultipleNegativesRankingLoss)."""


@dataclass(frozen=True)
class Classification:
    """The labels of an item, scored.

    Attributes:
        position: Index of the item in the given sequence.
        label: The label that fits best.
        score: The score of that label.
        scores: The score of every label, best first: probabilities that sum to 1, or with a model that was trained
            with a sigmoid (SigLIP) the probability of each label by itself.
    """

    position: int
    label: str
    score: float
    scores: Mapping[str, float]


def classify(
    space: Space,
    items: Iterable[Any],
    labels: Iterable[str],
    *,
    template: str | Sequence[str] | None = None,
    modality: Modality | None = None,
    scale: float | None = None,
    on_error: OnError = "raise",
) -> list[Classification]:
    """Choose the label that fits each item best, without training.

    score = softmax(scale * cosine(item, label)), or sigmoid(scale * cosine + bias) where the model has a bias; scale
    and bias are those that the model was trained with (Radford et al. 2021, arXiv 2103.00020; Zhai et al. 2023, arXiv
    2303.15343).

    Args:
        space: Embeds the items and, as text, the labels.
        items: `senseweave.Image`, `Audio`, `Video` or `Text`, of one or several modalities; with `modality`, anything
            that the space's `embed_...` method of it takes. Or the records of an index in this space,
            `index.records(vectors=True)`, which are not embedded again.
        labels: The labels, at least one and all different.
        template: The text that a label is inserted into at `{}`; several are averaged as unit vectors (prompt
            ensembling, section 3.1.4 of CLIP's paper). None takes the template in `TEMPLATES` for the item's modality.
        modality: Modality of all items, if they are not media already.
        scale: Factor of the cosines; None takes the model's own, or `DEFAULT_SCALE` if it has none.
        on_error: `raise`, or `skip` to leave out items that cannot be read.

    Returns:
        A classification per item, in the given order.

    Raises:
        TypeError: If `items` is a single item, `labels` a single string, or an item is not media and has no modality.
        ValueError: If there are no labels, two are equal, a template has no `{}`, or the scale is not finite.
        UnsupportedModalityError: If the space cannot embed text, or an item.
        MediaError: With `on_error="raise"`, for the first item that cannot be read.
    """
    labels = _checked_labels(labels)
    if scale is not None and not math.isfinite(scale):
        msg = f"scale must be a finite number, not {scale}"
        raise ValueError(msg)
    if isinstance(items, str | bytes | Media | IndexRecord):
        msg = f"items must be a list, not a single {type(items).__name__}; put it into a list"
        raise TypeError(msg)
    text = space.encoder("text")
    listed = list(items)
    if not listed:
        return []
    if isinstance(listed[0], IndexRecord):
        kinds, rows, kept = _stored(space, listed)
    else:
        media = [_as_media(space, item, modality, position) for position, item in enumerate(listed)]
        batch = space.encode(media, on_error=on_error)
        kinds, rows, kept = [item.modality for item in media], batch.vectors, batch.kept
    vectors: dict[Modality, np.ndarray] = {}
    for kind in {kinds[position] for position in kept}:
        vectors[kind] = label_vectors(space, labels, TEMPLATES[kind] if template is None else template)

    factor = scale if scale is not None else text.logit_scale or DEFAULT_SCALE
    bias = text.logit_bias
    results = []
    for vector, position in zip(rows, kept, strict=True):
        logits = factor * space.similarity(vector, vectors[kinds[position]])[0].astype(np.float64)
        scores = _softmax(logits) if bias is None else 1 / (1 + np.exp(-(logits + bias)))
        order = np.argsort(-scores, kind="stable")
        ranked = {labels[index]: float(scores[index]) for index in order}
        best = labels[order[0]]
        results.append(Classification(position, best, ranked[best], ranked))
    return results


def label_vectors(space: Space, labels: Sequence[str], template: str | Sequence[str]) -> np.ndarray:
    """Embed labels in a template, or in several templates whose vectors are averaged.

    Args:
        space: A space that embeds text.
        labels: The labels.
        template: A template or several, each with `{}` where the label goes.

    Returns:
        Shape (labels, dimension), float32, rows of length 1.

    Raises:
        ValueError: If there is no template, or a template has no `{}`.
    """
    templates = [template] if isinstance(template, str) else list(template)
    if not templates or any("{}" not in text for text in templates):
        msg = f"a template needs {{}} where the label goes, as in 'a photo of a {{}}', not {template!r}"
        raise ValueError(msg)
    total = np.zeros((len(labels), space.dimension), np.float32)
    for text in templates:
        rows = space.embed_text([text.replace("{}", label) for label in labels], role="query")
        total += rows / np.linalg.norm(rows, axis=1, keepdims=True)
    unit: np.ndarray = total / np.linalg.norm(total, axis=1, keepdims=True)
    return unit


def _checked_labels(labels: Iterable[str]) -> list[str]:
    if isinstance(labels, str):
        msg = f"labels must be a list of strings, not one string: {labels!r}"
        raise TypeError(msg)
    listed = list(labels)
    if not listed or len(set(listed)) < len(listed):
        msg = f"labels must be at least one string, all different, not {listed!r}"
        raise ValueError(msg)
    return listed


def _stored(space: Space, records: Sequence[Any]) -> tuple[list[Modality], np.ndarray, Sequence[int]]:
    """Return the modalities, vectors and positions of the records of an index.

    Raises:
        TypeError: If one of them is no record, or has no vector.
        FingerprintError: If one of them is of another space.
    """
    for position, record in enumerate(records, start=1):
        if not isinstance(record, IndexRecord) or record.vector is None:
            msg = f"item {position} is not a record with its vector; give index.records(vectors=True) alone"
            raise TypeError(msg)
        known, expected = record.provenance.fingerprint, space.fingerprint
        if known not in (None, expected):
            raise FingerprintError(record.source, str(known), expected)
    return [record.modality for record in records], np.stack([record.vector for record in records]), range(len(records))


def _as_media(space: Space, item: Any, modality: Modality | None, position: int) -> Media:
    if isinstance(item, Media) and modality is None:
        return item
    if modality is not None:
        return space.media(modality, item)
    if isinstance(item, str) and space.modalities == ("text",):
        return Text(item)
    msg = (
        f"item {position + 1} is {type(item).__name__}, not media: wrap it in sw.Image, sw.Audio, sw.Video or sw.Text, "
        "or give the modality of all items with modality="
    )
    raise TypeError(msg)


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponents = np.exp(logits - logits.max())
    probabilities: np.ndarray = exponents / exponents.sum()
    return probabilities
