"""Retrieval: an index over all modalities, and the calibrated merging that ranks it."""

from senseweave.retrieval.fusion import METHODS
from senseweave.retrieval.hits import Hit
from senseweave.retrieval.index import Index
from senseweave.retrieval.merging import Ranked, merge
from senseweave.retrieval.query import Query
from senseweave.retrieval.report import Report
from senseweave.retrieval.statistics import Statistics, background
from senseweave.retrieval.store_statistics import StoreStatistics

__all__ = [
    "METHODS",
    "Hit",
    "Index",
    "Query",
    "Ranked",
    "Report",
    "Statistics",
    "StoreStatistics",
    "background",
    "merge",
]
