"""Group hits by source: the best window, page or passage represents its source, and keeps the spans of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from senseweave.retrieval.hits import Hit, Span

SPANS: Final = 5
"""Most spans kept per source."""


def group_key(hit: Hit) -> tuple[str, str]:
    """Return what hits of a group share: modality and source; the words in a picture are grouped with the picture."""
    return hit.shown_modality, hit.source


def group_by_source(hits: Sequence[Hit], *, spans: int = SPANS) -> list[Hit]:
    """Keep the best hit of each source, in order, with the spans of its other hits, best first and without repeats.

    Args:
        hits: Best first.
        spans: Most spans kept per source.
    """
    best: dict[tuple[str, str], Hit] = {}
    found: dict[tuple[str, str], list[Span]] = {}
    for hit in hits:
        key = group_key(hit)
        best.setdefault(key, hit)
        kept = found.setdefault(key, [])
        if hit.span is not None and hit.span not in kept and len(kept) < spans:
            kept.append(hit.span)
    return [replace(hit, spans=tuple(found[key])) for key, hit in best.items()]
