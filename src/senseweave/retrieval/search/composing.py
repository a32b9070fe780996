"""Choose the fusion method of a search, and compose its query for every source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from senseweave.media import Modality
from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.fusion import EmbeddedPart, FusionMethod, compose_query, compose_words, find_method
from senseweave.retrieval.merging import UNCALIBRATED_METHOD, UNCALIBRATED_WITH_WORDS, resolve_method
from senseweave.retrieval.search.plan import Plan
from senseweave.retrieval.search.source import RankingSource


def compose_sources(
    sources: Sequence[RankingSource], embedded: Mapping[str, Sequence[EmbeddedPart]], plan: Plan, length: float
) -> tuple[FusionMethod, dict[str, tuple[np.ndarray, Statistics | None]]]:
    """Return the fusion method, and by source the vector to search with and the statistics to score with.

    Sources that hold nothing are left out.

    Raises:
        ValueError: If the method lacks statistics or cannot compose the query.
    """
    calibrated = plan.method is None or find_method(plan.method).needs_statistics
    modalities: dict[str, list[Modality]] = {
        source.name: ["text"] if source.by_words else [part.modality for part in embedded[source.space]]
        for source in sources
    }
    cells = {
        source.name: [source.statistics(modality) if calibrated else None for modality in modalities[source.name]]
        for source in sources
    }
    # Some stores count by walking through all records, as long as a search takes: what has statistics is not counted.
    filled = [source for source in sources if None not in cells[source.name] or not source.is_empty()]
    complete = {name: known[0] for name, known in cells.items() if known[0] is not None and None not in known}
    name = resolve_method(plan.method, [source.name for source in filled], complete)
    if plan.method is None and name == UNCALIBRATED_METHOD and any(source.by_words for source in filled):
        name = UNCALIBRATED_WITH_WORDS  # lists of the same records, of which two may name the same
    method = find_method(name)
    queries = {
        source.name: compose_query(embedded[source.space], cells[source.name], method, length)
        for source in filled
        if not source.by_words
    }
    for source in filled:
        if source.by_words:  # the vector serves to compare what the words find
            vector, _ = queries.get(source.pair or "", (np.zeros(0, np.float32), None))
            queries[source.name] = vector, compose_words(cells[source.name][0], method, length / source.weight)
    return method, queries
