"""Ways to make the scores of several result lists comparable: one method a file, all of them by name in `METHODS`."""

from __future__ import annotations

from senseweave.retrieval.fusion.base import FusionMethod, LinearMethod, ListMethod
from senseweave.retrieval.fusion.composition import EmbeddedPart, compose_query, compose_words
from senseweave.retrieval.fusion.registry import METHODS

find_method = METHODS.find
register = METHODS.register

__all__ = [
    "METHODS",
    "EmbeddedPart",
    "FusionMethod",
    "LinearMethod",
    "ListMethod",
    "compose_query",
    "compose_words",
    "find_method",
    "register",
]
