"""General phrases of everyday subjects: queries that have, on average, nothing to do with a document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from senseweave.errors import MediaError
from senseweave.media import Media, Text

PROBES: Final[tuple[str, ...]] = (
    "a dog running on the beach", "how to repair a bicycle", "the history of the printing press", "fresh bread",
    "a red car parked outside", "opening hours of the museum", "causes of inflation", "children playing football",
    "a recipe for vegetable soup", "mountain at sunrise", "train timetable", "symptoms of a cold",
    "an old wooden chair", "the speed of light", "how plants make food", "a bird on a branch",
    "meeting notes from Tuesday", "a portrait of a woman", "the capital of a country", "learning to play the piano",
    "computer keyboard", "weather forecast for tomorrow", "a glass of water on a table", "the roots of jazz music",
    "tax return deadline", "a cat asleep on a sofa", "ancient Roman roads", "cleaning the windows",
    "a crowded street at night", "how vaccines work", "a bowl of fruit", "the rules of chess",
    "storm at sea", "a thank-you letter", "electric motors", "sheep in a field",
    "the price of coffee", "how to tie a knot", "a birthday cake with candles", "software licence terms",
    "an aeroplane taking off", "the life of a composer", "garden in spring", "first aid for burns",
    "a lighthouse on a cliff", "minutes of the annual meeting", "snow on the roof", "why the sky is blue",
    "a bridge over a river", "choosing a mobile phone", "a plate of pasta", "the theory of evolution",
    "people waiting at a bus stop", "renting a flat", "a horse jumping a fence", "the invention of the telephone",
    "a stack of old books", "how to swim", "clouds before rain", "an interview with a scientist",
    "a pair of running shoes", "the water cycle", "market stalls with vegetables", "voices in another room",
    "a clock on the wall", "planting tomatoes", "a kitchen knife", "what the election decided",
    "a rabbit in the grass", "how banks make money", "a string quartet", "the surface of the moon",
    "lost luggage at the airport", "a tent in the forest", "sharpening a pencil", "the meaning of a dream",
    "an umbrella in the rain", "bees and honey", "a hospital corridor", "advice for a job interview",
    "a fish in a tank", "the size of an atom", "a wedding in summer", "how to save electricity",
    "a spider's web", "the end of the film", "a map of the city", "instructions for the washing machine",
    "a guitar leaning on a wall", "the cause of earthquakes", "fireworks", "a phone call to the landlord",
    "a monkey eating a banana", "paper and ink", "a boat in the harbour", "laughter",
)  # fmt: skip
"""96 phrases, written for this purpose: nouns, questions and headlines as people type them."""


def embed_probes(embed: Callable[[Sequence[Media]], Any]) -> np.ndarray:
    """Return the vectors of the phrases, shape (n, dimension), float32; n is 0 if the model can embed none of them.

    A model of few words cannot embed each phrase; such phrases are left out.

    Args:
        embed: Returns the vectors of queries, and raises `MediaError` if one of them cannot be embedded.
    """
    phrases = [Text(phrase) for phrase in PROBES]
    try:
        return np.asarray(embed(phrases), np.float32)
    except MediaError:
        vectors = [vector for phrase in phrases if (vector := _embed_alone(embed, phrase)) is not None]
        return np.stack(vectors) if vectors else np.zeros((0, 1), np.float32)


def _embed_alone(embed: Callable[[Sequence[Media]], Any], phrase: Media) -> np.ndarray | None:
    try:
        return np.asarray(embed([phrase])[0], np.float32)
    except MediaError:
        return None
