"""Retrieval: an index over all modalities, and the calibrated merging that ranks it."""

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
