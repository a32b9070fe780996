"""Filters that are too many or too deep are an error that names the limit, and never the end of the process."""

from typing import Any

import pytest
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters
from llama_index.embeddings.senseweave import SenseweaveEmbedding
from llama_index.retrievers.senseweave import SenseweaveRetriever
from llama_index.retrievers.senseweave.retrieval.filters import index_condition


def join_any(*filters: Any) -> MetadataFilters:
    """Return filters of which one must hold."""
    return MetadataFilters(filters=list(filters), condition=FilterCondition.OR)


def nested(levels: int) -> MetadataFilters:
    """Return filters in each other."""
    filters = join_any(MetadataFilter(key="shelf", value=1))
    for _ in range(levels):
        filters = MetadataFilters.model_construct(filters=[filters], condition=FilterCondition.AND)
    return filters


def many(count: int) -> MetadataFilters:
    """Return filters of one field."""
    return join_any(*(MetadataFilter(key="shelf", value=number, operator=FilterOperator.GT) for number in range(count)))


def values(count: int) -> MetadataFilters:
    """Return a filter with a list."""
    return join_any(MetadataFilter(key="shelf", value=list(range(count)), operator=FilterOperator.IN))


@pytest.mark.parametrize(
    ("filters", "says"),
    [(nested(5000), "100 levels"), (many(30_000), "20,000 parts"), (values(200_000), "100,000 values")],
    ids=["deep", "many", "values"],
)
def test_filters_for_an_index(filters: MetadataFilters, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        index_condition(filters)
    assert index_condition(many(3)) == {"or": [{"shelf": {"gt": number}} for number in range(3)]}


@pytest.mark.parametrize(
    ("filters", "says"),
    [(nested(60), "40 levels"), (many(10_000), "200 parts"), (values(40_000), "10,000 values")],
    ids=["deep", "many", "values"],
)
def test_filters_for_a_chroma_store(
    filters: MetadataFilters, says: str, store: Any, embed_model: SenseweaveEmbedding
) -> None:
    with pytest.raises(ValueError, match=says):
        SenseweaveRetriever(store, embed_model, filters=filters).retrieve("green")
    assert SenseweaveRetriever(store, embed_model, filters=many(1)).retrieve("green")
