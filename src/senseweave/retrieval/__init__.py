"""Retrieval: an index over all modalities, and the calibrated merging that ranks it.

A name is imported when it is first used: what ranks the lists of a framework's store needs no index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from senseweave.lazy import lazy_names

if TYPE_CHECKING:
    from senseweave.retrieval.calibration.statistics import Statistics, background
    from senseweave.retrieval.calibration.store_statistics import StoreStatistics
    from senseweave.retrieval.fusion import METHODS, FusionMethod
    from senseweave.retrieval.hits import Hit
    from senseweave.retrieval.index import Index
    from senseweave.retrieval.merging import Ranked, merge
    from senseweave.retrieval.query import Query
    from senseweave.retrieval.report import Report
    from senseweave.retrieval.search.rerank import load_reranker
    from senseweave.retrieval.search.reranker import Reranker

_HOMES = {
    "METHODS": "senseweave.retrieval.fusion",
    "FusionMethod": "senseweave.retrieval.fusion",
    "Hit": "senseweave.retrieval.hits",
    "Index": "senseweave.retrieval.index",
    "Query": "senseweave.retrieval.query",
    "Ranked": "senseweave.retrieval.merging",
    "Report": "senseweave.retrieval.report",
    "Reranker": "senseweave.retrieval.search.reranker",
    "Statistics": "senseweave.retrieval.calibration.statistics",
    "StoreStatistics": "senseweave.retrieval.calibration.store_statistics",
    "background": "senseweave.retrieval.calibration.statistics",
    "load_reranker": "senseweave.retrieval.search.rerank",
    "merge": "senseweave.retrieval.merging",
}

__all__ = [
    "METHODS",
    "FusionMethod",
    "Hit",
    "Index",
    "Query",
    "Ranked",
    "Report",
    "Reranker",
    "Statistics",
    "StoreStatistics",
    "background",
    "load_reranker",
    "merge",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
